/**
 * @file The corrector: a small network of constant weights that has learned, from other files, what the full
 * profile's inputs and logits are worth (docs/mixing.md). Fitted by training/torch/corrector.py.
 */
import corrector from './corrector.json' with { type: 'json' };
import { LOGIT_MAX } from './mixer-tables.js';

/** Largest magnitude of 4 (p - 1/2), Q8. */
const LEAN_MAX = 512;

/**
 * The inputs are `logits` logits Q8 and then of every context's history 4 (p - 1/2), Q8, p the probability of
 * a one, or 0 if there is none.
 *
 * The categories have a row of weights per value: class of the last byte; the bit's index * 8 + how many
 * orders know the context; how many runs agree; class and bit of the longest match, 0 without one; age of the
 * stream, bits of its length so far; the network's uncertainty, 0 without one.
 */
const { logits, inputs, categories } = corrector;
const [units1, units2] = corrector.units as [number, number];

const weights = new Int16Array(Uint8Array.from(atob(corrector.weights), (c) => c.charCodeAt(0)).buffer);

let taken = 0;
/** Weights of `units` units of one layer, Q11, a row per input. */
const layer = (rows: number, units: number): Int16Array[] =>
  Array.from({ length: rows }, () => {
    taken += units;
    return weights.subarray(taken - units, taken);
  });

// in the order of the weights
const first = layer(inputs, units1);
const category = layer(
  categories.reduce((a, b) => a + b, 0),
  units1,
);
const second = layer(units1, units2);
const [secondBias, last] = layer(2, units2) as [Int16Array, Int16Array];
const lastBias = weights[taken]!;

/**
 * What the corrector sees of one bit: logits and what the histories lean to, Q8; values of the categories.
 */
export type Example = [inputs: readonly number[], values: readonly number[]];

/** Is shown what the corrector sees of a bit, and the bit. */
export type SeeExample = (...example: [...Example, bit: number]) => void;

/** A unit's value Q8, from 0 to just below 32, of its sum Q19. */
const unit = (sum: number): number => Math.min(Math.max(sum >> 11, 0), 8191);

/** sums[j] += x * row[j] */
function add(sums: Int32Array, row: Int16Array, x: number): void {
  for (let j = 0; j < row.length; j++) sums[j]! += row[j]! * x;
}

/** Largest magnitude of a correction, Q8: near 8 nats. */
const MOST_CORRECTION = 2047;

/**
 * What is to be added to the logit of the final prediction, Q8, within ±2047.
 * @param x the inputs: logits of the prediction, of what it was made of, and the network's; then histories
 * @param values of the categories, in their order
 */
export function correction(x: readonly number[], values: readonly number[]): number {
  const sums = new Int32Array(units1);
  let begin = 0;
  categories.forEach((count, k) => {
    add(sums, category[begin + Math.min(values[k]!, count - 1)]!, 256);
    begin += count;
  });
  for (let i = 0; i < inputs; i++) add(sums, first[i]!, x[i]!);
  const next = new Int32Array(units2);
  add(next, secondBias, 256);
  for (let i = 0; i < units1; i++) add(next, second[i]!, unit(sums[i]!));
  const total = next.reduce((all, sum, j) => all + last[j]! * unit(sum), lastBias * 256);
  return Math.min(Math.max((total + 1024) >> 11, -MOST_CORRECTION), MOST_CORRECTION);
}

/**
 * How far this file bears the corrector out: a factor of its corrections, from 0 to 2, that follows the
 * gradient of the cost. At its end of 2^25 no product leaves an int32.
 */
export class Trust {
  #factor = 2 ** 24; // Q24

  /** What is added of a correction, Q8. */
  shareOf(correction: number): number {
    return (correction * (this.#factor >> 8) + 32768) >> 16;
  }

  /** @param error of the corrected prediction, Q16 */
  update(error: number, correction: number): void {
    const moved = this.#factor + ((error * correction) >> 7);
    this.#factor = Math.min(Math.max(moved, 0), 2 ** 25);
  }
}

/**
 * The largest magnitude that a sum of the corrector can have, whatever its inputs: below 2^31, or engines
 * would differ.
 */
export function largestSum(): number {
  let largest = 0;
  const magnitude = (rows: Int16Array[], i: number, j: number) => Math.abs(rows[i]![j]!);
  for (let j = 0; j < units1; j++) {
    let sum = 0;
    let begin = 0;
    for (const count of categories) {
      sum += 256 * Math.max(...Array.from({ length: count }, (_, i) => magnitude(category, begin + i, j)));
      begin += count;
    }
    for (let i = 0; i < inputs; i++) sum += (i < logits ? LOGIT_MAX : LEAN_MAX) * magnitude(first, i, j);
    largest = Math.max(largest, sum);
  }
  for (let j = 0; j < units2; j++) {
    let sum = 256 * Math.abs(secondBias[j]!);
    for (let i = 0; i < units1; i++) sum += 8191 * magnitude(second, i, j);
    largest = Math.max(largest, sum);
  }
  return Math.max(
    largest,
    last.reduce((sum, w) => sum + 8191 * Math.abs(w), 256 * Math.abs(lastBias) + 1024),
  );
}
