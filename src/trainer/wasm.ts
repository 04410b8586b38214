/**
 * @file The training kernels in WebAssembly, for machines where the addon does not run: one thread, float32
 * products.
 */
import { type HeapExports, WasmHeap } from '../engines/wasm/memory.js';
import { wasmModule } from '../node/wasm-module.js';
import { type Segment, type TrainConfig, type TrainKernels, UPDATE, updateNumbers } from './kernels.js';

/** What cpp/bindings/wasm/train.cc exports. Pointers are byte offsets. */
interface TrainExports extends HeapExports {
  train_scratch(): number;
  train_measure(session: number, ...shape: number[]): number;
  train_open(session: number): void;
  train_bytes(session: number): number;
  train_vector(session: number, which: number): number;
  train_state_bytes(session: number): number;
  train_ranges_length(session: number): number;
  train_moments_length(session: number): number;
  train_losses(session: number): number;
  train_update(session: number): number;
  train_step(session: number): number;
  train_evaluate(session: number, ema: number, prepare: number): void;
}

/**
 * The WebAssembly training kernels.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE without WebAssembly SIMD
 */
export async function wasmTraining(): Promise<TrainKernels> {
  const module = await wasmModule();
  const shape = ({ width, layers, boom, window, attention, batch, steps, moments }: TrainConfig) =>
    [width, layers, boom, window, attention, batch, steps, Number(moments)] as const;
  const measure = (config: TrainConfig) => {
    const heap = new WasmHeap<TrainExports>(module);
    const session = heap.allocate(heap.exports.train_scratch(), 'training');
    return heap.exports.train_measure(session, ...shape(config));
  };
  return {
    measure,
    open(config, parameters) {
      // a heap of its own for every session: its memory never grows again, so that views of it stay valid
      const heap = new WasmHeap<TrainExports>(module);
      const { exports } = heap;
      const session = heap.allocateZeroed(measure(config), 'training');
      exports.train_measure(session, ...shape(config));
      exports.train_open(session);
      const { buffer } = exports.memory;
      const floats = (which: number, length: number) =>
        new Float32Array(buffer, exports.train_vector(session, which) >>> 0, length);
      const [weights, gradient, m, v, ema] = [0, 1, 2, 3, 4].map((which) => floats(which, parameters));
      const n = config.batch * config.steps;
      const bytes = new Uint8Array(buffer, exports.train_bytes(session) >>> 0, 2 * n + config.batch);
      const sums = new Float64Array(buffer, exports.train_losses(session) >>> 0, config.batch);
      const numbers = new Float32Array(buffer, exports.train_update(session) >>> 0, UPDATE.length);
      const put = ({ inputs, targets, resets }: Segment) => {
        bytes.set(inputs);
        bytes.set(targets, n);
        bytes.set(resets, 2 * n);
      };
      return {
        vectors: {
          ...{ weights, gradient, m, v, ema },
          state: new Uint8Array(
            buffer,
            exports.train_vector(session, 5) >>> 0,
            exports.train_state_bytes(session),
          ),
          ranges: floats(6, exports.train_ranges_length(session)),
          moments: floats(7, exports.train_moments_length(session)),
        },
        detail: 'WebAssembly SIMD, float32 products, 1 thread',
        step(segment, update) {
          put(segment);
          numbers.set(updateNumbers(update));
          const norm = exports.train_step(session);
          return { loss: sums.reduce((a, b) => a + b, 0) / n, norm };
        },
        evaluate(segment, losses, ema, prepare) {
          put(segment);
          exports.train_evaluate(session, Number(ema), Number(prepare));
          losses.set(sums);
        },
      };
    },
  };
}
