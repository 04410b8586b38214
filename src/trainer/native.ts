/** @file The training kernels in the native addon. */

import { nativeAddon } from '../engines/native/addon.js';
import { chooseIsa, type IsaLists } from '../engines/native/isa.js';
import {
  type Segment,
  type StepResult,
  type TrainConfig,
  type TrainKernels,
  updateNumbers,
} from './kernels.js';

/** Threads that the addon can divide a batch among. */
const MOST_THREADS = 64;

type Config = Record<string, number>;
type Handle = { readonly session: unique symbol };

/** What cpp/bindings/node/train.cc exports. */
export interface TrainAddon {
  trainKernels(): string[];
  trainBytes(isa: string, config: Config): number;
  /** offsets are in bytes */
  trainCreate(
    isa: string,
    config: Config,
  ): {
    session: Handle;
    arena: ArrayBuffer;
    bf16: number;
    parameters: number;
    weights: number;
    gradient: number;
    m: number;
    v: number;
    ema: number;
    state: number;
    stateBytes: number;
    ranges: number;
    /** of one worker */
    rangesLength: number;
    moments: number;
    momentsLength: number;
  };
  trainStep(
    session: Handle,
    inputs: Uint8Array,
    targets: Uint8Array,
    resets: Uint8Array,
    update: Float32Array,
  ): StepResult;
  trainEvaluate(
    session: Handle,
    inputs: Uint8Array,
    targets: Uint8Array,
    resets: Uint8Array,
    losses: Float64Array,
    ema: boolean,
    prepare: boolean,
  ): void;
  trainBenchmark(isa: string, bf16: boolean, repeats: number): number;
}

/**
 * Instruction sets that the trainer can use on this processor, best first.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE without the addon
 */
export const trainingIsas = (): string[] => nativeAddon<TrainAddon>().trainKernels();

/**
 * The addon's training kernels.
 * @param isa instruction set; default: SHACOMP_ISA if the trainer has it, else the best one
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE if the addon does not run here; ERR_OPTIONS as {@link
 * chooseIsa}
 */
export function nativeTraining(isa?: string): TrainKernels {
  const addon = nativeAddon<TrainAddon & IsaLists>();
  const used = chooseIsa(addon, addon.trainKernels(), isa);
  const workers = ({ threads, batch }: TrainConfig) => Math.min(threads, batch, MOST_THREADS);
  const native = (config: TrainConfig): Config => {
    const { threads, bf16, moments, ...shape } = config;
    return { ...shape, workers: workers(config), bf16: Number(bf16), moments: Number(moments) };
  };
  return {
    measure: (config) => addon.trainBytes(used, native(config)),
    open(config, parameters) {
      const made = addon.trainCreate(used, native(config));
      const { session, arena } = made;
      const view = (offset: number) => new Float32Array(arena, offset, parameters);
      const n = workers(config);
      return {
        vectors: {
          weights: view(made.weights),
          gradient: view(made.gradient),
          m: view(made.m),
          v: view(made.v),
          ema: view(made.ema),
          state: new Uint8Array(arena, made.state, made.stateBytes),
          ranges: new Float32Array(arena, made.ranges, n * made.rangesLength),
          moments: new Float32Array(arena, made.moments, n * made.momentsLength),
        },
        detail: `${used}, ${made.bf16 ? 'bfloat16' : 'float32'} products, ${n} thread${n > 1 ? 's' : ''}`,
        step: ({ inputs, targets, resets }: Segment, update) =>
          addon.trainStep(session, inputs, targets, resets, updateNumbers(update)),
        evaluate: ({ inputs, targets, resets }, losses, ema, prepare) =>
          addon.trainEvaluate(session, inputs, targets, resets, losses, ema, prepare),
      };
    },
  };
}
