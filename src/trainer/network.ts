/** @file The network in training: forward, backward and AdamW in the native addon. */
import { nativeAddon } from '../engines/native.js';
import { ShacompError } from '../errors.js';
import { type Architecture, elements, parameters } from '../model/architecture.js';

/** What src/kernels/addon_train.cc exports. */
interface TrainAddon {
  trainCreate(config: Record<string, number>): {
    session: unknown;
    arena: ArrayBuffer;
    kernel: string;
    bf16: number;
    parameters: number;
    weights: number;
    gradient: number;
    m: number;
    v: number;
    ema: number;
    state: number;
    stateBytes: number;
  };
  trainStep(
    session: unknown,
    inputs: Uint8Array,
    targets: Uint8Array,
    resets: Uint8Array,
    optimizer: Readonly<Record<string, number>>,
  ): StepResult;
  trainEvaluate(
    session: unknown,
    inputs: Uint8Array,
    targets: Uint8Array,
    resets: Uint8Array,
    losses: Float64Array,
    ema: boolean,
    prepare: boolean,
  ): void;
}

/** Settings of one AdamW step. */
export interface OptimizerStep {
  /** learning rate; negative computes the gradient only */
  rate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  /** decoupled weight decay of matrices */
  decay: number;
  /** largest global norm of the gradient; 0 does not clip */
  clip: number;
  /** decay of the moving average of the weights */
  ema: number;
  /** number of the step, from 1 */
  time: number;
}

export interface StepResult {
  /** mean over the segment before the step, nats per byte */
  loss: number;
  /** global norm of the gradient before clipping */
  norm: number;
}

/** One segment: `batch` sequences of `steps` bytes, sequence-major. */
export interface Segment {
  inputs: Uint8Array;
  targets: Uint8Array;
  /** [batch]: 1 where a sequence starts from the cold state */
  resets: Uint8Array;
}

export interface NetworkOptions {
  /** sequences */
  batch: number;
  /** bytes of a sequence per segment: a multiple of 64, at most the architecture's window */
  steps: number;
  threads: number;
  /** products of bfloat16 operands where the processor has them (float32 sums) */
  bf16: boolean;
}

/** Weights, moments and state of one training run. The vectors are live views, in the order of `parameters(arch)`. */
export class TrainingNetwork {
  readonly weights: Float32Array;
  readonly gradient: Float32Array;
  readonly m: Float32Array;
  readonly v: Float32Array;
  /** exponential moving average of the weights */
  readonly ema: Float32Array;
  /** what the sequences carry from segment to segment */
  readonly state: Uint8Array;
  /** what it runs on, for people */
  readonly detail: string;
  private readonly addon: TrainAddon;
  private readonly session: unknown;
  private readonly losses: Float64Array;

  /** @throws ShacompError ERR_ENGINE_UNAVAILABLE without the addon, ERR_OPTIONS, ERR_MEMORY_LIMIT */
  constructor(
    readonly arch: Architecture,
    readonly options: NetworkOptions,
  ) {
    const { batch, steps, threads, bf16 } = options;
    if (steps % 64 !== 0 || steps < 64 || steps > arch.window || arch.window % 2 !== 0)
      throw new ShacompError(
        'ERR_OPTIONS',
        `a training segment must be a multiple of 64 bytes and at most the window (${arch.window}); got ${steps}`,
      );
    if (!(batch >= 1 && batch <= 4096))
      throw new ShacompError('ERR_OPTIONS', `batch must be between 1 and 4096; got ${batch}`);
    this.addon = nativeAddon<TrainAddon>();
    const attention = arch.attention.reduce((bits, l) => bits + 2 ** l, 0);
    const { width, layers, boom, window } = arch;
    const workers = Math.max(1, Math.min(threads, batch, 64));
    const created = this.addon.trainCreate({
      ...{ width, layers, boom, window, attention, batch, steps, workers },
      bf16: bf16 ? 1 : 0,
    });
    const count = parameters(arch).reduce((sum, p) => sum + elements(p.shape), 0);
    const view = (offset: number) => new Float32Array(created.arena, offset, count);
    this.weights = view(created.weights);
    this.gradient = view(created.gradient);
    this.m = view(created.m);
    this.v = view(created.v);
    this.ema = view(created.ema);
    this.state = new Uint8Array(created.arena, created.state, created.stateBytes);
    this.session = created.session;
    this.losses = new Float64Array(batch);
    this.detail = `${created.kernel}, ${created.bf16 ? 'bfloat16' : 'float32'} products, ${workers} thread${workers > 1 ? 's' : ''}`;
  }

  /** Forward, backward and one AdamW step; the state of the sequences is carried to the next segment. */
  step(segment: Segment, optimizer: OptimizerStep): StepResult {
    const { inputs, targets, resets } = segment;
    return this.addon.trainStep(this.session, inputs, targets, resets, { ...optimizer });
  }

  /**
   * Forward only, with a state of its own. Returns the loss of each sequence in nats (the array is reused).
   * @param ema with the averaged weights
   * @param prepare the weights have changed since the last call, or this is the first since a step
   */
  evaluate(segment: Segment, ema: boolean, prepare: boolean): Float64Array {
    const { inputs, targets, resets } = segment;
    this.addon.trainEvaluate(this.session, inputs, targets, resets, this.losses, ema, prepare);
    return this.losses;
  }
}

/** Splits a flat vector into named tensors (views). */
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
