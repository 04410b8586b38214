/** @file The mixing coder in WebAssembly: the native one's C++ (cpp/bindings/wasm/mix.cc). */

import { ShacompError } from '../../errors.js';
import { SYMBOLS } from '../../model/architecture.js';
import { checkFrequencies, checkRoom, mixingOutOfRange, notACoder } from '../check.js';
import type { MixHandle, MixKernels } from '../engine.js';

/** What cpp/bindings/wasm/mix.cc exports. Pointers are byte offsets. */
interface MixExports {
  memory: WebAssembly.Memory;
  __heap_base: WebAssembly.Global;
  mixing_bytes(profile: number, length: number, streams: number): number;
  mixing_open(memory: number, profile: number, length: number, streams: number): number;
  mixing_begin_decode(mix: number, payload: number, size: number): void;
  mixing_encode(mix: number, symbols: number, count: number, frequencies: number): number;
  mixing_finish(mix: number): number;
  mixing_output(mix: number): number;
  mixing_decode(mix: number, symbols: number, count: number, frequencies: number): number;
  mixing_ends(mix: number): number;
}

const PAGE = 65536;
/** Symbols that cross into the module at a time, with their frequencies. */
const ROWS = 256;

const aligned = (at: number) => Math.ceil(at / 64) * 64;

/** One instance of the module: the memory of one coder at a time. */
class Instance {
  readonly exports: MixExports;
  readonly base: number;
  /** End of the part of the memory that coders have written to. */
  #dirty: number;

  constructor(module: WebAssembly.Module) {
    this.exports = new WebAssembly.Instance(module).exports as unknown as MixExports;
    this.base = aligned(this.exports.__heap_base.value as number);
    this.#dirty = this.base;
  }

