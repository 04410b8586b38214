/** @file What the levels 1 to 9 stand for: the one table from which codec, command line and docs/levels.md are made. */
import type { CodedMode } from './modes.js';

/** Settings of a level. A decoder needs none of them: blocks say how they were coded. */
export interface Level {
  /** mode of blocks that gain from the network; of all blocks if it is one without */
  mode: CodedMode['name'];
  /** mode of blocks that do not gain from the network */
  plain: CodedMode['name'];
  /** bytes of a block per lockstep stream of the network: more are smaller files, fewer are larger batches */
  bytesPerStream: number;
  /** bytes per block */
  blockSize: number;
}

const KIB = 2 ** 10;
const MIB = 2 ** 20;

/** Index 0 is level 1. */
export const LEVELS: readonly Level[] = [
  { mode: 'mixing-fast', plain: 'mixing-fast', bytesPerStream: 64 * KIB, blockSize: 4 * MIB },
  { mode: 'mixing-fast', plain: 'mixing-fast', bytesPerStream: 64 * KIB, blockSize: 16 * MIB },
  { mode: 'mixing-full', plain: 'mixing-full', bytesPerStream: 64 * KIB, blockSize: 16 * MIB },
  { mode: 'network-mixing-fast', plain: 'mixing-fast', bytesPerStream: 32 * KIB, blockSize: 4 * MIB },
  { mode: 'network-mixing-fast', plain: 'mixing-full', bytesPerStream: 64 * KIB, blockSize: 16 * MIB },
  { mode: 'network-mixing-full', plain: 'mixing-full', bytesPerStream: 64 * KIB, blockSize: 16 * MIB },
  { mode: 'network-mixing-full', plain: 'mixing-full', bytesPerStream: 128 * KIB, blockSize: 16 * MIB },
  { mode: 'network-mixing-full', plain: 'mixing-full', bytesPerStream: 256 * KIB, blockSize: 16 * MIB },
  { mode: 'network-mixing-full', plain: 'mixing-full', bytesPerStream: 512 * KIB, blockSize: 32 * MIB },
];

/** The level where none is named: the smallest files that a laptop makes at a sensible speed. */
export const DEFAULT_LEVEL = 6;

export const MAX_LEVEL = LEVELS.length;

/** @param level 1 to 9 */
export const levelSettings = (level = DEFAULT_LEVEL): Level => LEVELS[level - 1];
