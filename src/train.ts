/**
 * @file Training: what `import ... from 'shacomp/train'` gives. From text to a float checkpoint ({@link
 * train}), and from that to a model that codes files ({@link calibrate}, {@link quantize}), with what the
 * rounding costs ({@link measureRounding}). Everything runs on the processor; docs/training.md says how it
 * computes.
 */
import type { Model } from './model/model.js';
import { selectEngine } from './node/engines.js';
import type { Checkpoint } from './trainer/checkpoint.js';
import { quantize as round } from './trainer/quantize.js';
import { type ActivationRanges, activationRanges } from './trainer/ranges.js';
import { type RoundingLoss, roundingLoss } from './trainer/rounding-loss.js';

export { type Architecture, PRESETS, type PresetName, parameterCount } from './model/architecture.js';
export type { Model } from './model/model.js';
export { type Checkpoint, readCheckpoint } from './trainer/checkpoint.js';
export type { TextSource } from './trainer/data.js';
export { HELD_OUT_SHARE, TRAIN_DEFAULTS } from './trainer/defaults.js';
export type { ActivationRanges, LayerRanges, Moments } from './trainer/ranges.js';
export type { Bits, RoundingLoss, TextLoss } from './trainer/rounding-loss.js';
export type { Schedule } from './trainer/schedule.js';
export {
  type Evaluation,
  type TrainOptions,
  type TrainReport,
  type TrainResult,
  train,
} from './trainer/train.js';

/** What calibrating and measuring share. */
export interface MeasureOptions {
  /** most threads; default: the processors available */
  threads?: number;
  /** called now and then with the share that is done, 0 to 1 */
  onProgress?: (share: number) => void;
}

/**
 * Runs the float network over texts and notes how large its activations become, and how they go together:
 * what rounding is fitted to. Some hundred kilobytes of text like that the model is for are enough.
 * @param texts each starts cold and is long enough to fill the memory of the network; whole segments of 64
 *   bytes are used, and shorter texts begin again until the longest is over
 * @throws ShacompError ERR_OPTIONS if there is no text or one is shorter than a segment,
 *   ERR_ENGINE_UNAVAILABLE where nothing trains, ERR_MEMORY_LIMIT
 */
export const calibrate = (
  { arch, values }: Checkpoint,
  texts: readonly Uint8Array[],
  { threads, onProgress }: MeasureOptions = {},
): Promise<ActivationRanges> => activationRanges(arch, values, texts, threads, onProgress);

export interface QuantizeOptions {
  /** in the model file, 1 to 40 bytes of UTF-8 */
  name: string;
  /**
   * bits of a weight: 8 (up to 127 in magnitude), 7 (63, the default) or 6 (31); fewer are faster without
   * VNNI instructions
   */
  bits?: 6 | 7 | 8;
}

/** A model with its file. */
export interface QuantizedModel extends Model {
  /** of the `.sharnn` file, to be written as they are */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Rounds a checkpoint to integers (docs/model.md, section 3.2).
 * @param ranges from {@link calibrate}
 * @throws ShacompError ERR_CHECKPOINT_INVALID if a parameter is missing, misshapen, not finite or does not
 *   fit the format; ERR_MODEL_INVALID if no engine runs this shape or the name is too long
 */
export const quantize = (
  { arch, values }: Checkpoint,
  ranges: ActivationRanges,
  { name, bits }: QuantizeOptions,
): QuantizedModel => round(arch, values, name, ranges, { bits });

/**
 * What some texts cost the float network and the integer model made of it, each text as one stream from the
 * cold state. The float network sees up to 63 positions fewer at the start of a segment (docs/training.md,
 * section 2): a small negative loss is no mistake.
 * @param model from {@link quantize}, or loaded: of the same shape
 * @param texts with a name to report them by; what is beyond whole segments of 64 bytes is left out
 * @returns bits of each text, in all and by position
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE where nothing trains, ERR_MODEL_INVALID, ERR_MEMORY_LIMIT,
 * ERR_OPTIONS
 */
export async function measureRounding(
  { arch, values }: Checkpoint,
  model: Model,
  texts: readonly { path: string; text: Uint8Array }[],
  { engine, threads, onProgress }: MeasureOptions & { engine?: string } = {},
): Promise<RoundingLoss> {
  const runs = await selectEngine(engine, { threads });
  return roundingLoss(arch, values, model, runs, texts, threads, onProgress);
}