  /** Makes `size` bytes at the base, all zero. @throws ShacompError ERR_MEMORY_LIMIT */
  allocate(size: number): void {
    const { memory } = this.exports;
    const end = this.base + size;
    const missing = end - memory.buffer.byteLength;
    try {
      if (missing > 0) memory.grow(Math.ceil(missing / PAGE));
    } catch (error) {
      throw new ShacompError(
        'ERR_MEMORY_LIMIT',
        `mixing needs ${Math.ceil(size / 2 ** 20)} MiB, more than WebAssembly can get: use a lower level or smaller blocks`,
        { cause: error },
      );
    }
    new Uint8Array(memory.buffer, this.base, Math.min(end, this.#dirty) - this.base).fill(0);
    this.#dirty = Math.max(this.#dirty, end);
  }
}

/** An open coder. Its memory does not grow, so that views of it stay valid. */
class Coder {
  readonly #instance: Instance;
  readonly #mix: number;
  readonly #symbols: Uint8Array;
  readonly #frequencies: Uint32Array;
  readonly #decodes: boolean;
  #closed = false;

  constructor(
    instance: Instance,
    bytes: number,
    profile: number,
    length: number,
    streams: number,
    payload?: Uint8Array,
  ) {
    const { base, exports } = instance;
    const frequencies = aligned(base + bytes);
    const symbols = frequencies + ROWS * SYMBOLS * 4;
    const input = symbols + ROWS;
    instance.allocate(input + (payload?.length ?? 0) - base);
    this.#instance = instance;
    this.#mix = exports.mixing_open(base, profile, length, streams);
    const { buffer } = exports.memory;
    this.#frequencies = new Uint32Array(buffer, frequencies, ROWS * SYMBOLS);
    this.#symbols = new Uint8Array(buffer, symbols, ROWS);
    this.#decodes = payload !== undefined;
    if (payload) {
      new Uint8Array(buffer, input, payload.length).set(payload);
      exports.mixing_begin_decode(this.#mix, input, payload.length);
    }
  }

  encode(symbols: Uint8Array, frequencies?: Uint32Array): number {
    const { mixing_encode } = this.#opened();
    checkFrequencies(symbols.length, frequencies);
    let size = 0;
    // at least once, to know the size
    for (let from = 0; from === 0 || from < symbols.length; from += ROWS) {
      const part = symbols.subarray(from, from + ROWS);
      this.#symbols.set(part);
      size = mixing_encode(
        this.#mix,
        this.#symbols.byteOffset,
        part.length,
        this.#opinions(frequencies, from, part.length),
      );
    }
    return size;
  }

  finish(): Uint8Array | undefined {
    const { mixing_finish, mixing_output, memory } = this.#opened();
    const size = mixing_finish(this.#mix);
    if (size === Number.POSITIVE_INFINITY) return undefined;
    return new Uint8Array(memory.buffer, mixing_output(this.#mix), size).slice();
  }

  decode(symbols: Uint8Array, count: number, frequencies?: Uint32Array): number {
    const { mixing_decode } = this.#opened();
    checkFrequencies(count, frequencies);
    if (!this.#decodes) throw notACoder('an open decoder');
    checkRoom(symbols, count);
    let position = 0;
    for (let from = 0; from === 0 || from < count; from += ROWS) {
      const n = Math.min(ROWS, count - from);
      position = mixing_decode(this.#mix, this.#symbols.byteOffset, n, this.#opinions(frequencies, from, n));
      symbols.set(this.#symbols.subarray(0, n), from);
    }
    return position;
  }

  ends(): boolean {
    const { mixing_ends } = this.#opened();
    if (!this.#decodes) throw notACoder('an open decoder');
    return mixing_ends(this.#mix) !== 0;
  }

  /** @returns the instance, for another coder; undefined if it was closed already */
  close(): Instance | undefined {
    if (this.#closed) return undefined;
    this.#closed = true;
    return this.#instance;
  }

  #opened(): MixExports {
    if (this.#closed) throw notACoder('an open coder');
    return this.#instance.exports;
  }

  /** Copies `count` rows of frequencies into the module. @returns where they lie, 0 for none */
  #opinions(frequencies: Uint32Array | undefined, from: number, count: number): number {
    if (!frequencies) return 0;
    this.#frequencies.set(frequencies.subarray(from * SYMBOLS, (from + count) * SYMBOLS));
    return this.#frequencies.byteOffset;
  }
}

/** @throws ShacompError ERR_OPTIONS */
function coderOf(handle: MixHandle): Coder {
  if (!(handle instanceof Coder)) throw notACoder('an open coder');
  return handle;
}

/** The kernels of every module: engines share the one instance that is kept for the next coder. */
const kernels = new WeakMap<WebAssembly.Module, MixKernels>();

/** The mixing coder of the module. */
export function wasmMixing(module: WebAssembly.Module): MixKernels {
  const known = kernels.get(module) ?? kernelsOf(module);
  kernels.set(module, known);
  return known;
}

function kernelsOf(module: WebAssembly.Module): MixKernels {
  /** An instance without a coder; one is kept, since its memory cannot be given back but by dropping it. */
  let idle: Instance | undefined;
  const take = () => {
    const instance = idle ?? new Instance(module);
    idle = undefined;
    return instance;
  };
  const bytesOf = (instance: Instance, profile: number, length: number, streams: number) => {
    // numbers wrap around at 2^32 on their way into the module
    const fits = [profile, length, streams].every((n) => Number.isInteger(n) && n >= 0 && n < 2 ** 31);
    return fits ? instance.exports.mixing_bytes(profile, length, streams) : 0;
  };
  return {
    mixBytes(profile, length, streams) {
      const instance = take();
      idle = instance;
      return bytesOf(instance, profile, length, streams);
    },
    mixOpen(profile, length, streams, payload): MixHandle {
      const instance = take();
      const bytes = bytesOf(instance, profile, length, streams);
      if (bytes === 0) {
        idle = instance;
        throw mixingOutOfRange();
      }
      return new Coder(instance, bytes, profile, length, streams, payload);
    },
    mixEncode: (coder, symbols, frequencies) => coderOf(coder).encode(symbols, frequencies),
    mixFinish: (coder) => coderOf(coder).finish(),
    mixDecode: (coder, symbols, count, frequencies) => coderOf(coder).decode(symbols, count, frequencies),
    mixEnds: (coder) => coderOf(coder).ends(),
    mixClose(coder) {
      if (coder instanceof Coder) idle = coder.close() ?? idle;
    },
  };
}
