/** @file The training kernels in WebAssembly, for machines where the addon does not run: one thread, float32 products. */
import { wasmModule } from '../node/wasm-module.js';
import type { Segment, TrainConfig, TrainKernels } from './kernels.js';

/** What cpp/bindings/wasm/train.cc exports. Pointers are byte offsets. */
interface TrainExports {
  memory: WebAssembly.Memory;
  __heap_base: WebAssembly.Global;
  train_scratch(): number;
  train_measure(session: number, ...shape: number[]): number;
  train_open(session: number): void;
  train_bytes(session: number): number;
  train_vector(session: number, which: number): number;
  train_state_bytes(session: number): number;
  train_ranges_length(session: number): number;
  train_moments_length(session: number): number;
  train_losses(session: number): number;
  train_step(session: number, ...update: number[]): number;
  train_evaluate(session: number, ema: number, prepare: number): void;
}

const PAGE = 65536;
const ALIGNMENT = 64;

/**
 * The WebAssembly training kernels.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE without WebAssembly SIMD
 */
export async function wasmTraining(): Promise<TrainKernels> {
  const module = await wasmModule();
  /** An instance of its own for every session: its memory never grows again, so that views of it stay valid. */
  const begin = ({ width, layers, boom, window, attention, batch, steps, moments }: TrainConfig) => {
    const exports = new WebAssembly.Instance(module).exports as unknown as TrainExports;
    const session = Math.ceil(exports.__heap_base.value / ALIGNMENT) * ALIGNMENT;
    const grow = (size: number) => {
      const missing = session + size - exports.memory.buffer.byteLength;
      if (missing > 0) exports.memory.grow(Math.ceil(missing / PAGE));
    };
    grow(exports.train_scratch());
    const size = exports.train_measure(
      ...([session, width, layers, boom, window, attention, batch, steps, Number(moments)] as const),
    );
    return { exports, session, size, grow };
  };
  return {
    measure: (config) => begin(config).size,
    open(config, parameters) {
      const { exports, session, size, grow } = begin(config);
      grow(size);
      exports.train_open(session);
      const { buffer } = exports.memory;
      const floats = (which: number, length: number) =>
        new Float32Array(buffer, exports.train_vector(session, which), length);
      const [weights, gradient, m, v, ema] = [0, 1, 2, 3, 4].map((which) => floats(which, parameters));
      const n = config.batch * config.steps;
      const bytes = new Uint8Array(buffer, exports.train_bytes(session), 2 * n + config.batch);
      const sums = new Float64Array(buffer, exports.train_losses(session), config.batch);
      const put = ({ inputs, targets, resets }: Segment) => {
        bytes.set(inputs);
        bytes.set(targets, n);
        bytes.set(resets, 2 * n);
      };
      return {
        vectors: {
          ...{ weights, gradient, m, v, ema },
          state: new Uint8Array(buffer, exports.train_vector(session, 5), exports.train_state_bytes(session)),
          ranges: floats(6, exports.train_ranges_length(session)),
          moments: floats(7, exports.train_moments_length(session)),
        },
        detail: 'WebAssembly SIMD, float32 products, 1 thread',
        step(segment, { rate, beta1, beta2, epsilon, decay, clip, ema, correct1, correct2 }) {
          put(segment);
          const optimizer = [rate, beta1, beta2, epsilon, decay, clip, ema, correct1, correct2];
          const norm = exports.train_step(session, ...optimizer);
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
