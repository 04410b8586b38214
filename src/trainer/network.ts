/** @file The network in training: forward, backward and the optimizer's step by the training kernels. */
import { totalmem } from 'node:os';
import { type Entry, selectEntry } from '../engines/list.js';
import { ShacompError } from '../errors.js';
import { type Architecture, elements, parameterCount, parameters } from '../model/architecture.js';
import { checkArchitecture } from '../model/sharnn.js';
import { wantedEngine } from '../node/engines.js';
import type { Segment, StepResult, TrainKernels, TrainSession, Update, Vectors } from './kernels.js';
import { nativeTraining } from './native.js';
import { wasmTraining } from './wasm.js';

export type { Segment, StepResult } from './kernels.js';

/** Settings of one step of AdamW, or of Muon and AdamW. */
export interface OptimizerStep extends Omit<Update, 'correct1' | 'correct2'> {
  /** number of the step, from 1 */
  time: number;
}

export interface NetworkOptions {
  /** sequences, 1 to 4096 */
  batch: number;
  /** bytes of a sequence per segment: a multiple of 64, at most the architecture's window */
  steps: number;
  /** at most 64 are used, and no more than there are sequences; WebAssembly uses one */
  threads: number;
  /** products of bfloat16 operands where the processor has them (float32 sums) */
  bf16: boolean;
  /** `evaluate` adds up second moments, for calibration (default: no) */
  moments?: boolean;
}

/** A gradient that is longer, or no number, changes no weight (cpp/train/adamw.h). */
export const LARGEST_NORM = 1e30;

/** Longest batch. */
const MOST_SEQUENCES = 4096;

/** What trains, fastest first. */
const TRAINERS: readonly Entry<TrainKernels, void>[] = [
  { name: 'native', load: async () => nativeTraining() },
  { name: 'wasm', load: wasmTraining },
];

async function trainingKernels(engine: string): Promise<TrainKernels> {
  const wanted = wantedEngine(engine);
  if (TRAINERS.some(({ name }) => name === wanted)) return selectEntry(TRAINERS, wanted, undefined);
  // what the environment says is for coding as well
  if (engine === 'auto') return selectEntry(TRAINERS, 'auto', undefined);
  throw new ShacompError(
    'ERR_ENGINE_UNAVAILABLE',
    `the engine "${wanted}" does not train; use ${TRAINERS.map(({ name }) => name).join(' or ')}`,
  );
}

/** Weights, moments and state of one training run. */
export class TrainingNetwork implements Vectors {
  readonly weights: Float32Array;
  readonly gradient: Float32Array;
  readonly m: Float32Array;
  readonly v: Float32Array;
  readonly ema: Float32Array;
  readonly state: Uint8Array;
  readonly ranges: Float32Array;
  readonly moments: Float32Array;
  /** what it runs on, for people */
  readonly detail: string;
  private readonly session: TrainSession;
  private readonly losses: Float64Array;

  /**
   * A network on the engine of that name; 'auto' is SHACOMP_ENGINE if that trains, else the fastest that runs
   * here.
   * @throws ShacompError ERR_ENGINE_UNAVAILABLE, and as the constructor
   */
  static async open(arch: Architecture, options: NetworkOptions, engine = 'auto'): Promise<TrainingNetwork> {
    return new TrainingNetwork(arch, options, await trainingKernels(engine));
  }

  /** @throws ShacompError ERR_OPTIONS, ERR_MODEL_INVALID for an impossible architecture, ERR_MEMORY_LIMIT */
  constructor(
    readonly arch: Architecture,
    readonly options: NetworkOptions,
    kernels: TrainKernels = nativeTraining(),
  ) {
    checkArchitecture(arch);
    const { batch, steps, threads } = options;
    const { width, layers, boom, window } = arch;
    if (!(Number.isInteger(steps) && steps >= 64 && steps % 64 === 0 && steps <= window))
      throw new ShacompError(
        'ERR_OPTIONS',
        `a training segment must be a multiple of 64 bytes and at most the window (${window}), not ${steps}`,
      );
    if (window % 2 !== 0)
      throw new ShacompError('ERR_OPTIONS', `only even attention windows can be trained, not ${window}`);
    if (!(Number.isInteger(batch) && batch >= 1 && batch <= MOST_SEQUENCES))
      throw new ShacompError(
        'ERR_OPTIONS',
        `the batch must be a whole number from 1 to ${MOST_SEQUENCES}, not ${batch}`,
      );
    if (!(Number.isInteger(threads) && threads >= 1))
      throw new ShacompError('ERR_OPTIONS', `the number of threads must be 1 or more, not ${threads}`);
    const attention = arch.attention.reduce((bits, l) => bits + 2 ** l, 0);
    const config = { moments: false, ...options, width, layers, boom, window, attention };
    const bytes = kernels.measure(config);
    const tooLarge = (cause?: Error) =>
      new ShacompError(
        'ERR_MEMORY_LIMIT',
        `training needs ${Math.ceil(bytes / 2 ** 20)} MiB of memory, more than there is (${cause?.message ?? `${Math.floor(totalmem() / 2 ** 20)} MiB`}); use a smaller batch or network`,
        { cause },
      );
    if (bytes > totalmem()) throw tooLarge();
    try {
      this.session = kernels.open(config, parameterCount(arch));
    } catch (error) {
      const short = error instanceof ShacompError && error.code === 'ERR_MEMORY_LIMIT';
      throw short ? tooLarge(error) : error;
    }
    ({
      weights: this.weights,
      gradient: this.gradient,
      m: this.m,
      v: this.v,
      ema: this.ema,
      state: this.state,
      ranges: this.ranges,
      moments: this.moments,
    } = this.session.vectors);
    this.losses = new Float64Array(batch);
    this.detail = this.session.detail;
  }

  /**
   * Forward, backward and one step of the optimizer; the state of the sequences is carried to the next
   * segment. With a gradient of a norm that is not below {@link LARGEST_NORM} the weights stay as they are.
   */
  step(segment: Segment, { time, ...update }: OptimizerStep): StepResult {
    const correction = (beta: number) => 1 / (1 - beta ** time);
    return this.session.step(segment, {
      ...update,
      correct1: correction(update.beta1),
      correct2: correction(update.beta2),
    });
  }

  /**
   * Forward only, with a state of its own; raises `ranges`. Returns the loss of each sequence in nats (the
   * array is reused).
   * @param ema with the averaged weights
   * @param prepare the weights have changed since the last call, or this is the first since a step
   */
  evaluate(segment: Segment, ema: boolean, prepare: boolean): Float64Array {
    this.session.evaluate(segment, this.losses, ema, prepare);
    return this.losses;
  }
}

/** Splits a flat vector in the order of `parameters(arch)` into named tensors (views). */
export function tensorsOf(arch: Architecture, flat: Float32Array): Map<string, Float32Array> {
  let offset = 0;
  return new Map(
    parameters(arch).map((p) => {
      const from = offset;
      offset += elements(p.shape);
      return [p.name, flat.subarray(from, offset)];
    }),
  );
}
