/** @file One training run, from text to a float checkpoint. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { ShacompError } from '../errors.js';
import { type Architecture, INITIAL_BYTE } from '../model/architecture.js';
import { fill, readCheckpoint, resume, writeCheckpoint, writeState } from './checkpoint.js';
import { type HeldOut, heldOutPieces, Sampler, TextFile, type TextSource } from './data.js';
import { initialize } from './initialize.js';
import { TrainingNetwork } from './network.js';
import { rateAt, type Schedule } from './schedule.js';

export interface TrainOptions {
  arch: Architecture;
  /** files to train on */
  inputs: TextSource[];
  /** files to measure on; default: the last 2 % of every input, which is then not trained on */
  heldOut?: string[];
  /** checkpoint to write (.safetensors); the state of the run lies beside it */
  output: string;
  /** float checkpoint to start from instead of random weights */
  from?: string;
  /** go on with the run whose state lies beside `output`, if there is one */
  resume?: boolean;
  /** length of the run in seconds, or in steps; the learning rate reaches 0 at its end */
  seconds?: number;
  steps?: number;
  /** sequences per step (32) and bytes of each (128) */
  batch?: number;
  segment?: number;
  threads?: number;
  /** bfloat16 products where the processor has them (true) */
  bf16?: boolean;
  seed?: number;
  rate?: number;
  warmup?: number;
  decay?: Schedule['decay'];
  weightDecay?: number;
  clip?: number;
  beta1?: number;
  beta2?: number;
  /** decay of the averaged weights, per step */
  ema?: number;
  /** seconds between reports (20), checkpoints (120) and measurements (180) */
  reportSeconds?: number;
  checkpointSeconds?: number;
  evaluateSeconds?: number;
  /** bytes measured of every held-out file (32768) */
  evaluateBytes?: number;
  /** stops the run at the next step, with a checkpoint */
  signal?: AbortSignal;
  onReport?: (report: TrainReport) => void;
  onEvaluation?: (evaluation: Evaluation, report: TrainReport) => void;
}

export interface TrainReport {
  step: number;
  /** bytes trained on */
  bytes: number;
  bytesPerSecond: number;
  /** bits per byte on the training text since the last report, before each step */
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

/** Largest share of a file that is held out where no held-out files are given. */
const HELD_OUT_SHARE = 0.02;

const DEFAULTS = {
  batch: 32,
  segment: 128,
  bf16: true,
  seed: 1,
  rate: 3e-3,
  warmup: 0.02,
  decay: 'linear' as Schedule['decay'],
  weightDecay: 0.01,
  clip: 1,
  beta1: 0.9,
  beta2: 0.99,
  ema: 0.998,
  reportSeconds: 20,
  checkpointSeconds: 120,
  evaluateSeconds: 180,
  evaluateBytes: 32768,
};

/**
 * Trains until the time or the steps are over, or `signal` fires, and writes the checkpoint.
 * @throws ShacompError ERR_OPTIONS, ERR_FILE, ERR_CHECKPOINT_INVALID, ERR_ENGINE_UNAVAILABLE
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const set = { ...DEFAULTS, ...defined(options) };
  const { seconds, steps, output } = options;
  if (!(seconds && seconds > 0) && !(steps && steps > 0))
    throw new ShacompError('ERR_OPTIONS', 'give the length of the training run in time or in steps');
  const files: TextFile[] = [];
  try {
    const open = (path: string) => {
      const file = TextFile.open(path);
      files.push(file);
      return file;
    };
    let texts = set.inputs.map((input) => open(input.path));
    let measured = set.heldOut?.map(open);
    if (!measured) {
      const parts = texts.map((file) => file.split(Math.ceil(file.length * (1 - HELD_OUT_SHARE))));
      texts = parts.map(([text]) => text);
      measured = parts.map(([, tail]) => tail);
    }
    const weights = texts.map((file, i) => set.inputs[i].weight ?? file.length);
    const network = new TrainingNetwork(set.arch, {
      batch: set.batch,
      steps: set.segment,
      threads: set.threads ?? availableParallelism(),
      bf16: set.bf16,
    });
    const sampler = new Sampler(texts, weights, set.batch, set.segment, set.seed);
    const perFile = Math.max(1, Math.floor(set.batch / Math.max(1, measured.length)));
    const heldOut = heldOutPieces(measured, set.evaluateBytes, perFile, set.segment);
    return await new Run(set, network, sampler, heldOut, output).go();
  } finally {
    for (const file of files) file.close();
  }
}

class Run {
  private step = 0;
  private bytes = 0;
  private elapsed = 0;
  private averaged = true;
  private evaluation: Evaluation | null = null;
  private last = { rate: 0, norm: 0, bitsPerByte: Number.NaN, bytesPerSecond: 0 };

  constructor(
    private readonly set: typeof DEFAULTS & TrainOptions,
    private readonly network: TrainingNetwork,
    private readonly sampler: Sampler,
    private readonly heldOut: HeldOut[],
    private readonly output: string,
  ) {}

  async go(): Promise<TrainResult> {
    const { set, network } = this;
    const stateFile = `${this.output.replace(/\.safetensors$/, '')}.state.safetensors`;
    if (set.resume && existsSync(stateFile)) {
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
    const before = this.elapsed;
    const started = performance.now();
    const timers = { report: this.elapsed, checkpoint: this.elapsed, evaluate: this.elapsed };
    const due = (timer: keyof typeof timers, period: number) => {
      if (this.elapsed - timers[timer] < period) return false;
      timers[timer] = this.elapsed;
      return true;
    };
    let nats = 0;
    let count = 0;
    let since = this.elapsed;
    while (this.progress() < 1 && !set.signal?.aborted) {
      const rate = rateAt({ ...set, peak: set.rate }, this.progress());
      const { loss, norm } = network.step(this.sampler.next(), {
        rate,
        beta1: set.beta1,
        beta2: set.beta2,
        epsilon: 1e-8,
        decay: set.weightDecay,
        clip: set.clip,
        // a young average forgets its first steps faster
        ema: Math.min(set.ema, (1 + this.step) / (10 + this.step)),
        time: this.step + 1,
      });
      this.step++;
      this.bytes += set.batch * set.segment;
      nats += loss;
      count++;
      this.elapsed = before + (performance.now() - started) / 1000;
      if (due('report', set.reportSeconds)) {
        const speed = (count * set.batch * set.segment) / (this.elapsed - since);
        this.last = { rate, norm, bitsPerByte: nats / count / Math.LN2, bytesPerSecond: speed };
        nats = count = 0;
        since = this.elapsed;
        set.onReport?.(this.report());
      }
      if (due('evaluate', set.evaluateSeconds)) await this.evaluate();
      if (due('checkpoint', set.checkpointSeconds)) await this.save();
      await setImmediate();
    }
    const stopped = this.progress() < 1;
    if (!stopped) await this.evaluate(true);
    await this.save();
    return { ...this.report(), evaluation: this.evaluation, stopped };
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
    const { arch, values } = await readCheckpoint(path);
    if (JSON.stringify(arch) !== JSON.stringify(this.set.arch))
      throw new ShacompError(
        'ERR_OPTIONS',
        `${path} holds a network of another shape than the one to train: leave the preset out`,
      );
    fill(arch, values, this.network.weights);
  }

  /**
   * Measures the averaged weights, which the checkpoint then holds; at the end of the run the last ones as well, and the
   * better of the two are kept.
   */
  private async evaluate(final = false): Promise<void> {
    if (this.heldOut.length === 0) return;
    const measure = async (averaged: boolean): Promise<Evaluation> => {
      const files = await this.measure(averaged);
      return { files, mean: [...files.values()].reduce((a, b) => a + b, 0) / files.size, averaged };
    };
    this.evaluation = await measure(true);
    if (final) {
      const plain = await measure(false);
      if (plain.mean < this.evaluation.mean) this.evaluation = plain;
    }
    this.averaged = this.evaluation.averaged;
    this.set.onEvaluation?.(this.evaluation, this.report());
  }

