/** @file The command `train`: from text to a model file. */
import { sep } from 'node:path';
import { type Architecture, PRESETS } from '../../model/architecture.js';
import { readCheckpoint, sameShape } from '../../trainer/checkpoint.js';
import { divide, TextFile, type TextSource } from '../../trainer/data.js';
import { FINE_TUNING } from '../../trainer/defaults.js';
import { startShape } from '../../trainer/start.js';
import {
  type Evaluation,
  type TrainOptions,
  type TrainReport,
  type TrainResult,
  train,
} from '../../trainer/train.js';
import { alreadyExists, exists } from '../io/files.js';
import { interruptibly, SignalInterrupt } from '../io/signals.js';
import { expand, type Found } from '../io/walk.js';
import { identityOf, Worklist } from '../io/worklist.js';
import type { Flags, Weight } from '../options.js';
import { bothBytes, clock, count, rate } from '../terminal/format.js';
import { detail, note, quiet, UserError } from '../terminal/messages.js';
import { Progress, showsProgress } from '../terminal/progress.js';
import { requireOutput, type Sample, samplesOf, writeModel } from './quantize.js';
import { CurvePage } from './training-page.js';

const DEFAULT_SECONDS = 3600;
const DEFAULT_PRESET = 'lite';
/** Seconds between lines where no bar is shown. */
const LINE_SECONDS = 60;

export async function trainModel(operands: string[], flags: Flags): Promise<void> {
  const output = requireOutput(flags);
  if (operands.length === 0) throw new UserError('train needs text: name files or folders');
  const found: Found[] = [];
  for await (const file of expand(operands, { recursive: true, hidden: false })) found.push(file);
  const { from, heldOut } = flags;
  const inputs = await withoutHeldOut(found, heldOut);
  if (inputs.length === 0) throw new UserError('there are no files to train on');

  const sources = weigh(inputs, flags.weight);
  const checkpoint = await checkpointFor(output, found, flags);
  // a run that is resumed goes on by what it had
  const begin = from && !flags.resume ? FINE_TUNING : undefined;
  const options: TrainOptions = {
    arch: await shapeFor(checkpoint, flags),
    inputs: sources,
    heldOut,
    output: checkpoint,
    from,
    resume: flags.resume === true,
    seconds: flags.timeLimit ?? (flags.steps === undefined ? DEFAULT_SECONDS : undefined),
    steps: flags.steps,
    batch: flags.batch,
    threads: flags.threads || undefined,
    engine: flags.engine,
    seed: flags.seed,
    optimizer: flags.optimizer ?? begin?.optimizer,
    rate: flags.rate ?? begin?.rate,
  };
  const samples = samplesOf(
    heldOut ? heldOut.map(TextFile.open) : divide(inputs.map(TextFile.open)).map(([, end]) => end),
    '--held-out',
  );
  const curve = new CurvePage(output, flags.report);
  const result = await trainShown(options, output, samples, curve, flags);

  if (result.stopped) {
    note(`stopped at step ${result.step} after ${clock(result.elapsed)}; the weights are in ${checkpoint}`);
    note(`go on with the same command and --resume, or make a model of them:`);
    note(`  shacomp quantize ${checkpoint} -o ${output} --calibrate ${samples[0].path}`);
    throw result.signal ?? new SignalInterrupt('SIGINT');
  }
  const { evaluation } = result;
  note(
    `trained ${result.step} steps on ${bothBytes(result.bytes)} in ${clock(result.elapsed)}` +
      (evaluation ? `; held out: ${evaluation.mean.toFixed(4)} bits per byte` : ''),
  );
  const loss = await writeModel(checkpoint, output, samples, flags);
  await curve.end(output, loss, samples[0]);
}

/**
 * The checkpoint beside the model that is to be made.
 * @throws UserError if the run would replace an input, or what is there without being told to, or has nothing
 * to resume
 */
async function checkpointFor(output: string, found: readonly Found[], flags: Flags): Promise<string> {
  const base = output.replace(/\.sharnn$/, '');
  const checkpoint = `${base}.safetensors`;
  const state = `${base}.state.safetensors`;
  const { report } = flags;
  for (const product of [checkpoint, state, output, ...(report === undefined ? [] : [report])])
    if ((await new Worklist(found).claim(product, '')) !== undefined)
      throw new UserError('is an input and would be replaced; name another output', product);
  if (flags.resume === true && !(await exists(state)))
    throw new UserError('is not there: there is no run to resume', state);
  if (!flags.resume && !flags.force) {
    if (await exists(checkpoint))
      throw new UserError('already exists; use --resume to go on with it, or -f to begin anew', checkpoint);
    if (await exists(output)) throw alreadyExists(output);
    if (report !== undefined && (await exists(report))) throw alreadyExists(report);
  }
  return checkpoint;
}

