/** @file The WebAssembly engine: the native engine's C++ for SIMD128 (cpp, scripts/build-wasm.mjs). */
import { ShacompError } from '../../errors.js';
import { SYMBOLS } from '../../model/architecture.js';
import { type IntegerModel, trustedBytes } from '../../model/sharnn.js';
import { checkRun, checkStreams } from '../check.js';
import type { Engine, Network } from '../engine.js';

/** What cpp/bindings/wasm/network.cc exports. Pointers are byte offsets. */
interface NetworkExports {
  memory: WebAssembly.Memory;
  __heap_base: WebAssembly.Global;
  network_model_size(file: number): number;
  network_pack(file: number, model: number): void;
  network_size(file: number, streams: number): number;
  network_open(file: number, model: number, streams: number, memory: number): number;
  network_reset(network: number): void;
  network_run(network: number, bytes: number, steps: number, frequencies: number): void;
  network_product_name(network: number): number;
  network_benchmark_dot(network: number, repeats: number): number;
  network_benchmark_product(network: number, columns: number, repeats: number): number;
}

const PAGE = 65536;
const ALIGNMENT = 64;
/** The header of a model file: all that the module reads of it once the weights are packed. */
const FILE_HEADER = 64;
/** Steps x streams whose frequencies are copied out at a time. */
const ROWS = 256;

const unavailable = (why: string, cause?: unknown) =>
  new ShacompError('ERR_ENGINE_UNAVAILABLE', `the WebAssembly engine does not run here: ${why}`, { cause });

/** The modules beside this file: both give the same bits. */
const MODULES = { relaxed: './shacomp.relaxed.wasm', plain: './shacomp.wasm' };
export type WasmModuleName = keyof typeof MODULES;

const loaded: Partial<Record<WasmModuleName, Promise<WebAssembly.Module>>> = {};

/**
 * A module beside this file, compiled; loaded once.
 * @param name default: the fastest that the host takes
 */
export function loadWasmModule(name?: WasmModuleName): Promise<WebAssembly.Module> {
  const which = name ?? (hasRelaxedSimd() ? 'relaxed' : 'plain');
  loaded[which] ??= readModule(MODULES[which]);
  return loaded[which];
}

/** Whether the host has relaxed SIMD: it takes a module with a function of i32x4.relaxed_dot_i8x16_i7x16_add_s. */
export function hasRelaxedSimd(): boolean {
  const zero = [0x41, 0, 0xfd, 0x0f]; // i32.const 0, i8x16.splat
  const body = [0, ...zero, ...zero, ...zero, 0xfd, 0x93, 0x02, 0x0b];
  const code = [1, body.length, ...body];
  const header = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const types = [1, 5, 1, 0x60, 0, 1, 0x7b]; // () -> v128
  const functions = [3, 2, 1, 0];
  return WebAssembly.validate(Uint8Array.of(...header, ...types, ...functions, 10, code.length, ...code));
}

/** What a module runs on, for people: "relaxed SIMD". */
function simdOf(module: WebAssembly.Module): string {
  const [name] = WebAssembly.Module.customSections(module, 'shacomp.simd');
  return name ? new TextDecoder().decode(name) : 'SIMD';
}

async function readModule(file: string): Promise<WebAssembly.Module> {
  const url = new URL(file, import.meta.url);
  try {
    if (url.protocol !== 'file:') return await WebAssembly.compileStreaming(fetch(url));
    const { readFile } = await import('node:fs/promises');
    return await WebAssembly.compile(await readFile(url));
  } catch (error) {
    throw unavailable(String((error as Error).message).split('\n')[0], error);
  }
}

/**
 * The WebAssembly engine: one thread, any platform.
 * @param module the compiled module, where it does not lie beside this file (bundled pages)
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE without WebAssembly SIMD
 */
export async function wasmEngine(module?: WebAssembly.Module): Promise<Engine> {
  if (typeof WebAssembly === 'undefined') throw unavailable('there is no WebAssembly');
  const compiled = module ?? (await loadWasmModule());
  return {
    name: 'wasm',
    detail: `WebAssembly ${simdOf(compiled)}, 1 thread`,
    open: (model, streams) => {
      checkStreams(streams);
      const opened = WasmModel.of(compiled, model);
      checkSize(model, streams);
      return new WasmNetwork(opened, streams);
    },
  };
}

/** The module counts bytes in 32 bits. @throws ShacompError ERR_MEMORY_LIMIT if the streams' state needs more */
function checkSize({ architecture: a }: IntegerModel, streams: number): void {
  const state = streams * (5 * a.layers * a.width + a.attention.length * (a.window + 64) * (a.width + 4));
  if (state > 2 ** 31 - 2 ** 24) throw tooLarge(state);
}

const tooLarge = (size: number, cause?: unknown) =>
  new ShacompError(
    'ERR_MEMORY_LIMIT',
    `the network needs ${Math.ceil(size / 2 ** 20)} MiB, more than WebAssembly can get; use fewer streams or the native engine`,
    { cause },
  );

