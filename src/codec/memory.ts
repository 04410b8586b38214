/** @file How much memory coding takes, known before any of it is allocated. */
import { ShacompError } from '../errors.js';
import { humanBytes } from '../human-bytes.js';
import type { Architecture } from '../model/architecture.js';
import { BATCH_SYMBOLS } from './block.js';
import type { MixKernels } from './mixing/kernels.js';
import type { CodedMode } from './modes.js';

/** Bytes of state that one stream of a network needs, its working vectors and frequencies included. */
export function streamMemory(a: Architecture): number {
  const d = a.width;
  const state = a.layers * (4 * d + d) + a.attention.length * a.window * d;
  // gates and boom outputs in 32 bits are the largest of the working vectors; scores and weights of attention
  const work = 4 * Math.max(4, a.boom) * d + 8 * d + (a.attention.length > 0 ? 5 * a.window : 0);
  return state + work + 4 * 256;
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
  const streams = block.architecture ? block.streams * streamMemory(block.architecture) : 0;
  const batch = encoding && block.mode.network ? 4 * 256 * Math.max(BATCH_SYMBOLS, block.streams) : 0;
  return buffers + block.length + streams + batch + block.mode.memory(block);
}

/** @throws ShacompError ERR_MEMORY_LIMIT if `needed` bytes are more than allowed */
export function checkMemory(needed: number, limit: number | undefined, advice = 'raise the limit'): void {
  if (limit !== undefined && needed > limit)
    throw new ShacompError(
      'ERR_MEMORY_LIMIT',
      `needs ${humanBytes(needed)} of memory, the limit is ${humanBytes(limit)}: ${advice}`,
    );
}