/** The paths of the inputs, less those that are measured on. */
async function withoutHeldOut(found: readonly Found[], heldOut: readonly string[] = []): Promise<string[]> {
  const held = new Set(await Promise.all(heldOut.map((path) => identityOf(path))));
  const paths: string[] = [];
  for (const { path } of found) {
    const identity = held.size > 0 ? await identityOf(path) : undefined;
    if (identity !== undefined && held.has(identity)) note(`${path} : is held out, so it is not trained on`);
    else paths.push(path);
  }
  return paths;
}

/** The network to train: the preset, else that of the weights to begin with. @throws UserError */
async function shapeFor(checkpoint: string, flags: Flags): Promise<Architecture> {
  const source = flags.resume ? checkpoint : flags.from;
  const preset = flags.preset && PRESETS[flags.preset];
  if (flags.resume && preset && !sameShape(preset, (await readCheckpoint(checkpoint)).arch))
    throw new UserError(
      'the run to resume trains a network of another shape; leave --preset out',
      checkpoint,
    );
  return preset ?? (source ? await startShape(source) : PRESETS[DEFAULT_PRESET]);
}

/** Trains with a bar, or now and then a line, until the end or a signal. */
async function trainShown(
  options: TrainOptions,
  name: string,
  samples: readonly Sample[],
  curve: CurvePage,
  flags: Flags,
): Promise<TrainResult & { signal: SignalInterrupt | undefined }> {
  let last: TrainReport | undefined;
  const shows = showsProgress(flags.progress);
  const progress = new Progress({
    verb: 'training',
    name,
    total: 1000,
    flag: flags.progress,
    describe: () => (last ? `${describe(last)} ${curve.line()}`.trim() : 'starting'),
  });
  let printed = 0;
  note(`training on ${count(options.inputs.length, 'file')}; Ctrl-C stops and saves`);
  return interruptibly(async (signal) => {
    try {
      const done = await train({
        ...options,
        reportSeconds: shows ? 2 : 5,
        signal,
        onStart: (start) => curve.begin(start, samples),
        onReport(report) {
          last = report;
          curve.add(report);
          progress.update(Math.floor((1000 * report.elapsed) / (report.elapsed + report.left)));
          if (shows || quiet() || report.elapsed - printed < LINE_SECONDS) return;
          printed = report.elapsed;
          note(describe(report));
        },
        onEvaluation(evaluation, report) {
          progress.above(() => describeEvaluation(evaluation, report));
          curve.measured(evaluation, report);
        },
      });
      return { ...done, signal: signal.reason as SignalInterrupt | undefined };
    } finally {
      progress.stop();
    }
  });
}

/**
 * The inputs with the weights asked for. A weight's name is an input as it was given, a file's name, or a
 * folder that inputs are in; the last one that fits counts.
 */
function weigh(inputs: string[], weights: readonly Weight[] = []): TextSource[] {
  const sources = inputs.map((path): TextSource => ({ path }));
  for (const { name, times } of weights) {
    const parts = `/${name.split(sep).join('/').replace(/\/+$/, '')}/`;
    const named = sources.filter(({ path }) => `/${path.split(sep).join('/')}/`.includes(parts));
    if (named.length === 0) throw new UserError('has a weight, but is none of the inputs', name);
    for (const source of named) source.weight = times;
  }
  return sources;
}

function describe({ step, bitsPerByte, bytesPerSecond, left }: TrainReport): string {
  return `step ${step}, ${bitsPerByte.toFixed(3)} bits per byte, ${rate(bytesPerSecond, 1)}, ${clock(left)} left`;
}

function describeEvaluation(evaluation: Evaluation, report: TrainReport): void {
  note(`step ${report.step}, held out: ${evaluation.mean.toFixed(4)} bits per byte`);
  for (const [path, bits] of evaluation.files) detail(`  ${path}: ${bits.toFixed(4)}`);
}
