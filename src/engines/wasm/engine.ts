/** @file The WebAssembly engine: the native engine's C++ for SIMD128 (cpp, scripts/build-wasm.mjs). */
import { ShacompError } from '../../errors.js';
import { type Architecture, SYMBOLS } from '../../model/architecture.js';
import { type IntegerModel, modelImage } from '../../model/sharnn.js';
import { checkRun, checkStreams, engineUnavailable, networkClosed } from '../check.js';
import type { Engine, Network } from '../engine.js';
import { aligned, type HeapExports, Idle, WasmHeap } from './memory.js';
import { wasmMixing } from './mixer.js';
import { simdOf } from './simd.js';

/** What cpp/bindings/wasm/network.cc exports. Pointers are byte offsets. */
interface NetworkExports extends HeapExports {
  network_model_size(file: number): number;
  network_pack(file: number, model: number): void;
  network_size(...shapeAndStreams: number[]): number;
  network_open(file: number, model: number, streams: number, memory: number): number;
  network_reset(network: number): void;
  network_run(network: number, bytes: number, steps: number, frequencies: number): void;
  network_product_name(network: number): number;
  network_benchmark_dot(network: number, repeats: number): number;
  network_benchmark_product(network: number, columns: number, repeats: number): number;
}

/** The header of a model file: all that the module reads of it once the weights are packed. */
const FILE_HEADER = 64;
/** Steps x streams whose frequencies are copied out at a time. */
const ROWS = 256;

/** What is thrown where the module does not run. */
export const wasmUnavailable = (cause: unknown) => {
  const [why] = String((cause as Error).message).split('\n');
  return engineUnavailable('WebAssembly', why, cause);
};

/**
 * The WebAssembly engine: one thread, any platform.
 * @param source `shacomp.wasm` or `shacomp.relaxed.wasm` (./simd.ts), compiled or as bytes: where it lies is
 * the platform's business
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE without WebAssembly SIMD
 */
export async function wasmEngine(source: WebAssembly.Module | Uint8Array<ArrayBuffer>): Promise<Engine> {
  const module = source instanceof Uint8Array ? await compile(source) : source;
  /** For sizes alone. */
  let measuring: WasmHeap<NetworkExports> | undefined;
  return {
    name: 'wasm',
    detail: `WebAssembly ${simdOf(module)}, 1 thread`,
    facts: { kernels: simdOf(module), software: false, limits: { threads: 1 } },
    memory: (architecture, streams) => {
      checkStreams(streams);
      measuring ??= new WasmHeap(module);
      return place(measuring.exports, architecture, streams).size;
    },
    open: (model: IntegerModel, streams) => {
      checkStreams(streams);
      return WasmModel.of(module, model).open(streams);
    },
    mixing: wasmMixing(module),
  };
}

async function compile(bytes: Uint8Array<ArrayBuffer>): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(bytes);
  } catch (error) {
    throw wasmUnavailable(error);
  }
}

/**
 * Where a network and what crosses into the module lie in a block of memory: offsets, and the block's size,
 * in bytes.
 */
function place(exports: NetworkExports, architecture: Architecture, streams: number) {
  const { width, layers, boom, window, attention } = architecture;
  const bits = attention.reduce((sum, l) => sum + 2 ** l, 0);
  /** Most steps per call into the module. */
  const chunk = Math.max(1, Math.floor(ROWS / streams));
  const rows = chunk * streams;
  const output = aligned(exports.network_size(width, layers, boom, window, bits, streams));
  const input = output + rows * SYMBOLS * 4;
  return { chunk, output, input, size: aligned(input + rows) };
}

/**
 * The instances of the module that hold one model's weights: one, or more where one has no room for all
 * networks. An instance in which no network is open is soon given back, with all its memory.
 */
class WasmModel {
  private static readonly models = new WeakMap<WebAssembly.Module, WeakMap<IntegerModel, WasmModel>>();

  private readonly busy = new Set<ModelInstance>();
  private readonly idle = new Idle<ModelInstance>();

  static of(module: WebAssembly.Module, model: IntegerModel): WasmModel {
    const models = WasmModel.models.get(module) ?? new WeakMap<IntegerModel, WasmModel>();
    WasmModel.models.set(module, models);
    const known = models.get(model);
    if (known) return known;
    const made = new WasmModel(() => new ModelInstance(module, modelImage(model), model.architecture));
    models.set(model, made);
    return made;
  }

  private constructor(private readonly makeInstance: () => ModelInstance) {}

