/** @file How much memory coding takes, known before any of it is allocated. */
import type { MixKernels } from '../../engines/engine.js';
import { ShacompError } from '../../errors.js';
import { humanBytes } from '../../format-bytes.js';
import type { Architecture } from '../../model/architecture.js';
import type { CodedMode } from './modes.js';
import { BATCH_SYMBOLS } from './predict.js';

/** Rows of working vectors beside those of the streams: native engines keep 64 for each thread. Two threads are counted. */
const WORKING_ROWS = 128;

/** Bytes of the working vectors of one row: gates and boom outputs in 32 bits are the largest; scores and weights of attention. */
const rowMemory = ({ width: d, boom, attention, window }: Architecture): number =>
  4 * Math.max(4, boom) * d + 8 * d + (attention.length > 0 ? 5 * window : 0);

/** Bytes of state that one stream of a network needs, its working vectors and frequencies included. */
export function streamMemory(a: Architecture): number {
  const state = a.layers * 5 * a.width + a.attention.length * a.window * a.width;
  return state + rowMemory(a) + 4 * 256;
}

/** What a block asks of the machine. */
export interface BlockDemand {
  /** original bytes */
  length: number;
  /** bytes of payload; the block's length if not known yet */
  codedLength: number;
  streams: number;
  /** undefined for stored blocks */
  mode?: CodedMode;
  /** undefined in modes without a network */
  architecture?: Architecture;
  /** undefined in modes without mixing */
  mixing?: MixKernels;
}

/**
 * Bytes needed to decode (or, with batches of frequencies, encode) a block beside the model itself: streams, payload,
 * mixing tables, and the block twice, in coding order and in its own.
 */
export function blockMemory(block: BlockDemand, encoding = false): number {
  const buffers = block.codedLength + block.length;
  if (!block.mode) return buffers;
  const a = block.architecture;
  const network = a ? block.streams * streamMemory(a) + WORKING_ROWS * rowMemory(a) : 0;
  const batch = encoding && block.mode.network ? 4 * 256 * Math.max(BATCH_SYMBOLS, block.streams) : 0;
  return buffers + block.length + network + batch + block.mode.memory(block);
}

/** @throws ShacompError ERR_MEMORY_LIMIT if `needed` bytes are more than allowed */
export function checkMemory(needed: number, limit: number | undefined, advice = 'raise the limit'): void {
  if (limit !== undefined && needed > limit)
    throw new ShacompError(
      'ERR_MEMORY_LIMIT',
      `needs ${humanBytes(needed)} of memory, the limit is ${humanBytes(limit)}: ${advice}`,
    );
}
