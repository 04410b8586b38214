/**
 * @file What the levels 1 to 9 stand for: the one table from which codec, command line and docs/levels.md are
 * made.
 */
import { CODED_FORMATS, type CodedFormat, MAX_STREAMS, type Mode } from '../container/format.js';

/**
 * How many lockstep streams a block gets at most: many make a batch that is fast to compute, few learn
 * faster.
 */
export interface StreamDensity {
  /** least bytes of a block per stream */
  bytes: number;
  /** most streams: beyond some, batches gain nothing */
  most: number;
}

/**
 * Number of streams of the network that the encoder cuts a block of `length` bytes into. A decoder takes the
 * number from the block.
 * @param limit most streams that the block's format has
 */
export function streamCount(length: number, density: StreamDensity, limit = MAX_STREAMS): number {
  return Math.min(limit, density.most, Math.max(1, Math.ceil(length / density.bytes)));
}

/**
 * Streams where the network alone codes: it does not learn, so a stream costs its cold start and the end of
 * its code, some 15 bytes, and nothing else: 0.1 % of 32 KiB (docs/levels.md). More than these streams make
 * no processor faster.
 */
export const NETWORK_STREAMS: StreamDensity = { bytes: 2 ** 15, most: 256 };

/** The density with which every block gets that many streams, as far as it has bytes for them. */
export const exactly = (streams: number): StreamDensity => ({ bytes: 1, most: streams });

/** Settings of a level. A decoder needs none of them: blocks say how they were coded. */
export interface Level {
  /** mode of blocks that gain from the network; of all blocks if it is one without */
  mode: CodedFormat['name'];
  /** mode of blocks that do not gain from the network */
  plain: CodedFormat['name'];
  /** name of the model, where the caller gives none and the mode has the network */
  model: 'lite' | 'base';
  streams: StreamDensity;
  /**
   * share that a block's code may exceed the smallest by, as estimated, to be done sooner: without the
   * network, in more streams
   */
  tolerance: number;
  /** bytes per block */
  blockSize: number;
}

const KIB = 2 ** 10;
const MIB = 2 ** 20;

function level(
  mode: Level['mode'],
  plain: Level['plain'],
  bytesPerStream: number,
  most: number,
  tolerance: number,
  blockSize: number,
  model: Level['model'] = 'lite',
): Level {
  return { mode, plain, model, streams: { bytes: bytesPerStream, most }, tolerance, blockSize };
}

/** Index 0 is level 1. */
export const LEVELS: readonly Level[] = [
  level('mixing-fast', 'mixing-fast', 64 * KIB, 16, 0.04, 4 * MIB),
  level('mixing-fast', 'mixing-fast', 64 * KIB, 16, 0.04, 16 * MIB),
  level('mixing-full', 'mixing-full', 64 * KIB, 16, 0.04, 16 * MIB),
  level('network-mixing-fast', 'mixing-fast', 64 * KIB, 16, 0.04, 4 * MIB),
  level('network-mixing-fast', 'mixing-full', 128 * KIB, 8, 0.03, 16 * MIB),
  level('network-mixing-full', 'mixing-full', 128 * KIB, 8, 0.02, 16 * MIB),
  level('network-mixing-full', 'mixing-full', 256 * KIB, 8, 0.015, 16 * MIB, 'base'),
  level('network-mixing-full', 'mixing-full', 512 * KIB, 4, 0.01, 16 * MIB, 'base'),
  level('network-mixing-full', 'mixing-full', MIB, 1, 0.005, 32 * MIB, 'base'),
];

/** The level where none is named: the smallest files that a laptop makes at a sensible speed. */
export const DEFAULT_LEVEL = 6;

export const MAX_LEVEL = LEVELS.length;

/**
 * The model that may be needed: the one asked for, else the level's; undefined where the network is left out.
 * @param options of compression, checked
 */
export function modelFor<Source>(options: {
  level?: number;
  mode?: 'auto' | Mode;
  model?: Source;
}): Source | string | undefined {
  const settings = levelSettings(options.level);
  const mode = options.mode === undefined || options.mode === 'auto' ? settings.mode : options.mode;
  const network = CODED_FORMATS.some(({ name, network }) => name === mode && network);
  return network ? (options.model ?? settings.model) : undefined;
}

/** @param level 1 to 9 */
export const levelSettings = (level = DEFAULT_LEVEL): Level => LEVELS[level - 1];
