/** The trained model that is shipped: its integer network beside the float network of the same weights. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { referenceEngine } from '../../src/engines/reference/engine.js';
import { SYMBOLS } from '../../src/model/architecture.js';
import { parseModel } from '../../src/model/sharnn.js';
import { dequantize } from '../../src/trainer/dequantize.js';
import { forward, initialState, inputsOf } from '../../src/trainer/float-reference.js';
import { divergence, normal } from '../helpers/divergence.js';

const file = (name: string) => new URL(`../../${name}`, import.meta.url);

describe('lite, computed with integers', () => {
  const model = parseModel(readFileSync(file('models/lite.sharnn')));
  const { arch, values } = dequantize(model);
  // more than the memory holds
  const text = new Uint8Array(readFileSync(file('LICENSE')).subarray(0, 2 * arch.window));
  const inputs = inputsOf(text);
  const T = text.length;
  const { logits } = forward(arch, values, { B: 1, T, inputs, targets: text }, initialState(arch, 1));
  const frequencies = new Uint32Array(T * SYMBOLS);
  referenceEngine.open(model, 1).run(inputs, T, frequencies);
  const steps = Array.from({ length: T }, (_, t) => {
    const row = [t * SYMBOLS, (t + 1) * SYMBOLS] as const;
    const float = normal(Array.from(logits.subarray(...row), Math.exp));
    const integer = normal(frequencies.subarray(...row));
    return {
      divergence: divergence(float, integer),
      float: -Math.log2(float[text[t]]),
      integer: -Math.log2(integer[text[t]]),
    };
  });
  const mean = (of: (step: (typeof steps)[number]) => number) => steps.reduce((sum, s) => sum + of(s), 0) / T;

  it('predicts what the float network does, at every step', () => {
    expect(mean((s) => s.float)).toBeLessThan(3);
    expect(Math.max(...steps.map((s) => s.divergence))).toBeLessThan(0.3);
    expect(mean((s) => s.divergence)).toBeLessThan(0.006);
  });

  it('costs no more where the memory is full than where it was empty', () => {
    const part = (from: number, to: number) =>
      steps.slice(from, to).reduce((sum, s) => sum + s.divergence, 0) / (to - from);
    expect(part(arch.window, T)).toBeLessThan(2 * part(0, 128) + 0.002);
  });

  it('codes the text in the same number of bits', () => {
    expect(Math.abs(mean((s) => s.integer) / mean((s) => s.float) - 1)).toBeLessThan(0.005);
  });
});
