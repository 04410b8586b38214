/** @file The corrector: its integers against float64, its bounds, its two copies. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
// @ts-expect-error a script without types
import { HEADER, header } from '../../../scripts/corrector-weights.mjs';
import corrector from '../../../src/engines/reference/corrector.json' with { type: 'json' };
import { mixingExamples } from '../../../src/engines/reference/mixer.js';
import {
  correction,
  type Example,
  largestSum,
  Trust,
} from '../../../src/engines/reference/mixer-corrector.js';
import { generator } from '../../helpers/generator.js';

const { logits: LOGITS, inputs, categories: COUNTS, units } = corrector;
const [units1, units2] = units as [number, number];
const bytes = Buffer.from(corrector.weights, 'base64');
const weights = Float64Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readInt16LE(2 * i) / 2048);

/** Bounds of a correction. */
const MOST = 2047;

/** The same network in float64, in nats. */
function inFloats([x, values]: Example): number {
  let taken = 0;
  const layer = (rows: number, columns: number) =>
    Array.from({ length: rows }, () => {
      taken += columns;
      return weights.subarray(taken - columns, taken);
    });
  const first = layer(inputs, units1);
  const categories = COUNTS.map((count) => layer(count, units1));
  const second = layer(units1, units2);
  const [bias, last, lastBias] = [...layer(2, units2), ...layer(1, 1)] as [
    Float64Array,
    Float64Array,
    Float64Array,
  ];
  const unit = (sum: number) => Math.min(Math.max(sum, 0), 8191 / 256);
  const hidden = Array.from({ length: units1 }, (_, j) => {
    const given = x.reduce((sum, value, i) => sum + (value / 256) * first[i]![j]!, 0);
    return unit(values.reduce((sum, value, k) => sum + categories[k]![value]![j]!, given));
  });
  const next = Array.from({ length: units2 }, (_, j) =>
    unit(hidden.reduce((sum, value, i) => sum + value * second[i]![j]!, bias[j]!)),
  );
  const sum = next.reduce((all, value, j) => all + value * last[j]!, lastBias[0]!);
  return Math.min(Math.max(sum, -MOST / 256), MOST / 256);
}

/** Inputs and categories: what a text has, or anything. */
function examplesOf(kind: 'text' | 'any'): Example[] {
  const examples: Example[] = [];
  if (kind === 'text') {
    const text = Buffer.from(
      'The tide was out; the boats lay on the sand. "When is it in?" asked Ida.\n'.repeat(2),
    );
    mixingExamples(text, undefined, (logits, values) => examples.push([logits, values]));
  } else {
    const next = generator(5);
    for (let i = 0; i < 300; i++)
      examples.push([
        Array.from({ length: inputs }, (_, k) => {
          const most = k < LOGITS ? 3071 : 512;
          return i % 3 ? (next() % (2 * most + 1)) - most : next() % 2 ? most : -most;
        }),
        COUNTS.map((count) => next() % count),
      ]);
  }
  return examples;
}

describe('the corrector', () => {
  it.each(['text', 'any'] as const)('is the network of its weights, but for rounding: %s', (kind) => {
    const examples = examplesOf(kind);
    expect(examples.length).toBeGreaterThan(200);
    for (const example of examples) {
      // units are cut off to Q8: each by less than one, times the weights that read it
      expect(Math.abs(correction(...example) / 256 - inFloats(example))).toBeLessThan(0.15);
    }
  });

  it('has no sum that leaves an int32', () => {
    expect(largestSum()).toBeLessThan(2 ** 31);
  });

  it('has the weights in C++ that it has here (node scripts/corrector-weights.mjs)', () => {
    expect(readFileSync(HEADER, 'utf8')).toBe(header());
  });

  it('moves predictions of a text towards what comes', () => {
    const text = Buffer.from(
      'name,place,height\nElsa,Bergen,1034\nOlav,Narvik,877\nElsa,Narvik,902\nIda,Bergen,1188\n'.repeat(3),
    );
    const cost = (logit: number, bit: number) => Math.log2(1 + Math.exp(bit ? -logit : logit));
    let [before, after] = [0, 0];
    mixingExamples(text, undefined, (logits, values, bit) => {
      before += cost(logits[0]! / 256, bit);
      after += cost((logits[0]! + correction(logits, values)) / 256, bit);
    });
    expect(after).toBeLessThan(before);
  });
});

describe('trust in the corrector', () => {
  const taught = (sign: number, times: number, trust = new Trust()) => {
    for (let i = 0; i < times; i++) trust.update(sign * 65536, MOST);
    return trust;
  };

  it('takes a correction as it is before anything is known', () => {
    for (const c of [-MOST, -1, 0, 1, 300, MOST]) expect(new Trust().shareOf(c)).toBe(c);
  });

  it('falls to nothing where corrections are wrong, and no lower', () => {
    const trust = taught(-1, 1000);
    for (const c of [-MOST, MOST]) expect(trust.shareOf(c)).toBe(0);
    expect(taught(1, 20, trust).shareOf(MOST)).toBeGreaterThan(0);
  });

  it('doubles them where they are too small, and no more', () => {
    const trust = taught(1, 1000);
    for (const c of [-MOST, MOST]) expect(trust.shareOf(c)).toBe(2 * c);
    expect(taught(-1, 20, trust).shareOf(MOST)).toBeLessThan(2 * MOST);
  });

  it('goes the same way whatever the sign of the correction', () => {
    const [up, down] = [new Trust(), new Trust()];
    for (let i = 0; i < 50; i++) {
      up.update(20_000, 100);
      down.update(-20_000, -100);
    }
    expect(up.shareOf(1000)).toBe(down.shareOf(1000));
    expect(up.shareOf(1000)).toBeGreaterThan(1000);
  });
});
