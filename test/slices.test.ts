import { expect, it } from 'vitest';
import { codingRows, placeSymbols, stepCount, streamLengths, streamStart } from '../src/slices.js';

it.each([
  [10, 3],
  [9, 3],
  [1, 1],
  [5, 5],
  [4097, 64],
])('a block of %i bytes in %i streams: lengths, starts and rows say the same', (length, streams) => {
  const lengths = streamLengths(length, streams);
  expect(lengths).toHaveLength(streams);
  expect(lengths.reduce((sum, n) => sum + n)).toBe(length);
  expect(lengths[0]).toBe(stepCount(length, streams));
  expect([...lengths].sort((a, b) => b - a)).toEqual(lengths);
  expect(lengths[0] - lengths[streams - 1]).toBeLessThan(2);
  let at = 0;
  for (const [k, n] of lengths.entries()) {
    expect(streamStart(length, streams, k)).toBe(at);
    at += n;
  }
  // portions of rows, put back, are the block
  const block = Uint8Array.from({ length }, (_, i) => i);
  const back = new Uint8Array(length);
  for (let step = 0; step < lengths[0]; step += 2) {
    const rows = codingRows(block, streams, step + 1, Math.min(step + 2, lengths[0]));
    placeSymbols(back, streams, rows.subarray(0, length - step * streams), step);
  }
  expect(back).toEqual(block);
});
