/** @file The corrector: its integers against float64, its bounds, its two copies. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
// @ts-expect-error a script without types
import { HEADER, header } from '../../../scripts/corrector-weights.mjs';
import corrector from '../../../src/engines/reference/corrector.json' with { type: 'json' };
import { mixingExamples } from '../../../src/engines/reference/mixer.js';
import { correction, type Example, largestSum } from '../../../src/engines/reference/mixer-corrector.js';
import { generator } from '../../helpers/generator.js';

const { inputs, categories: COUNTS, units } = corrector;
const bytes = Buffer.from(corrector.weights, 'base64');
const weights = Float64Array.from({ length: bytes.length / 2 }, (_, i) => bytes.readInt16LE(2 * i) / 2048);

/** The same network in float64, in nats. */
function inFloats([logits, values]: Example): number {
  const rows = inputs + COUNTS.reduce((a, b) => a + b);
  const row = (i: number) => weights.subarray(i * units, (i + 1) * units);
  const unit = (sum: number) => Math.min(Math.max(sum, 0), 8191 / 256);
  const starts = COUNTS.map((_, k) => inputs + COUNTS.slice(0, k).reduce((a, b) => a + b, 0));
  const hidden = Array.from({ length: units }, (_, j) => {
    const given = logits.reduce((sum, x, i) => sum + (x / 256) * row(i)[j]!, 0);
    return unit(values.reduce((sum, value, k) => sum + row(starts[k]! + value)[j]!, given));
  });
  const [second, bias, last] = [rows, rows + units, rows + units + 1];
  const next = hidden.map((_, j) =>
    unit(hidden.reduce((sum, x, i) => sum + x * row(second + i)[j]!, row(bias)[j]!)),
  );
  return next.reduce((sum, x, j) => sum + x * row(last)[j]!, weights.at(-1)!);
}

/** Logits and categories: what a text has, or anything. */
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
        Array.from({ length: inputs }, () => (i % 3 ? (next() % 6143) - 3071 : next() % 2 ? 3071 : -3071)),
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
