/**
 * @file The corrector: a small network of constant weights that has learned, from other files, what the full
 * profile's logits are worth (docs/mixing.md). Fitted by training/torch/corrector.py.
 */
import corrector from './corrector.json' with { type: 'json' };
import { LOGIT_MAX } from './mixer-tables.js';

/**
 * The categories have a row of weights per value: class of the last byte; the bit's index * 8 + how many
 * orders know the context; how many runs agree; class and bit of the longest match, 0 without one; age of the
 * stream, bits of its length so far; the network's uncertainty, 0 without one.
 */
const { inputs, categories, units } = corrector;

const weights = new Int16Array(Uint8Array.from(atob(corrector.weights), (c) => c.charCodeAt(0)).buffer);
let taken = 0;
function take(rows: number): Int16Array {
  const begin = taken;
  taken += rows * units;
  return weights.subarray(begin, taken);
}

const first = take(inputs); // [inputs][units] Q11
const category = take(categories.reduce((a, b) => a + b, 0)); // [values][units] Q11
const second = take(units); // [units][units] Q11, from the first layer's unit to the second's
const secondBias = take(1); // Q11
const last = take(1); // Q11
const lastBias = weights[taken]!; // Q11

/** What the corrector sees of one bit: logits Q8 and values of the categories. */
export type Example = [logits: readonly number[], values: readonly number[]];

/** Is shown what the corrector sees of a bit, and the bit. */
export type SeeExample = (...example: [...Example, bit: number]) => void;

/** A unit's value Q8, from 0 to just below 32, of its sum Q19. */
const unit = (sum: number): number => Math.min(Math.max(sum >> 11, 0), 8191);

/** sums[j] += x * row[j] */
function add(sums: Int32Array, row: Int16Array, index: number, x: number): void {
  for (let j = 0; j < units; j++) sums[j]! += row[index * units + j]! * x;
}

/**
 * What is to be added to the logit of the final prediction, Q8.
 * @param logits of the prediction, of what it was made of, and the network's; Q8
 * @param values of the categories, in their order
 */
export function correction(logits: readonly number[], values: readonly number[]): number {
  const sums = new Int32Array(units);
  let row = 0;
  categories.forEach((count, k) => {
    add(sums, category, row + Math.min(values[k]!, count - 1), 256);
    row += count;
  });
  for (const [i, x] of logits.entries()) add(sums, first, i, x);
  const next = new Int32Array(units);
  add(next, secondBias, 0, 256);
  for (const [i, sum] of sums.entries()) add(next, second, i, unit(sum));
  const total = next.reduce((all, sum, j) => all + last[j]! * unit(sum), lastBias * 256);
  return (total + 1024) >> 11;
}

/**
 * The largest magnitude that a sum of the corrector can have, whatever its inputs: below 2^31, or engines
 * would differ.
 */
export function largestSum(): number {
  let largest = 0;
  const magnitude = (row: Int16Array, index: number, j: number) => Math.abs(row[index * units + j]!);
  for (let j = 0; j < units; j++) {
    let sum = 0;
    let begin = 0;
    for (const count of categories) {
      sum += 256 * Math.max(...Array.from({ length: count }, (_, i) => magnitude(category, begin + i, j)));
      begin += count;
    }
    for (let i = 0; i < inputs; i++) sum += LOGIT_MAX * magnitude(first, i, j);
    let next = 256 * magnitude(secondBias, 0, j);
    for (let i = 0; i < units; i++) next += 8191 * magnitude(second, i, j);
    largest = Math.max(largest, sum, next);
  }
  return Math.max(
    largest,
    last.reduce((sum, w) => sum + 8191 * Math.abs(w), 256 * Math.abs(lastBias) + 1024),
  );
}
