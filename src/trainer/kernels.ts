/**
 * @file What the training kernels offer, natively (native.ts) and in WebAssembly (wasm.ts). Both are the same
 * C++.
 */

/** Shape of one training run. */
export interface TrainConfig {
  width: number;
  layers: number;
  boom: number;
  window: number;
  /** bit l: layer l has attention */
  attention: number;
  /** sequences, and bytes of each in one segment */
  batch: number;
  steps: number;
  threads: number;
  /** products of bfloat16 operands, where the processor has them */
  bf16: boolean;
  /** `evaluate` adds up second moments */
  moments: boolean;
}

/** One segment: `batch` sequences of `steps` bytes, sequence-major. */
export interface Segment {
  /** the byte before each predicted one */
  inputs: Uint8Array;
  /** the predicted bytes */
  targets: Uint8Array;
  /** [batch]: 1 where a sequence starts from the cold state */
  resets: Uint8Array;
}

/** The numbers of one AdamW step, in the order of `struct Update` (cpp/train/train.h). */
export const UPDATE = [
  /** learning rate; negative computes the gradient only */
  'rate',
  'beta1',
  'beta2',
  'epsilon',
  /** decoupled weight decay of matrices */
  'decay',
  /** largest global norm of the gradient; 0 does not clip */
  'clip',
  /** decay of the moving average of the weights */
  'ema',
  /** momentum of Muon, which steps the layers' matrices (cpp/train/muon.h); 0: AdamW steps all */
  'momentum',
  /** Adam's bias corrections, 1 / (1 - beta^t) */
  'correct1',
  'correct2',
] as const;

/** One AdamW step. */
export type Update = Readonly<Record<(typeof UPDATE)[number], number>>;

/** An update as the kernels take it. */
export const updateNumbers = (update: Update): Float32Array =>
  Float32Array.from(UPDATE, (name) => update[name]);

export interface StepResult {
  /** mean over the segment before the step, nats per byte */
  loss: number;
  /** global norm of the gradient before clipping */
  norm: number;
}

/** Live views of a run's vectors, in the order of `parameters(arch)`. */
export interface Vectors {
  readonly weights: Float32Array;
  readonly gradient: Float32Array;
  /** Adam's moments */
  readonly m: Float32Array;
  readonly v: Float32Array;
  /** exponential moving average of the weights */
  readonly ema: Float32Array;
  /** what the sequences carry from segment to segment */
  readonly state: Uint8Array;
  /** [workers][...]: largest magnitudes met by `evaluate` (cpp/train/train.h) */
  readonly ranges: Float32Array;
  /** [workers][...]: second moments met by `evaluate` (cpp/train/train.h); empty unless asked for */
  readonly moments: Float32Array;
}

/** Memory and code of one run. Arguments are checked by `TrainingNetwork`. */
export interface TrainSession {
  readonly vectors: Vectors;
  /** what it runs on, for people */
  readonly detail: string;
  step(segment: Segment, update: Update): StepResult;
  /** Forward only, with a state of its own; writes the loss of each sequence, in nats. */
  evaluate(segment: Segment, losses: Float64Array, ema: boolean, prepare: boolean): void;
}

export interface TrainKernels {
  /** bytes of memory that a session needs */
  measure(config: TrainConfig): number;
  /** @param parameters number of float parameters */
  open(config: TrainConfig, parameters: number): TrainSession;
}
