/**
 * @file Where the bits went: what every byte of a compressed file cost, and who would have predicted it
 * better.
 */

import { ShacompError } from '../../errors.js';
import type { IntegerModel } from '../../model/sharnn.js';
import { codedMode } from '../block/modes.js';
import { type Bytes, requireBytes } from '../bytes.js';
import { compress } from '../compress.js';
import { CODED_FORMATS, type Mode } from '../container/format.js';
import { inspect } from '../decompress.js';
import { Pauses } from '../event-loop.js';
import { type CompressOptions, checkCompressOptions } from '../options.js';
import type { Platform } from '../platform.js';
import { Networks } from '../session.js';
import { DEFAULT_LEVEL, levelSettings, modelFor } from '../strategy/levels.js';
import { placeCosts, withoutCopies } from './copied.js';
import { blockCosts, emptyReadings, partOf, type Readings } from './costs.js';

/** Most bytes that are explained at once: each takes some 30 bytes of memory. */
export const MAX_EXPLAINED = 2 ** 26;

export interface ExplainOptions extends Omit<CompressOptions, 'size' | 'onProgress'> {
  /**
   * Called now and then with the work done, and all there is, in bytes: each byte is coded and then
   * explained.
   */
  onProgress?: (done: number, of: number) => void;
  /**
   * Whether to find the likeliest bytes of the prediction that codes as well, beside the network's: that
   * takes some two to three times as long as mixing. Default: no.
   */
  likeliest?: boolean;
}

/** A block of the file. */
export interface ExplainedBlock {
  /** Offset of its first byte. */
  start: number;
  /** Original bytes, those in copies included. */
  length: number;
  mode: Mode;
  streams: number;
  /** Bytes of its payload. */
  codedLength: number;
  /** Original bytes in copies. */
  copied: number;
  /** Bytes of the record of the copies. */
  copiesLength: number;
}

/** What the bytes of a file cost. */
export interface Explanation extends Readings {
  /** The bytes themselves. */
  bytes: Uint8Array;
  level: number;
  /** Bytes of the whole `.sha` file. */
  fileBytes: number;
  blocks: ExplainedBlock[];
  /** The model that predicted; undefined where level and mode have none. */
  model?: { name: string; id: Uint8Array; bytes: number };
}

/** Sums of readings, in bits. */
export interface Totals {
  bytes: number;
  coded: number;
  network?: number;
  contexts: number;
}

/**
 * Compresses bytes and says what each of them cost. The costs of a block sum up to its payload and the record
 * of its copies, but for what the range coder loses: less than 0.01 % and 5 bytes, in blocks of the network
 * alone 5 bytes for every stream, and the lengths of their codes. Bytes in copies bear the cost of that
 * record alike.
 * @throws ShacompError ERR_OPTIONS also for more than {@link MAX_EXPLAINED} bytes; as `compress`
 */
export async function explain(
  data: Bytes,
  options: ExplainOptions = {},
  platform: Platform,
): Promise<Explanation> {
  const bytes = requireBytes('data', data);
  const { onProgress, likeliest = false, ...coding } = options;
  checkCompressOptions(coding);
  const { length } = bytes;
  if (length > MAX_EXPLAINED)
    throw new ShacompError(
      'ERR_OPTIONS',
      `${length} bytes are too many to explain: give at most ${MAX_EXPLAINED}`,
    );
  const settings = levelSettings(options.level);
  const source = modelFor(options);
  const model = source === undefined ? undefined : await platform.loadModel(source);
  const file = await compress(
    bytes,
    { ...coding, model, onProgress: ({ bytesIn }) => onProgress?.(Math.min(length, bytesIn), 2 * length) },
    platform,
  );
  const readings = emptyReadings(length, model !== undefined, likeliest);
  const blocks: ExplainedBlock[] = [];
  const networks = new Networks(coding, platform);
  const pauses = new Pauses(options.signal);
  try {
    const mixing = await networks.mixing();
    let start = 0;
    for await (const record of inspect(file)) {
      if (record.kind !== 'block') continue;
      const { mode, length: size, expanded, copies, copiesLength, codedLength } = record;
      const streams = Math.max(1, record.streams);
      blocks.push({
        start,
        length: expanded,
        mode,
        streams,
        codedLength,
        copied: expanded - size,
        copiesLength,
      });
      const end = start + expanded;
      const original = bytes.subarray(start, end);
      const found = partOf(readings, start, end);
      const literals = copies.length > 0 ? emptyReadings(size, model !== undefined, likeliest) : found;
      await networks.block(async () =>
        blockCosts(
          {
            block: copies.length > 0 ? withoutCopies(original, copies, size) : original,
            format: CODED_FORMATS.find(({ name }) => name === mode),
            streams,
            profile: codedMode(settings.plain).profile ?? 'full',
            network: model && (await networks.open(model, streams)),
            mixing,
            pauses,
          },
          literals,
          (done) => onProgress?.(length + start + done, 2 * length),
        ),
      );
      if (copies.length > 0) placeCosts(literals, found, copies, 8 * copiesLength);
      start = end;
    }
  } finally {
    networks.close();
  }
  return {
    bytes,
    level: options.level ?? DEFAULT_LEVEL,
    fileBytes: file.length,
    blocks,
    ...(model && { model: { name: model.name, id: model.id, bytes: (model as IntegerModel).bytes.length } }),
    ...readings,
  };
}

/** Sum of the costs of the bytes from `from` to `to`. */
export function sumOf(bits: Float32Array, from: number, to: number): number {
  let total = 0;
  for (let i = from; i < to; i++) total += bits[i];
  return total;
}

/** Sums over the bytes from `from` to `to`. */
export function totals(e: Readings, from = 0, to = e.coded.length): Totals {
  const sum = (bits: Float32Array) => sumOf(bits, from, to);
  return {
    bytes: to - from,
    coded: sum(e.coded),
    ...(e.network && { network: sum(e.network) }),
    contexts: sum(e.contexts),
  };
}

/** Size of a file at another level. */
export interface Trial {
  level: number;
  /** bytes of the file */
  bytes: number;
  model?: string;
}

/**
 * Levels that differ in what they can do: fast and full contexts, fast and full with the network, a larger
 * network.
 */
export const TRIED_LEVELS = [1, 3, 4, 6, 9] as const;

/** Bytes of the beginning of a file that they are tried on. */
export const TRIED_BYTES = 2 ** 16;

/**
 * Sizes of the same bytes at other levels. A level whose model is not here is left out.
 * @throws as `compress`
 */
export async function tryLevels(
  data: Uint8Array,
  options: Omit<ExplainOptions, 'level' | 'mode' | 'model' | 'onProgress'>,
  platform: Platform,
  levels: readonly number[] = TRIED_LEVELS,
): Promise<Trial[]> {
  const trials: Trial[] = [];
  for (const level of levels) {
    try {
      const { length } = await compress(data, { ...options, level }, platform);
      trials.push({ level, bytes: length, model: modelFor<string>({ level }) });
    } catch (error) {
      if (!(error instanceof ShacompError) || error.code !== 'ERR_MODEL_NOT_FOUND') throw error;
    }
  }
  return trials;
}
