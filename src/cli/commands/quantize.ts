/** @file The command `quantize`, and the last step of `train`: a float checkpoint becomes a model. */
import { availableParallelism } from 'node:os';
import { basename } from 'node:path';
import { type Architecture, ShacompError } from '../../index.js';
import { parameterCount } from '../../model/architecture.js';
import { shortId } from '../../model/id.js';
import { selectEngine } from '../../node/engines.js';
import { readCheckpoint } from '../../trainer/checkpoint.js';
import { floatCrossEntropy, wholeSegments } from '../../trainer/cost.js';
import { heldOutPieces, TextFile } from '../../trainer/data.js';
import { calibrate, quantize } from '../../trainer/quantize.js';
import { alreadyExists, exists, writeFileSafely } from '../io/files.js';
import type { Flags } from '../options.js';
import { bothBytes } from '../terminal/format.js';
import { note, UserError } from '../terminal/messages.js';
import { Progress } from '../terminal/progress.js';

/** Most text that rounding is fitted to: coding it some dozens of times should take seconds. */
const CALIBRATION_BYTES = 65536;
/** Least text that says anything. */
const LEAST_TEXT = 64;

export async function quantizeFile(operands: string[], flags: Flags): Promise<void> {
  if (operands.length !== 1)
    throw new UserError('quantize takes one checkpoint: shacomp quantize FILE.safetensors -o MODEL.sharnn');
  const output = requireOutput(flags);
  if (!flags.force && (await exists(output))) throw alreadyExists(output);
  const text = flags.calibrate ? textOf(flags.calibrate, 0) : undefined;
  await writeModel(operands[0], output, text, flags);
}

/** @throws UserError unless -o names a model file */
export function requireOutput(flags: Flags): string {
  if (flags.output === undefined) throw new UserError('name the model to write: -o MODEL.sharnn');
  if (!flags.output.endsWith('.sharnn'))
    throw new UserError('is not the name of a model: end it in .sharnn', flags.output);
  return flags.output;
}

/**
 * Some text of files, spread over them.
 * @param from where to begin in each file, as a share of it
 */
export function textOf(paths: readonly string[], from: number): Uint8Array {
  // some of many files will do
  const every = Math.ceil(paths.length / 64);
  const chosen = paths.filter((_, i) => i % every === 0);
  const pieces: Uint8Array[] = [];
  for (const path of chosen) {
    const file = TextFile.open(path);
    const [, text] = file.split(Math.ceil(file.length * from));
    const [held] = heldOutPieces([text], Math.ceil(CALIBRATION_BYTES / chosen.length), 4, LEAST_TEXT);
    if (held) pieces.push(...held.pieces);
  }
  return Buffer.concat(pieces);
}

/** Quantizes a checkpoint, fits the rounding of activations to `text` if there is some, and says what that cost. */
export async function writeModel(
  checkpoint: string,
  output: string,
  text: Uint8Array | undefined,
  flags: Flags,
): Promise<void> {
  const { arch, values } = await readCheckpoint(checkpoint);
  const name = flags.name ?? basename(output, '.sharnn');
  const sample = text && text.length >= LEAST_TEXT ? wholeSegments(text) : undefined;
  let model = quantize(arch, values, name);
  let loss = 'its cost is not known: give text with --calibrate';
  if (sample) {
    const progress = new Progress({
      verb: 'quantizing',
      name: checkpoint,
      flag: flags.progress,
      describe: () => 'fitting the rounding',
    });
    try {
      progress.update(0);
      const threads = flags.threads || undefined;
      const engine = await selectEngine(flags.engine, { threads });
      const fitted = await calibrate(arch, values, name, sample, engine);
      model = fitted.model;
      const float = await floatBits(arch, values, sample, threads);
      loss = quantizationLoss(fitted.bitsPerByte, float === undefined ? undefined : float / sample.length);
    } finally {
      progress.stop();
    }
  }
  await writeFileSafely(output, model.bytes, true);
  note(
    `${output} : ${parameterCount(arch)} parameters, ${bothBytes(model.bytes.length)}, id ${shortId(model.id)}`,
  );
  note(`quantized: ${loss}`);
}

/** undefined where float networks do not run. */
async function floatBits(
  arch: Architecture,
  values: ReadonlyMap<string, Float32Array>,
  text: Uint8Array,
  threads: number | undefined,
): Promise<number | undefined> {
  try {
    return await floatCrossEntropy(arch, values, text, threads ?? availableParallelism());
  } catch (error) {
    if (error instanceof ShacompError && ['ERR_ENGINE_UNAVAILABLE', 'ERR_OPTIONS'].includes(error.code))
      return undefined;
    throw error;
  }
}

function quantizationLoss(integer: number, float: number | undefined): string {
  const bits = `${integer.toFixed(4)} bits per byte`;
  if (float === undefined) return `${bits} (the float network does not run here to compare)`;
  const loss = 100 * (integer / float - 1);
  return `${bits}, ${float.toFixed(4)} before, a loss of ${loss.toFixed(2)}%`;
}
