/** @file How a block is cut into streams that advance together, one byte each per step. */
import { INITIAL_BYTE } from '../../model/architecture.js';

/** Number of steps in which `streams` streams hold `length` bytes. */
export function stepCount(length: number, streams: number): number {
  return Math.ceil(length / streams);
}

/** Where stream k begins: slices are contiguous, their lengths differ by at most 1 and the longer ones come first. */
function streamStart(length: number, streams: number, k: number): number {
  return k * Math.floor(length / streams) + Math.min(k, length % streams);
}

/**
 * A block in coding order: `steps + 1` rows of one byte per stream. Row 0 is what the streams are fed first
 * (INITIAL_BYTE), row t + 1 holds their bytes t; streams without a byte in the last row have INITIAL_BYTE there.
 * So rows [a, b) are the network's input while rows [a + 1, b + 1) are coded.
 */
export function interleave(block: Uint8Array, streams: number): Uint8Array {
  const steps = stepCount(block.length, streams);
  const rows = new Uint8Array((steps + 1) * streams).fill(INITIAL_BYTE);
  for (let k = 0; k < streams; k++) {
    const start = streamStart(block.length, streams, k);
    const end = streamStart(block.length, streams, k + 1);
    for (let i = start, to = streams + k; i < end; i++, to += streams) rows[to] = block[i];
  }
  return rows;
}

/** The block of `length` bytes whose symbols in coding order (no row 0) are `symbols`. */
export function deinterleave(symbols: Uint8Array, length: number, streams: number): Uint8Array<ArrayBuffer> {
  if (streams === 1) return symbols.slice(0, length);
  const block = new Uint8Array(length);
  for (let k = 0; k < streams; k++) {
    const start = streamStart(length, streams, k);
    const end = streamStart(length, streams, k + 1);
    for (let i = start, from = k; i < end; i++, from += streams) block[i] = symbols[from];
  }
  return block;
}
