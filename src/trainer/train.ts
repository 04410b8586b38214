/** @file One training run, from text to a float checkpoint. */
import { constants, existsSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { ShacompError } from '../errors.js';
import type { Architecture } from '../model/architecture.js';
import { fileError } from '../node/file-errors.js';
import { systemName } from '../node/names.js';
import {
  type Checkpoint,
  fill,
  resume,
  sameShape,
  settingsOf,
  statePath,
  valuesOf,
  writeCheckpoint,
  writeState,
} from './checkpoint.js';
import { costs } from './cost.js';
import { type HeldOut, heldOutPieces, holdOut, Sampler, TextFile, type TextSource } from './data.js';
import { OPTIMIZERS, type Optimizer, TRAIN_DEFAULTS } from './defaults.js';
import { grow } from './grow.js';
import { initialize } from './initialize.js';
import { LARGEST_NORM, TrainingNetwork } from './network.js';
import { DECAYS, rateAt, type Schedule } from './schedule.js';
import { readStart } from './start.js';
import { Timer } from './timer.js';

export interface TrainOptions {
  arch: Architecture;
  /** files to train on */
  inputs: TextSource[];
  /** files to measure on; default: the last 2 % of every input, which are then not trained on */
  heldOut?: string[];
  /** checkpoint to write (.safetensors); the state of the run lies beside it */
  output: string;
  /**
   * checkpoint or model ({@link readStart}) to start from instead of random weights; a smaller network is
   * grown into `arch`
   */
  from?: string;
  /**
   * go on with the run whose state lies beside `output`, if there is one, by its optimizer and, where none is
   * given, its rate
   */
  resume?: boolean;
  /** length of the run in seconds, or in steps; the learning rate reaches 0 at its end */
  seconds?: number;
  steps?: number;
  /** sequences per step (32) and bytes of each (128, a multiple of 64 up to the window) */
  batch?: number;
  segment?: number;
  /** default: the processors available */
  threads?: number;
  /** what trains: native or wasm (auto) */
  engine?: string;
  /** bfloat16 products where the processor has them (true) */
  bf16?: boolean;
  /** of the initial weights and of the text's order (1) */
  seed?: number;
  /** highest learning rate (3e-3), and how it rises (over 2 % of the run) and falls (linearly) */
  rate?: number;
  warmup?: number;
  decay?: Schedule['decay'];
  /** what steps the layers' matrices (adamw); the rest is always AdamW's */
  optimizer?: Optimizer;
  /**
   * AdamW: decay of matrices (0.01), largest norm of a gradient (1; 0: any), decays of the moments (0.9,
   * 0.99)
   */
  weightDecay?: number;
  clip?: number;
  beta1?: number;
  beta2?: number;
  /** of Muon (0.95) */
  momentum?: number;
  /** decay of the averaged weights, per step (0.998) */
  ema?: number;
  /** seconds between reports (20), checkpoints (120) and measurements (180) */
  reportSeconds?: number;
  checkpointSeconds?: number;
  evaluateSeconds?: number;
  /** bytes measured of every held-out file (32768) */
  evaluateBytes?: number;
  /** stops the run after the step that is going on, with a checkpoint */
  signal?: AbortSignal;
  /** called with the weights that the run begins with, or goes on with, before its first step */
  onStart?: (start: Pick<Checkpoint, 'arch' | 'values'>) => void | Promise<void>;
  onReport?: (report: TrainReport) => void;
  onEvaluation?: (evaluation: Evaluation, report: TrainReport) => void;
}

export interface TrainReport {
  step: number;
  /** bytes trained on */
  bytes: number;
  bytesPerSecond: number;
  /** bits per byte on the training text since the last report, before each step; NaN if there was no step */
  bitsPerByte: number;
  rate: number;
  /** global norm of the last gradient */
  norm: number;
  /** seconds trained, and estimated seconds to the end */
  elapsed: number;
  left: number;
}

export interface Evaluation {
  /** bits per byte of every held-out file, by path */
  files: Map<string, number>;
  /** mean over the files */
  mean: number;
  /** the averaged weights were better, and are what the checkpoint holds */
  averaged: boolean;
}

export interface TrainResult extends TrainReport {
  /** null without held-out text */
  evaluation: Evaluation | null;
  /** the run was stopped before its end */
  stopped: boolean;
}

/** Least and greatest value of options that nothing else checks. */
const RANGES = {
  seed: [0, 2 ** 32 - 1],
  rate: [0, 1],
  warmup: [0, 1],
  weightDecay: [0, 1],
  clip: [0, Number.POSITIVE_INFINITY],
  beta1: [0, 0.99999],
  beta2: [0, 0.99999],
  momentum: [0.01, 0.99999],
  ema: [0, 1],
  evaluateBytes: [0, 2 ** 30],
} as const;

/** The names that options of names can have. */
const NAMES = { optimizer: OPTIMIZERS, decay: DECAYS } as const;

/**
 * Trains until the time or the steps are over, or `signal` fires, and writes the checkpoint.
 * @throws ShacompError ERR_OPTIONS, ERR_FILE, ERR_CHECKPOINT_INVALID, ERR_ENGINE_UNAVAILABLE,
 *   ERR_MEMORY_LIMIT; ERR_TRAINING_DIVERGED if the loss becomes infinite or no number (what was saved before
 *   stays)
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { seconds, steps, output } = options;
  const before = options.resume ? await settingsOf(output) : {};
  const set = { ...TRAIN_DEFAULTS, ...before, ...defined(options) };
  // the moments of one mean nothing to the other
  if (before.optimizer && before.optimizer !== set.optimizer)
    throw new ShacompError(
      'ERR_OPTIONS',
      `the run to resume has stepped its matrices by ${before.optimizer}, not by ${set.optimizer}; leave the optimizer out`,
    );
  if (!(seconds && seconds > 0) && !(steps && steps > 0))
    throw new ShacompError('ERR_OPTIONS', 'give the length of the training run in time or in steps');
  for (const [name, [low, high]] of Object.entries(RANGES)) {
    const value = set[name as keyof typeof RANGES];
    if (!(value >= low && value <= high))
      throw new ShacompError('ERR_OPTIONS', `${name} must be between ${low} and ${high}, not ${value}`);
  }
  for (const [name, known] of Object.entries(NAMES)) {
    const value = set[name as keyof typeof NAMES];
    if (!(known as readonly string[]).includes(value))
      throw new ShacompError('ERR_OPTIONS', `${name} must be one of ${known.join(', ')}, not ${value}`);
  }
  await checkFolder(output);
  const inputs = set.inputs.map(({ path }) => TextFile.open(path));
  const { texts, measured } = set.heldOut
    ? { texts: inputs, measured: set.heldOut.map(TextFile.open) }
    : holdOut(inputs);
  const weights = texts.map((file, i) => file.length * (set.inputs[i].weight ?? 1));
  const sampler = new Sampler(texts, weights, set.batch, set.segment, set.seed);
  const { batch, segment, bf16, threads = availableParallelism() } = set;
  const network = await TrainingNetwork.open(set.arch, { batch, steps: segment, threads, bf16 }, set.engine);
  const perFile = Math.max(1, Math.floor(set.batch / Math.max(1, measured.length)));
  const heldOut = heldOutPieces(measured, set.evaluateBytes, perFile, set.segment);
  return new Run(set, network, sampler, heldOut, output).go();
}

/** An hour of training must not end with a folder that is not there. */
async function checkFolder(output: string): Promise<void> {
  try {
    await access(systemName(dirname(output)), constants.W_OK);
  } catch (error) {
    throw fileError(output, error);
  }
}

class Run {
  private step = 0;
  private bytes = 0;
  private elapsed = 0;
  private averaged = true;
  private evaluation: Evaluation | null = null;
  private last = { rate: 0, norm: 0, bitsPerByte: Number.NaN, bytesPerSecond: 0 };
  private recent = new Recent(0);

  constructor(
    private readonly set: typeof TRAIN_DEFAULTS & TrainOptions,
    private readonly network: TrainingNetwork,
    private readonly sampler: Sampler,
    private readonly heldOut: HeldOut[],
    private readonly output: string,
  ) {}

  async go(): Promise<TrainResult> {
    const { set, network } = this;
    await this.start();
    const before = this.elapsed;
    const started = performance.now();
    const now = () => before + (performance.now() - started) / 1000;
    const report = new Timer(set.reportSeconds, this.elapsed);
    const evaluate = new Timer(set.evaluateSeconds, this.elapsed);
    const checkpoint = new Timer(set.checkpointSeconds, this.elapsed);
    while (this.progress() < 1 && !set.signal?.aborted) {
      const rate = rateAt({ ...set, peak: set.rate }, this.progress());
      const { loss, norm } = network.step(this.sampler.next(), {
        rate,
        beta1: set.beta1,
        beta2: set.beta2,
        momentum: set.optimizer === 'muon' ? set.momentum : 0,
        epsilon: 1e-8,
        decay: set.weightDecay,
        clip: set.clip,
        // a young average forgets its first steps faster
        ema: Math.min(set.ema, (1 + this.step) / (10 + this.step)),
        time: this.step + 1,
      });
      if (!Number.isFinite(loss) || !(norm < LARGEST_NORM)) throw this.diverged(rate);
      this.step++;
      this.bytes += set.batch * set.segment;
      this.elapsed = now();
      this.recent.add(loss, rate, norm);
      await report.run(now, () => {
        this.last = this.recent.take(this.elapsed, set.batch * set.segment);
        set.onReport?.(this.report());
      });
      await evaluate.run(now, () => this.evaluate());
      await checkpoint.run(now, () => this.save());
      await setImmediate();
    }
    const stopped = this.progress() < 1;
    if (!stopped) await this.evaluate(true);
    await this.save();
    if (this.recent.steps > 0) this.last = this.recent.take(this.elapsed, set.batch * set.segment);
    return { ...this.report(), evaluation: this.evaluation, stopped };
  }

  /** Weights and state to begin or to go on with. */
  private async start(): Promise<void> {
    const { set, network } = this;
    if (set.resume && existsSync(systemName(statePath(this.output)))) {
      const at = await resume(this.output, network);
      this.step = at.step;
      this.bytes = at.bytes;
      this.elapsed = at.elapsed;
      this.sampler.state = at.sampler;
    } else {
      if (set.from) await this.startFrom(set.from);
      else initialize(set.arch, network.weights, set.seed);
      network.ema.set(network.weights);
    }
    this.recent = new Recent(this.elapsed);
    await set.onStart?.({ arch: set.arch, values: valuesOf(set.arch, network.ema) });
  }

  private diverged(rate: number): ShacompError {
    const lower = (this.set.rate / 2).toPrecision(1);
    return new ShacompError(
      'ERR_TRAINING_DIVERGED',
      `the loss is no longer a number at step ${this.step + 1} (learning rate ${rate.toPrecision(2)}); train again with a lower rate, such as ${lower}`,
    );
  }

  /** Share of the run that is done. */
  private progress(): number {
    const { seconds, steps } = this.set;
    return Math.max(seconds ? this.elapsed / seconds : 0, steps ? this.step / steps : 0);
  }

  private report(): TrainReport {
    const done = this.progress();
    const left = done > 0 ? (this.elapsed * (1 - done)) / done : Number.POSITIVE_INFINITY;
    const { step, bytes, elapsed } = this;
    return { step, bytes, elapsed, left: Math.max(0, left), ...this.last };
  }

  private async startFrom(path: string): Promise<void> {
    const { arch, values } = await readStart(path);
    const wanted = this.set.arch;
    const grown = sameShape(arch, wanted) ? values : grow(arch, values, wanted, this.set.seed);
    fill(wanted, grown, this.network.weights);
  }

  /**
   * Measures the averaged weights, which the checkpoint then holds; at the end of the run the last ones as
   * well, and the better of the two are kept.
   */
  private async evaluate(final = false): Promise<void> {
    if (this.heldOut.length === 0) return;
    const averaged = await this.measure(true);
    const plain = final ? await this.measure(false) : null;
    const better = averaged && plain && plain.mean < averaged.mean ? plain : averaged;
    if (!better) return;
    this.evaluation = better;
    this.averaged = better.averaged;
    this.set.onEvaluation?.(better, this.report());
  }

  /** null if the run was stopped meanwhile */
  private async measure(averaged: boolean): Promise<Evaluation | null> {
    const found = await costs(this.network, this.heldOut, averaged, this.set.signal);
    if (!found) return null;
    const files = new Map([...found].map(([path, { nats, bytes }]) => [path, nats / bytes / Math.LN2]));
    return { files, mean: [...files.values()].reduce((a, b) => a + b, 0) / files.size, averaged };
  }

  private async save(): Promise<void> {
    const { network, step, bytes, elapsed, sampler } = this;
    const metadata: Record<string, string> = { steps: String(step), trained_bytes: String(bytes) };
    if (this.evaluation) metadata.held_out_bits_per_byte = this.evaluation.mean.toFixed(4);
    const progress = { step, bytes, elapsed, sampler: sampler.state };
    await writeState(this.output, network, progress, this.set);
    await writeCheckpoint(this.output, network.arch, this.averaged ? network.ema : network.weights, metadata);
  }
}

/** Sums since the last report. */
class Recent {
  steps = 0;
  private nats = 0;
  private rate = 0;
  private norm = 0;

  constructor(private since: number) {}

  add(loss: number, rate: number, norm: number): void {
    this.nats += loss;
    this.rate = rate;
    this.norm = norm;
    this.steps++;
  }

  /** What a report says of them; they begin anew. */
  take(now: number, bytesPerStep: number) {
    const { rate, norm, nats, steps } = this;
    const bytesPerSecond = (steps * bytesPerStep) / Math.max(1e-9, now - this.since);
    this.nats = this.steps = 0;
    this.since = now;
    return { rate, norm, bitsPerByte: nats / steps / Math.LN2, bytesPerSecond };
  }
}

/** Without the properties that are undefined, which would hide a default. */
function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
