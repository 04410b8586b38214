import { describe, expect, it } from 'vitest';
import { type Architecture, elements, parameters, SYMBOLS } from '../../src/model/architecture.js';
import {
  type FloatState,
  forward,
  forwardBackward,
  initialState,
  type Segment,
} from '../../src/trainer/float-reference.js';
import { randomSource } from '../helpers/random-model.js';

const arch: Architecture = { width: 8, layers: 3, boom: 2, window: 7, attention: [0, 2] };

function randomParameters(seed: number): Map<string, Float64Array> {
  const random = randomSource(seed);
  return new Map(
    parameters(arch).map((p) => [
      p.name,
      Float64Array.from({ length: elements(p.shape) }, () => {
        const centre = p.name.includes('norm') && p.name.endsWith('weight') ? 1 : 0;
        return centre + (random() - 0.5) * 1.2;
      }),
    ]),
  );
}

/** Few symbols, so that embedding rows are used several times. */
function randomSegment(seed: number, B: number, T: number, resets?: number[]): Segment {
  const random = randomSource(seed);
  const bytes = () => Uint8Array.from({ length: B * T }, () => Math.floor(random() * 5));
  return { B, T, inputs: bytes(), targets: bytes(), resets };
}

/** Steps t0 to t1 of a segment. */
const slice = (s: Segment, t0: number, t1: number): Segment => ({
  B: s.B,
  T: t1 - t0,
  inputs: s.inputs.subarray(t0 * s.B, t1 * s.B),
  targets: s.targets.subarray(t0 * s.B, t1 * s.B),
});

const largestDifference = (a: Float64Array, b: Float64Array) =>
  a.reduce((max, v, k) => Math.max(max, Math.abs(v - b[k])), 0);

describe('float reference', () => {
  const params = randomParameters(1);
  const first = forward(arch, params, randomSegment(2, 3, 5), initialState(arch, 3));

  // The second segment starts from a carried state and resets one sequence. With T = 5 and a window of 7 the
  // window ends inside the segment if all is carried, and never does if window - T positions are.
  describe.each([
    ['carrying window - 1 positions', arch.window - 1],
    ['carrying window - T positions', arch.window - 5],
    ['carrying nothing', 0],
  ])('%s', (_, carry) => {
    const segment = randomSegment(3, 3, 5, [0, 1, 0]);
    const { gradients, loss } = forwardBackward(arch, params, segment, first.state, carry);
    const lossWith = (name: string, change: (v: number, k: number) => number) => {
      const changed = new Map(params).set(name, (params.get(name) as Float64Array).map(change));
      return forward(arch, changed, segment, first.state, carry).loss;
    };

    it('gives the same loss with and without gradients', () => {
      expect(forward(arch, params, segment, first.state, carry).loss).toBe(loss);
      expect(loss).toBeGreaterThan(0);
    });

    it.each(parameters(arch).map((p) => p.name))('differentiates %s', (name) => {
      const gradient = gradients.get(name) as Float64Array;
      const random = randomSource(4);
      const step = 1e-5;
      const directions: Float64Array[] = [gradient.map(() => (random() < 0.5 ? 1 : -1))];
      for (let n = 0; n < 3; n++) {
        const at = Math.floor(random() * gradient.length);
        directions.push(gradient.map((_, k) => (k === at ? 1 : 0)));
      }
      for (const direction of directions) {
        const analytic = gradient.reduce((s, g, k) => s + g * direction[k], 0);
        const numeric =
          (lossWith(name, (v, k) => v + step * direction[k]) -
            lossWith(name, (v, k) => v - step * direction[k])) /
          (2 * step);
        expect(Math.abs(analytic - numeric)).toBeLessThan(1e-7 + 1e-6 * Math.abs(analytic));
      }
      expect(gradient.some((g) => g !== 0)).toBe(true);
    });
  });

  it('computes the same in two segments as in one', () => {
    const whole = randomSegment(5, 2, 20);
    const one = forward(arch, params, whole, initialState(arch, 2));
    const a = forward(arch, params, slice(whole, 0, 12), initialState(arch, 2));
    const b = forward(arch, params, slice(whole, 12, 20), a.state);
    const two = Float64Array.of(...a.logits, ...b.logits);
    expect(largestDifference(one.logits, two)).toBeLessThan(1e-12);
    expect(0.6 * a.loss + 0.4 * b.loss).toBeCloseTo(one.loss, 10);
  });

  it('keeps sequences apart', () => {
    const segment = randomSegment(6, 3, 5);
    const together = forward(arch, params, segment, first.state);
    for (let b = 0; b < 3; b++) {
      const own = (x: Uint8Array) => x.filter((_, k) => k % 3 === b);
      const alone = forward(
        arch,
        params,
        { B: 1, T: 5, inputs: own(segment.inputs), targets: own(segment.targets) },
        [first.state[b]],
      );
      const logits = together.logits.filter((_, k) => Math.floor(k / SYMBOLS) % 3 === b);
      expect(largestDifference(alone.logits, logits)).toBe(0);
    }
  });

  it('resets a sequence to the cold state and leaves the others alone', () => {
    const segment = randomSegment(7, 3, 5);
    const run = (state: FloatState, resets?: number[]) =>
      forward(arch, params, { ...segment, resets }, state).logits;
    const mixed: FloatState = [first.state[0], initialState(arch, 1)[0], first.state[2]];
    expect(largestDifference(run(first.state, [0, 1, 0]), run(mixed))).toBe(0);
    expect(largestDifference(run(first.state, [0, 1, 0]), run(first.state))).toBeGreaterThan(1e-3);
  });

  it('keeps at most the positions that it is told to carry', () => {
    const segment = randomSegment(8, 1, 5);
    const lengths = (carry?: number) =>
      forward(arch, params, segment, [first.state[0]], carry).state[0].map((layer) => layer.memory.length);
    expect(lengths()).toEqual([6, 0, 6]);
    expect(lengths(2)).toEqual([2, 0, 2]);
    expect(lengths(0)).toEqual([0, 0, 0]);
  });
});
