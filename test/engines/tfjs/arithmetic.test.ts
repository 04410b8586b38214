import { afterAll, describe, expect, it } from 'vitest';
import * as exact from '../../../src/engines/reference/fixed-point.js';
import { Arithmetic } from '../../../src/engines/tfjs/arithmetic.js';
import type { Tensor } from '../../../src/engines/tfjs/tensorflow.js';
import { randomSource } from '../../helpers/random-model.js';
import { tensors, tf, tfjsOn } from '../../helpers/tensorflow.js';

(await tfjsOn('wasm')).close();
const before = tensors();
const arithmetic = new Arithmetic(tf);
const random = randomSource(1);

/** Numbers up to a limit: the ends, what is near to powers of two, and any. */
const numbers = (limit: number, count: number): number[] => {
  const near = [];
  for (let power = 1; power <= limit; power *= 2)
    for (const x of [power - 1, power, power + 1]) if (x <= limit) near.push(x, -x);
  const any = Array.from({ length: count }, () => Math.round((2 * random() - 1) * limit));
  return [limit, -limit, ...near, ...any];
};
const whole = (values: readonly number[]) => tf.tensor(Float32Array.from(values), [values.length], 'float32');
const valuesOf = (make: () => Tensor): number[] => {
  const tensor = tf.tidy(make);
  const values = Array.from(tensor.dataSync(), (x) => x + 0);
  tensor.dispose();
  return values;
};
/** Digits as the tables of the engine have them. */
const digits = (values: readonly number[]) => ({
  sum: whole(values.map((x) => x / 128)),
  high: whole(values.map((x) => x >> 7)),
  low: whole(values.map((x) => (x & 127) / 128)),
});

afterAll(() => {
  arithmetic.close();
  expect(tensors()).toBe(before);
});

describe('arithmetic on tensors is that of the specification', () => {
  const products = numbers(2 ** 24, 3000);
  const multipliers = products.map(
    (_, i) => [32767, 0, 1, 16384, 128, 127][i % 12] ?? Math.floor(random() * 32768),
  );

  it.each(Array.from({ length: 23 }, (_, i) => 9 + i))('scale, shift %i', (shift) => {
    const terms = tf.tidy(() => {
      const m = arithmetic.multiplier(multipliers, shift);
      const scaled = arithmetic.scale(whole(products.map((a) => a / 256)), m);
      for (const part of [m.whole, m.high, m.low]) part.dispose();
      return scaled;
    });
    expect(terms.length).toBe(shift > 15 ? 1 : 2);
    const values = terms.map((term) => Array.from(term.dataSync()));
    for (const term of terms) term.dispose();
    const sums = products.map((_, i) => values.reduce((sum, of) => sum + of[i], 0));
    expect(sums).toEqual(products.map((a, i) => exact.scale(a, multipliers[i], shift)));
  });

  it('sums that cancel out of large terms, saturated', () => {
    // what scale gives at most, and a bias, so that the sum is near to an int16
    const rows = products.map((x, i) => {
      const large = x * 64;
      const low = Math.round((2 * random() - 1) * 2 ** 23);
      const target = Math.round((2 * random() - 1) * 40000);
      const rest = target - low;
      const bias = Math.max(1 - 2 ** 24, Math.min(2 ** 24 - 1, rest));
      return i % 2 === 0 ? [large, low, -large, bias] : [large, low, -Math.sign(large) * 2 ** 29, bias];
    });
    const sums = valuesOf(() => {
      const terms = [0, 1, 2, 3].map((k) => whole(rows.map((row) => row[k])));
      return arithmetic.saturated(terms, false);
    });
    expect(sums).toEqual(rows.map((row) => exact.sat16(row.reduce((a, b) => a + b)) + 0));
    expect(new Set(sums).size).toBeGreaterThan(1000);
  });

  it('mul15 and the cell', () => {
    const factors = numbers(32767, 3000).map(Math.abs);
    const others = numbers(32767, 3000).slice(0, factors.length).reverse();
    expect(valuesOf(() => arithmetic.mul15(digits(factors), whole(others)))).toEqual(
      factors.map((a, i) => exact.mul15(a, others[i])),
    );
    const cells = numbers(2 ** 24 - 1, 3000);
    const gates = cells.map((_, i) => factors[i % factors.length]);
    expect(valuesOf(() => arithmetic.scaleCell(whole(cells), digits(gates)))).toEqual(
      cells.map((c, i) => exact.scale(c, gates[i], 15)),
    );
  });

  it('tables of every int16', () => {
    const every = Array.from({ length: 65535 }, (_, i) => i - 32767);
    const index = tf.tidy(() => arithmetic.index(whole(every)));
    expect(valuesOf(() => arithmetic.tanh(index))).toEqual(every.map((x) => exact.tanh16(x) + 0));
    expect(valuesOf(() => arithmetic.gelu(index))).toEqual(every.map((x) => exact.gelu(x)));
    const { sum, high, low } = arithmetic.sigmoid(index);
    const [sums, highs, lows] = [sum, high, low].map((tensor) => tensor.dataSync());
    expect(Array.from(sums, (x) => 128 * x)).toEqual(every.map(exact.sigmoid16));
    expect(Array.from(highs)).toEqual(every.map((x) => exact.sigmoid16(x) >> 7));
    expect(every.map((_, i) => highs[i] + lows[i])).toEqual(Array.from(sums));
    for (const tensor of [index, sum, high, low]) tensor.dispose();
  });

  it.each([9, 15, 16, 19, 24, 31])('attention weights, shift %i', (shift) => {
    const scores = numbers(1024 * 127 * 127, 500);
    const best = Math.max(...scores);
    const score = arithmetic.multiplier([32767], shift);
    const weights = valuesOf(() =>
      arithmetic.weights(tf.tensor(Float32Array.from(scores), [1, scores.length], 'float32'), score),
    );
    for (const part of [score.whole, score.high, score.low]) part.dispose();
    expect(scores.map((_, i) => 16 * weights[2 * i] + weights[2 * i + 1])).toEqual(
      scores.map((x) => exact.attentionWeight(exact.scale(Math.min(best - x, 2 ** 24 - 1), 32767, shift))),
    );
  });
});
