/** @file How much memory coding takes, known before any of it is allocated. */
import type { Engine, MixKernels, StreamKernels } from '../../engines/engine.js';
import { ShacompError } from '../../errors.js';
import { humanBytes } from '../../format-bytes.js';
import { type Architecture, SYMBOLS } from '../../model/architecture.js';
import type { CodedMode } from './modes.js';
import { BATCH_SYMBOLS } from './predict.js';

/** Bytes of a step's frequencies, for each stream. */
const FREQUENCIES = 4 * SYMBOLS;

/** Bytes that one stream more takes where there are many: its state in the network, and its frequencies. */
export function streamMemory(engine: Engine, architecture: Architecture): number {
  const few = 1024;
  return (engine.memory(architecture, 2 * few) - engine.memory(architecture, few)) / few + FREQUENCIES;
}

/** What a block asks of the machine. */
export interface BlockDemand {
  /** bytes that it codes */
  length: number;
  /** original bytes, if there are copies beside; those that it codes by default */
  expanded?: number;
  /** bytes of payload; the block's length if not known yet */
  codedLength: number;
  streams: number;
  /** undefined for stored blocks */
  mode?: CodedMode;
  /** bytes of the open network, as its engine says; undefined in modes without one */
  network?: number;
  /** undefined in modes without mixing */
  mixing?: MixKernels;
  /** of the engine, where it has them */
  kernels?: StreamKernels;
}

/**
 * Bytes needed to decode (or, with batches of frequencies, encode) a block beside the model itself: network,
 * frequencies, payload (of which mixing has a copy), mixing tables, and the block twice, in coding order and
 * in its own.
 */
export function blockMemory(block: BlockDemand, encoding = false): number {
  const { length, codedLength, streams, mode, network = 0 } = block;
  const { expanded = length, ...coded } = block;
  if (expanded > length) return blockMemory(coded, encoding) + expanded;
  if (!mode) return codedLength + length;
  const payload = mode.profile ? 2 * codedLength : codedLength;
  const rows = encoding ? Math.max(BATCH_SYMBOLS, streams) : streams;
  const frequencies = mode.network ? rows * FREQUENCIES : 0;
  const kernels = mode.profile ? 0 : (block.kernels?.streamBytes(length, streams) ?? 0);
  return payload + 2 * length + streams + network + frequencies + mode.memory(block) + kernels;
}

/** @throws ShacompError ERR_MEMORY_LIMIT if `needed` bytes are more than allowed */
export function checkMemory(needed: number, limit: number | undefined, advice = 'raise the limit'): void {
  if (limit !== undefined && needed > limit)
    throw new ShacompError(
      'ERR_MEMORY_LIMIT',
      `needs ${humanBytes(needed)} of memory, the limit is ${humanBytes(limit)}: ${advice}`,
    );
}