  /** @throws ShacompError ERR_MEMORY_LIMIT */
  open(streams: number): Network {
    const idle = this.idle.take();
    for (const instance of idle ? [...this.busy, idle] : this.busy) {
      try {
        return this.openIn(instance, streams);
      } catch (error) {
        // another instance may have room
        if (!(error instanceof ShacompError)) throw error;
      }
    }
    return this.openIn(this.makeInstance(), streams);
  }

  private openIn(instance: ModelInstance, streams: number): Network {
    const network = new WasmNetwork(instance, streams, (closed) => this.closed(closed));
    instance.networks.add(network);
    this.busy.add(instance);
    return network;
  }

  private closed(network: WasmNetwork): void {
    for (const instance of this.busy) {
      instance.networks.delete(network);
      if (instance.networks.size > 0) continue;
      this.busy.delete(instance);
      this.idle.put(instance);
    }
  }
}

/** An instance of the module with a model's packed weights. */
class ModelInstance {
  readonly heap: WasmHeap<NetworkExports>;
  readonly file: number;
  readonly weights: number;
  /** Those open in it. */
  readonly networks = new Set<WasmNetwork>();

  /** @throws ShacompError ERR_MEMORY_LIMIT */
  constructor(
    module: WebAssembly.Module,
    file: Uint8Array,
    readonly architecture: Architecture,
  ) {
    const heap = new WasmHeap<NetworkExports>(module);
    this.heap = heap;
    this.file = heap.allocate(FILE_HEADER, 'a model');
    heap.bytes(this.file, FILE_HEADER).set(file.subarray(0, FILE_HEADER));
    this.weights = heap.allocate(heap.exports.network_model_size(this.file) >>> 0, 'the weights of a model');
    const whole = heap.allocate(file.length, 'a model');
    heap.bytes(whole, file.length).set(file);
    heap.exports.network_pack(whole, this.weights);
    heap.release(whole);
  }
}

class WasmNetwork implements Network {
  private readonly block: number;
  private readonly handle: number;
  private readonly input: number;
  private readonly output: number;
  /** Most steps per call into the module. */
  private readonly chunk: number;
  /** undefined once it is closed */
  private heap: WasmHeap<NetworkExports> | undefined;

  constructor(
    { heap, file, weights, architecture }: ModelInstance,
    readonly streams: number,
    private readonly onClose: (network: WasmNetwork) => void,
  ) {
    const { chunk, output, input, size } = place(heap.exports, architecture, streams);
    this.heap = heap;
    this.chunk = chunk;
    this.block = heap.allocate(size, `a network of ${streams} streams`);
    this.output = this.block + output;
    this.input = this.block + input;
    this.handle = heap.exports.network_open(file, weights, streams, this.block);
  }

  reset(): void {
    this.opened().exports.network_reset(this.handle);
  }

  step(bytes: Uint8Array, frequencies: Uint32Array): void {
    this.run(bytes, 1, frequencies);
  }

  run(bytes: Uint8Array, steps: number, frequencies: Uint32Array): void {
    const heap = this.opened();
    const { exports } = heap;
    const { streams, chunk } = this;
    checkRun(streams, bytes, steps, frequencies);
    for (let from = 0; from < steps; from += chunk) {
      const n = Math.min(chunk, steps - from);
      const rows = n * streams;
      heap.bytes(this.input, rows).set(bytes.subarray(from * streams, from * streams + rows));
      exports.network_run(this.handle, this.input, n, this.output);
      frequencies.set(
        new Uint32Array(exports.memory.buffer, this.output, rows * SYMBOLS),
        from * streams * SYMBOLS,
      );
    }
  }

  close(): void {
    if (!this.heap) return;
    this.heap.release(this.block);
    this.heap = undefined;
    this.onClose(this);
  }

  /** For the benchmark: the packed first recurrent matrix times some columns. */
  benchmarkProduct(columns: number, repeats: number): void {
    this.opened().exports.network_benchmark_product(this.handle, columns, repeats);
  }

  /** For the benchmark: which kernel that product takes. */
  productName(): string {
    const { exports } = this.opened();
    const bytes = new Uint8Array(exports.memory.buffer, exports.network_product_name(this.handle));
    return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
  }

  /** For the benchmark: multiply-adds done by the bare inner loop of that kernel. */
  benchmarkDot(repeats: number): number {
    return this.opened().exports.network_benchmark_dot(this.handle, repeats);
  }

  private opened(): WasmHeap<NetworkExports> {
    if (!this.heap) throw networkClosed();
    return this.heap;
  }
}
