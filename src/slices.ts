/** @file How a block is cut into streams that advance together, one byte each per step. */
import { INITIAL_BYTE } from './model/architecture.js';

/** Number of steps in which `streams` streams hold `length` bytes. */
export function stepCount(length: number, streams: number): number {
  return Math.ceil(length / streams);
}

/**
 * Where stream k begins: slices are contiguous, their lengths differ by at most 1 and the longer ones come
 * first.
 */
export function streamStart(length: number, streams: number, k: number): number {
  return k * Math.floor(length / streams) + Math.min(k, length % streams);
}

/** Bytes of every stream: whoever codes a stream by itself asks for these. */
export const streamLengths = (length: number, streams: number): number[] =>
  Array.from(
    { length: streams },
    (_, k) => streamStart(length, streams, k + 1) - streamStart(length, streams, k),
  );

/**
 * Rows `from` to `to` (included) of a block in coding order, one byte per stream each. Row 0 is what the
 * streams are fed first (INITIAL_BYTE), row t + 1 holds their bytes t; streams without a byte in the last row
 * have INITIAL_BYTE there. So rows [a, b) are the network's input while rows [a + 1, b + 1) are coded.
 */
export function codingRows(block: Uint8Array, streams: number, from: number, to: number): Uint8Array {
  const rows = new Uint8Array((to - from + 1) * streams).fill(INITIAL_BYTE);
  const first = Math.max(1, from);
  for (let k = 0; k < streams; k++) {
    const start = streamStart(block.length, streams, k) + first - 1;
    const end = Math.min(streamStart(block.length, streams, k + 1), start + to - first + 1);
    for (let i = start, at = (first - from) * streams + k; i < end; i++, at += streams) rows[at] = block[i];
  }
  return rows;
}

/** All `steps + 1` rows of a block, as {@link codingRows} has them. */
export const interleave = (block: Uint8Array, streams: number): Uint8Array =>
  codingRows(block, streams, 0, stepCount(block.length, streams));

/** Puts symbols in coding order, whole steps from `step` on, where they belong in the block. */
export function placeSymbols(block: Uint8Array, streams: number, symbols: Uint8Array, step: number): void {
  if (streams === 1) {
    block.set(symbols, step);
    return;
  }
  for (let k = 0; k < streams; k++) {
    const start = streamStart(block.length, streams, k) + step;
    for (let i = start, at = k; at < symbols.length; i++, at += streams) block[i] = symbols[at];
  }
}
