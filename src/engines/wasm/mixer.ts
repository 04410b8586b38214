/** @file The mixing coder in WebAssembly: the native one's C++ (cpp/bindings/wasm/mix.cc). */

import { SYMBOLS } from '../../model/architecture.js';
import {
  checkFrequencies,
  checkLikeliest,
  checkOdds,
  checkRoom,
  mixingOutOfRange,
  notACoder,
} from '../check.js';
import type { Likeliest, MixHandle, MixKernels } from '../engine.js';
import { LIKELIEST } from '../profiles.js';
import { aligned, type HeapExports, Idle, WasmHeap } from './memory.js';

/** What cpp/bindings/wasm/mix.cc exports. Pointers are byte offsets. */
interface MixExports extends HeapExports {
  mixing_bytes(profile: number, length: number, streams: number): number;
  mixing_open(memory: number, profile: number, length: number, streams: number): number;
  mixing_begin_decode(mix: number, payload: number, size: number): void;
  mixing_encode(
    mix: number,
    symbols: number,
    count: number,
    frequencies: number,
    odds: number,
    likeliest: number,
    chances: number,
  ): number;
  mixing_finish(mix: number): number;
  mixing_output(mix: number): number;
  mixing_decode(mix: number, symbols: number, count: number, frequencies: number): number;
  mixing_ends(mix: number): number;
}

/** Symbols that cross into the module at a time, with their frequencies. */
const ROWS = 256;
/** Bytes that are cleared at a time: some milliseconds. */
const CLEARED = 2 ** 22;
/** Bytes of room for them, behind the coder: frequencies, the odds of 8 bits, chances, likeliest, symbols. */
const CROSSING = ROWS * (SYMBOLS * 4 + 8 * 2 + LIKELIEST * 3 + 1);

type MixHeap = WasmHeap<MixExports>;

/** An open coder, alone in its heap, so that nothing makes the memory grow and views of it stay valid. */
class Coder {
  readonly #block: number;
  readonly #shape: { profile: number; length: number; streams: number };
  /** A decoder's input, behind the coder. */
  readonly #payload: { at: number; size: number } | undefined;
  /** Bytes at the start of the memory that are not clear yet. */
  #dirty: number;
  /** Where the coder is; undefined while its memory is not clear. */
  #mix: number | undefined;
  /** The heap, and the room in it for what crosses into the module; undefined once the coder is closed. */
  #open:
    | {
        heap: MixHeap;
        symbols: Uint8Array;
        odds: Uint16Array;
        frequencies: Uint32Array;
        likeliest: Likeliest;
      }
    | undefined;