  /** Bits per byte of every held-out file. */
  private async measure(ema: boolean): Promise<Map<string, number>> {
    const { batch, segment } = this.set;
    const jobs = this.heldOut.flatMap(({ path, pieces }) => pieces.map((piece) => ({ path, piece })));
    const totals = new Map<string, { nats: number; bytes: number }>();
    let prepare = true;
    for (let first = 0; first < jobs.length; first += batch) {
      const group = jobs.slice(first, first + batch);
      const longest = Math.max(...group.map(({ piece }) => piece.length));
      for (let at = 0; at < longest; at += segment) {
        const inputs = new Uint8Array(batch * segment);
        const targets = new Uint8Array(batch * segment);
        const resets = new Uint8Array(batch).fill(at === 0 ? 1 : 0);
        group.forEach(({ piece }, b) => {
          if (at >= piece.length) return;
          targets.set(piece.subarray(at, at + segment), b * segment);
          inputs.set(piece.subarray(at, at + segment - 1), b * segment + 1);
          inputs[b * segment] = at === 0 ? INITIAL_BYTE : piece[at - 1];
        });
        const losses = this.network.evaluate({ inputs, targets, resets }, ema, prepare);
        prepare = false;
        group.forEach(({ path, piece }, b) => {
          if (at >= piece.length) return;
          const total = totals.get(path) ?? { nats: 0, bytes: 0 };
          totals.set(path, { nats: total.nats + losses[b], bytes: total.bytes + segment });
        });
        await setImmediate();
      }
    }
    return new Map([...totals].map(([path, { nats, bytes }]) => [path, nats / bytes / Math.LN2]));
  }

  private async save(): Promise<void> {
    const { network, step, bytes, elapsed, sampler } = this;
    const metadata: Record<string, string> = { steps: String(step), trained_bytes: String(bytes) };
    if (this.evaluation) metadata.held_out_bits_per_byte = this.evaluation.mean.toFixed(4);
    await writeState(this.output, network, { step, bytes, elapsed, sampler: sampler.state });
    await writeCheckpoint(this.output, network.arch, this.averaged ? network.ema : network.weights, metadata);
  }
}

/** Without the properties that are undefined, which would hide a default. */
function defined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}
