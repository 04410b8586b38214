/** @file The command `quantize`, and the last step of `train`: a float checkpoint becomes a model. */
import { basename } from 'node:path';
import { parameterCount } from '../../model/architecture.js';
import { shortId } from '../../model/id.js';
import { selectEngine } from '../../node/engines.js';
import { readCheckpoint } from '../../trainer/checkpoint.js';
import { heldOutPieces, TextFile } from '../../trainer/data.js';
import { beyond, type QuantizeOptions, quantize } from '../../trainer/quantize.js';
import { activationRanges } from '../../trainer/ranges.js';
import { type Bits, percent, type RoundingLoss, roundingLoss, total } from '../../trainer/rounding-loss.js';
import { alreadyExists, exists, writeFileSafely } from '../io/files.js';
import type { Flags } from '../options.js';
import { bothBytes } from '../terminal/format.js';
import { detail, note, UserError } from '../terminal/messages.js';
import { Progress } from '../terminal/progress.js';

/**
 * Text that ranges are fitted to: pieces that start cold and are long enough to fill the memory of a model.
 */
const CALIBRATION_BYTES = 2 ** 19;
const CALIBRATION_PIECES = 32;
/** Most text of a file that the loss is measured on, as one stream. */
const STREAM_BYTES = 60 * 1024;
/** Most files that the loss is measured on. */
const MOST_FILES = 16;
/** Least text of a file that says anything. */
const LEAST_TEXT = 64;

/** Text that a model is fitted to and measured on: a part of a file. */
export type Sample = TextFile;

export async function quantizeFile(operands: string[], flags: Flags): Promise<void> {
  if (operands.length !== 1)
    throw new UserError('quantize takes one checkpoint: shacomp quantize FILE.safetensors -o MODEL.sharnn');
  const output = requireOutput(flags);
  if (!flags.calibrate)
    throw new UserError('quantize fits the rounding to text like that the model is for: --calibrate FILE');
  if (!flags.force && (await exists(output))) throw alreadyExists(output);
  await writeModel(operands[0], output, samplesOf(flags.calibrate.map(TextFile.open), '--calibrate'), flags);
}

/** @throws UserError unless -o names a model file */
export function requireOutput(flags: Flags): string {
  if (flags.output === undefined) throw new UserError('name the model to write: -o MODEL.sharnn');
  if (!flags.output.endsWith('.sharnn'))
    throw new UserError('is not the name of a model: end it in .sharnn', flags.output);
  return flags.output;
}

/**
 * Those of the texts that are long enough to say anything.
 * @param flag that gives more
 * @throws UserError if there are none
 */
export function samplesOf(texts: readonly TextFile[], flag: string): Sample[] {
  const samples = texts.filter((text) => text.length >= LEAST_TEXT);
  if (samples.length === 0)
    throw new UserError(`there is too little text to fit the rounding to; give some with ${flag} FILE`);
  return samples;
}

/** Pieces of the samples that ranges are fitted to. @param bytes of all together, at most */
export function calibrationPieces(samples: readonly Sample[], bytes = CALIBRATION_BYTES): Uint8Array[] {
  const every = Math.ceil(samples.length / CALIBRATION_PIECES);
  const chosen = samples.filter((_, i) => i % every === 0);
  const each = Math.ceil(bytes / chosen.length);
  const count = Math.floor(CALIBRATION_PIECES / chosen.length);
  return chosen.flatMap((file) => heldOutPieces([file], each, count, LEAST_TEXT)[0]?.pieces ?? []);
}

/** Rounds a checkpoint to integers, fitted to the samples, and says what that costs. */
export async function writeModel(
  checkpoint: string,
  output: string,
  samples: readonly Sample[],
  flags: Flags,
): Promise<RoundingLoss> {
  const pieces = calibrationPieces(samples);
  const texts = samples.slice(0, MOST_FILES).map((file) => {
    const text = new Uint8Array(Math.min(STREAM_BYTES, file.length));
    file.read(0, text);
    return { path: file.path, text };
  });

  const { arch, values } = await readCheckpoint(checkpoint);
  const threads = flags.threads || undefined;
  const engine = await selectEngine(flags.engine, { threads });
  let doing = 'measuring ranges';
  const progress = new Progress({
    verb: 'quantizing',
    name: checkpoint,
    total: 2000,
    flag: flags.progress,
    describe: () => doing,
  });
  try {
    progress.update(0);
    const ranges = await activationRanges(arch, values, pieces, threads, (share) =>
      progress.update(1000 * share),
    );
    const name = flags.name ?? basename(output, '.sharnn');
    const model = quantize(arch, values, name, ranges, { bits: flags.bits as QuantizeOptions['bits'] });
    await writeFileSafely(output, model.bytes, true);
    doing = 'measuring the loss';
    const loss = await roundingLoss(arch, values, model, engine, texts, threads, (share) =>
      progress.update(1000 + 1000 * share),
    );
    progress.stop();
    const size = bothBytes(model.bytes.length);
    note(`${output} : ${parameterCount(arch)} parameters, ${size}, id ${shortId(model.id)}`);
    report(loss, beyond(ranges, loss.ranges));
    return loss;
  } finally {
    progress.stop();
  }
}

function report({ texts }: RoundingLoss, clipped: ReadonlyMap<string, number>): void {
  for (const text of texts) {
    if (texts.length > 1) note(`  ${text.path}: ${describe(text)}`);
    for (const part of text.positions)
      detail(`    to byte ${Math.min(part.end, text.bytes)}: ${describe(part)}`);
  }
  for (const [site, count] of clipped) detail(`  ${site}: ${count} beyond the calibrated range`);
  note(`quantized: ${describe(total(texts))}`);
}

function describe(bits: Bits): string {
  const each = (sum: number) => (sum / bits.bytes).toFixed(4);
  return `${each(bits.integer)} bits per byte, ${each(bits.float)} before, a loss of ${percent(bits).toFixed(2)}%`;
}