  constructor(
    heap: MixHeap,
    bytes: number,
    profile: number,
    length: number,
    streams: number,
    payload?: Uint8Array,
  ) {
    const { exports } = heap;
    const { at, dirty } = heap.allocateDirty(bytes + (payload?.length ?? 0), 'mixing');
    this.#block = at;
    this.#shape = { profile, length, streams };
    this.#payload = payload && { at: at + bytes, size: payload.length };
    const frequencies = at + bytes - CROSSING;
    this.#dirty = Math.min(dirty, bytes - CROSSING);
    const odds = frequencies + ROWS * SYMBOLS * 4;
    const chances = odds + ROWS * 8 * 2;
    const likeliest = chances + ROWS * LIKELIEST * 2;
    const symbols = likeliest + ROWS * LIKELIEST;
    const { buffer } = exports.memory;
    this.#open = {
      heap,
      symbols: new Uint8Array(buffer, symbols, ROWS),
      odds: new Uint16Array(buffer, odds, ROWS * 8),
      frequencies: new Uint32Array(buffer, frequencies, ROWS * SYMBOLS),
      likeliest: {
        symbols: new Uint8Array(buffer, likeliest, ROWS * LIKELIEST),
        chances: new Uint16Array(buffer, chances, ROWS * LIKELIEST),
      },
    };
    if (payload) new Uint8Array(buffer, at + bytes, payload.length).set(payload);
  }

  /**
   * Clears up to so many bytes of the memory, and opens the coder when all is clear. @returns whether it is
   * open
   */
  prepare(most = CLEARED): boolean {
    const { heap } = this.#opened();
    const cleared = Math.min(most, this.#dirty);
    this.#dirty -= cleared;
    heap.bytes(this.#block + this.#dirty, cleared).fill(0);
    if (this.#dirty > 0) return false;
    if (this.#mix === undefined) {
      const { profile, length, streams } = this.#shape;
      this.#mix = heap.exports.mixing_open(this.#block, profile, length, streams);
      if (this.#payload) heap.exports.mixing_begin_decode(this.#mix, this.#payload.at, this.#payload.size);
    }
    return true;
  }

  encode(symbols: Uint8Array, frequencies?: Uint32Array, odds?: Uint16Array, likeliest?: Likeliest): number {
    const { heap, symbols: room, odds: given, likeliest: named } = this.#opened();
    checkFrequencies(symbols.length, frequencies);
    checkOdds(symbols.length, odds);
    checkLikeliest(symbols.length, likeliest);
    let size = 0;
    // at least once, to know the size
    for (let from = 0; from === 0 || from < symbols.length; from += ROWS) {
      const part = symbols.subarray(from, from + ROWS);
      room.set(part);
      const predictions = this.#predictions(frequencies, from, part.length);
      const to = (wanted: unknown, at: { byteOffset: number }) => (wanted ? at.byteOffset : 0);
      size = heap.exports.mixing_encode(
        ...([this.#coder(), room.byteOffset, part.length, predictions] as const),
        ...([to(odds, given), to(likeliest, named.symbols), to(likeliest, named.chances)] as const),
      );
      odds?.set(given.subarray(0, part.length * 8), from * 8);
      likeliest?.symbols.set(named.symbols.subarray(0, part.length * LIKELIEST), from * LIKELIEST);
      likeliest?.chances.set(named.chances.subarray(0, part.length * LIKELIEST), from * LIKELIEST);
    }
    return size;
  }

  finish(): Uint8Array | undefined {
    const { mixing_finish, mixing_output, memory } = this.#opened().heap.exports;
    const size = mixing_finish(this.#coder());
    if (size === Number.POSITIVE_INFINITY) return undefined;
    return new Uint8Array(memory.buffer, mixing_output(this.#coder()) >>> 0, size).slice();
  }

  decode(symbols: Uint8Array, count: number, frequencies?: Uint32Array): number {
    const { heap, symbols: room } = this.#opened();
    checkFrequencies(count, frequencies);
    if (!this.#payload) throw notACoder('an open decoder');
    checkRoom(symbols, count);
    let position = 0;
    for (let from = 0; from === 0 || from < count; from += ROWS) {
      const n = Math.min(ROWS, count - from);
      const predictions = this.#predictions(frequencies, from, n);
      position = heap.exports.mixing_decode(this.#coder(), room.byteOffset, n, predictions);
      symbols.set(room.subarray(0, n), from);
    }
    return position;
  }

  ends(): boolean {
    const { heap } = this.#opened();
    if (!this.#payload) throw notACoder('an open decoder');
    return heap.exports.mixing_ends(this.#coder()) !== 0;
  }

  /** @returns the heap, for another coder; undefined if it was closed already */
  close(): MixHeap | undefined {
    const heap = this.#open?.heap;
    heap?.release(this.#block);
    this.#open = undefined;
    return heap;
  }

  #coder(): number {
    if (this.#mix === undefined) this.prepare(Number.POSITIVE_INFINITY);
    return this.#mix!;
  }

  #opened() {
    if (!this.#open) throw notACoder('an open coder');
    return this.#open;
  }

  /** Copies `count` rows of frequencies into the module. @returns where they lie, 0 for none */
  #predictions(frequencies: Uint32Array | undefined, from: number, count: number): number {
    if (!frequencies) return 0;
    const { frequencies: room } = this.#opened();
    room.set(frequencies.subarray(from * SYMBOLS, (from + count) * SYMBOLS));
    return room.byteOffset;
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
  /** For sizes alone: has no coder and never grows. */
  let measuring: MixHeap | undefined;
  /** Of a coder that was closed: the next block's may be as large. */
  const idle = new Idle<MixHeap>();
  const mixBytes = (profile: number, length: number, streams: number) => {
    // numbers wrap around at 2^32 on their way into the module
    const fits = [profile, length, streams].every((n) => Number.isInteger(n) && n >= 0 && n < 2 ** 31);
    measuring ??= new WasmHeap(module);
    const coder = fits ? measuring.exports.mixing_bytes(profile, length, streams) : 0;
    return coder && aligned(coder) + CROSSING;
  };
  return {
    mixBytes,
    mixOpen(profile, length, streams, payload): MixHandle {
      const bytes = mixBytes(profile, length, streams);
      if (bytes === 0) throw mixingOutOfRange();
      return new Coder(idle.take() ?? new WasmHeap(module), bytes, profile, length, streams, payload);
    },
    mixPrepare: (coder) => coderOf(coder).prepare(),
    mixEncode: (coder, ...parameters) => coderOf(coder).encode(...parameters),
    mixFinish: (coder) => coderOf(coder).finish(),
    mixDecode: (coder, symbols, count, frequencies) => coderOf(coder).decode(symbols, count, frequencies),
    mixEnds: (coder) => coderOf(coder).ends(),
    mixClose(coder) {
      const heap = coder instanceof Coder && coder.close();
      if (heap) idle.put(heap);
    },
  };
}
