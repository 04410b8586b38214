import { describe, expect, it } from 'vitest';
import { type Architecture, elements, parameters } from '../../src/model/architecture.js';
import { forward, initialState, type Segment } from '../../src/trainer/float-reference.js';
import { grow } from '../../src/trainer/grow.js';
import { randomSource } from '../helpers/random-model.js';

const small: Architecture = { width: 8, layers: 2, boom: 2, window: 6, attention: [0] };

function randomParameters(arch: Architecture, seed: number): Map<string, Float32Array> {
  const random = randomSource(seed);
  return new Map(
    parameters(arch).map((p) => [
      p.name,
      Float32Array.from({ length: elements(p.shape) }, () => {
        const centre = p.name.includes('norm') && p.name.endsWith('weight') ? 1 : 0;
        return centre + (random() - 0.5) * 1.2;
      }),
    ]),
  );
}

function randomSegment(seed: number, T: number): Segment {
  const random = randomSource(seed);
  const bytes = () => Uint8Array.from({ length: T }, () => Math.floor(random() * 256));
  return { B: 1, T, inputs: bytes(), targets: bytes() };
}

/** Largest difference between the logits of two networks over a text longer than both windows. */
function difference(
  a: Architecture,
  valuesOfA: Map<string, Float32Array>,
  b: Architecture,
  valuesOfB: Map<string, Float32Array>,
  T = 40,
): number {
  const segment = randomSegment(9, T);
  const x = forward(a, valuesOfA, segment, initialState(a, 1));
  const y = forward(b, valuesOfB, segment, initialState(b, 1));
  return x.logits.reduce((most, v, k) => Math.max(most, Math.abs(v - y.logits[k])), 0);
}

describe('growing a network', () => {
  const values = randomParameters(small, 1);

  it.each([16, 32, 64])('to width %i keeps its function', (width) => {
    const large = { ...small, width };
    const grown = grow(small, values, large);
    expect(difference(small, values, large, grown)).toBeLessThan(1e-5);
  });

  it('divides the weights between the copies of a unit unevenly', () => {
    const large = { ...small, width: 16 };
    const weight = grow(small, values, large).get('layers.1.lstm.weight_hh') as Float32Array;
    const old = values.get('layers.1.lstm.weight_hh') as Float32Array;
    for (let k = 0; k < 8; k++) {
      expect(weight[k] + weight[8 + k]).toBeCloseTo(old[k], 6);
      expect(weight[k]).not.toBe(weight[8 + k]);
      // the copies of the unit that reads are given other shares: they would stay equal otherwise
      expect(weight[k]).not.toBe(weight[8 * 16 + k]);
    }
  });

  it('is the same every time for one seed, and another division for another', () => {
    const large = { ...small, width: 16 };
    const name = 'layers.0.lstm.weight_ih';
    const first = grow(small, values, large, 1).get(name);
    expect(grow(small, values, large, 1).get(name)).toEqual(first);
    expect(grow(small, values, large, 2).get(name)).not.toEqual(first);
  });

  it('to a longer window keeps its function as far as the old window reaches', () => {
    const large = { ...small, window: 20 };
    const grown = grow(small, values, large);
    expect(difference(small, values, large, grown, small.window)).toBeLessThan(1e-5);
    expect(difference(small, values, large, grown, 20)).toBeGreaterThan(1e-3);
  });

  it.each<[string, Architecture]>([
    ['after the old ones', { ...small, layers: 3 }],
    ['before the old ones', { ...small, layers: 3, attention: [1] }],
    ['on both sides', { ...small, layers: 4, attention: [1] }],
    ['with attention', { ...small, layers: 3, attention: [0, 1] }],
  ])('adds layers that nearly pass their input on: %s', (_, large) => {
    const change = difference(small, values, large, grow(small, values, large));
    const random = difference(small, values, large, randomParameters(large, 2));
    expect(change).toBeLessThan(0.05 * random);
  });

  it.each<[string, Architecture]>([
    ['the second layer', { ...small, attention: [0, 1] }],
    ['it, a wider network and a deeper one', { ...small, width: 16, layers: 3, attention: [0, 1, 2] }],
  ])('adds attention that hardly says anything yet: %s', (_, large) => {
    const change = difference(small, values, large, grow(small, values, large));
    const random = difference(small, values, large, randomParameters(large, 2));
    expect(change).toBeLessThan(0.05 * random);
    expect(change).toBeGreaterThan(0);
  });

  it('computes the same to 1e-5 once new attention is shut', () => {
    const large = { ...small, attention: [0, 1] };
    const grown = grow(small, values, large);
    grown.get('layers.1.attention.gate_value')!.fill(-40);
    expect(difference(small, values, large, grown)).toBeLessThan(1e-5);
  });

  it.each<[string, Partial<Architecture>, RegExp]>([
    ['a width that is not doubled', { width: 24 }, /width is 8/],
    ['a smaller width', { width: 4 }, /width is 8/],
    ['a shorter window', { window: 5 }, /window is 6/],
    ['another boom factor', { boom: 4 }, /boom factor is 2/],
    ['fewer layers', { layers: 1 }, /layers are too many/],
    ['no attention', { attention: [] }, /have attention/],
  ])('is refused into %s', (_, change, message) => {
    expect(() => grow(small, values, { ...small, ...change })).toThrow(message);
  });
});