/** One model's instance of the module: packed weights, and the memory of its networks. */
class WasmModel {
  private static readonly instances = new WeakMap<IntegerModel, WasmModel>();

  readonly exports: NetworkExports;
  readonly file: number;
  readonly weights: number;
  private top: number;
  /** Freed blocks by size: networks of one model tend to have the same number of streams. */
  private readonly free = new Map<number, number[]>();

  /** The instance of a model; made once. */
  static of(module: WebAssembly.Module, model: IntegerModel): WasmModel {
    const known = WasmModel.instances.get(model);
    if (known) return known;
    const made = new WasmModel(module, model);
    WasmModel.instances.set(model, made);
    return made;
  }

  private constructor(module: WebAssembly.Module, model: IntegerModel) {
    this.exports = new WebAssembly.Instance(module).exports as unknown as NetworkExports;
    this.top = this.exports.__heap_base.value as number;
    const file = trustedBytes(model);
    this.file = this.allocate(FILE_HEADER);
    this.bytes(this.file, FILE_HEADER).set(file.subarray(0, FILE_HEADER));
    this.weights = this.allocate(this.exports.network_model_size(this.file));
    const top = this.top;
    const whole = this.allocate(file.length);
    this.bytes(whole, file.length).set(file);
    this.exports.network_pack(whole, this.weights);
    this.top = top; // the file is not needed any more
  }

  /** @throws ShacompError ERR_MEMORY_LIMIT */
  allocate(size: number): number {
    const rounded = Math.ceil(size / ALIGNMENT) * ALIGNMENT;
    const reused = this.free.get(rounded)?.pop();
    if (reused !== undefined) return reused;
    const at = Math.ceil(this.top / ALIGNMENT) * ALIGNMENT;
    const missing = at + rounded - this.exports.memory.buffer.byteLength;
    if (missing > 0) {
      try {
        this.exports.memory.grow(Math.ceil(missing / PAGE));
      } catch (error) {
        throw tooLarge(size, error);
      }
    }
    this.top = at + rounded;
    return at;
  }

  release(at: number, size: number): void {
    const rounded = Math.ceil(size / ALIGNMENT) * ALIGNMENT;
    const list = this.free.get(rounded) ?? [];
    list.push(at);
    this.free.set(rounded, list);
  }

  // Views are made anew each time: growing detaches the memory's buffer.
  bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.exports.memory.buffer, at, length);
  }
}

class WasmNetwork implements Network {
  private readonly size: number;
  private readonly block: number;
  private readonly handle: number;
  private readonly input: number;
  private readonly output: number;
  /** Most steps per call into the module. */
  private readonly chunk: number;
  private closed = false;

  constructor(
    private readonly model: WasmModel,
    readonly streams: number,
  ) {
    const { exports, file, weights } = model;
    this.chunk = Math.max(1, Math.floor(ROWS / streams));
    const rows = this.chunk * streams;
    const network = exports.network_size(file, streams);
    const aligned = Math.ceil(network / ALIGNMENT) * ALIGNMENT;
    this.size = aligned + rows * SYMBOLS * 4 + rows;
    this.block = model.allocate(this.size);
    this.output = this.block + aligned;
    this.input = this.output + rows * SYMBOLS * 4;
    this.handle = exports.network_open(file, weights, streams, this.block);
  }

  reset(): void {
    this.opened().network_reset(this.handle);
  }

  step(bytes: Uint8Array, frequencies: Uint32Array): void {
    this.run(bytes, 1, frequencies);
  }

  run(bytes: Uint8Array, steps: number, frequencies: Uint32Array): void {
    const exports = this.opened();
    const { streams, chunk, model } = this;
    checkRun(streams, bytes, steps, frequencies);
    for (let from = 0; from < steps; from += chunk) {
      const n = Math.min(chunk, steps - from);
      const rows = n * streams;
      model.bytes(this.input, rows).set(bytes.subarray(from * streams, from * streams + rows));
      exports.network_run(this.handle, this.input, n, this.output);
      frequencies.set(
        new Uint32Array(exports.memory.buffer, this.output, rows * SYMBOLS),
        from * streams * SYMBOLS,
      );
    }
  }

  close(): void {
    if (!this.closed) this.model.release(this.block, this.size);
    this.closed = true;
  }

  /** For the benchmark: the packed first recurrent matrix times some columns. */
  benchmarkProduct(columns: number, repeats: number): void {
    this.opened().network_benchmark_product(this.handle, columns, repeats);
  }

  /** For the benchmark: which kernel that product takes. */
  productName(): string {
    const exports = this.opened();
    const bytes = new Uint8Array(exports.memory.buffer, exports.network_product_name(this.handle));
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  }

  /** For the benchmark: multiply-adds done by the bare inner loop of that kernel. */
  benchmarkDot(repeats: number): number {
    return this.opened().network_benchmark_dot(this.handle, repeats);
  }

  private opened(): NetworkExports {
    if (this.closed) throw new ShacompError('ERR_OPTIONS', 'the network is closed');
    return this.model.exports;
  }
}
