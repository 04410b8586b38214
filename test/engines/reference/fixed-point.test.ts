import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  affine,
  attentionWeight,
  exp2neg,
  frequency,
  gelu,
  mul15,
  narrow,
  normalize,
  reciprocal,
  sat8,
  scale,
  sigmoid16,
  tanh16,
} from '../../../src/engines/reference/fixed-point.js';

const int16 = fc.integer({ min: -32767, max: 32767 });

describe('scale', () => {
  it('is the 64-bit product, rounded', () => {
    const a = fc.integer({ min: -(2 ** 24), max: 2 ** 24 });
    fc.assert(
      fc.property(a, fc.integer({ min: 0, max: 32767 }), fc.integer({ min: 9, max: 31 }), (x, m, s) => {
        const exact = (BigInt(x) * BigInt(m) + (1n << BigInt(s - 1))) >> BigInt(s);
        expect(scale(x, m, s)).toBe(Number(exact));
      }),
      { numRuns: 20000 },
    );
  });

  it('holds at the ends of its range', () => {
    for (const a of [-(2 ** 24), 2 ** 24, -1, 0, 65535, 65536, -65536])
      for (const m of [0, 1, 32767])
        for (let s = 9; s <= 31; s++)
          expect(scale(a, m, s)).toBe(Number((BigInt(a) * BigInt(m) + (1n << BigInt(s - 1))) >> BigInt(s)));
  });
});

describe('tanh16 and sigmoid16', () => {
  const all = Array.from({ length: 65535 }, (_, i) => i - 32767);
  const worst = (error: (x: number) => number) => all.reduce((w, x) => Math.max(w, Math.abs(error(x))), 0);

  it('are within a few units of the functions, for every argument', () => {
    expect(worst((x) => tanh16(x) - Math.tanh(x / 4096) * 32768)).toBeLessThan(6.1);
    expect(worst((x) => sigmoid16(x) - 32768 / (1 + Math.exp(-x / 2048)))).toBeLessThan(4.6);
  });

  it('stay within int16, in which vector engines compute, and tanh16 is odd', () => {
    expect(worst(tanh16)).toBeLessThanOrEqual(32767);
    expect(worst((x) => tanh16(x) + tanh16(-x))).toBe(0);
    expect(all.every((x) => sigmoid16(x) >= 0 && sigmoid16(x) <= 32767)).toBe(true);
  });
});

describe('powers of two', () => {
  it('are accurate over a whole octave', () => {
    const errors = Array.from({ length: 4096 }, (_, t) => Math.abs(exp2neg(t) - 2 ** (15 - t / 4096)));
    expect(Math.max(...errors)).toBeLessThan(5);
  });

  it('give weights 0..255 and frequencies 1..2^22 that never grow with the distance', () => {
    const distances = Array.from({ length: 25 * 4096 }, (_, t) => t);
    const weights = distances.map(attentionWeight);
    const frequencies = distances.map(frequency);
    // the cubic's error shows where one octave meets the next
    expect(weights.every((w, t) => t === 0 || w <= weights[t - 1] + 1)).toBe(true);
    expect(frequencies.every((f, t) => t === 0 || f <= frequencies[t - 1] + 128)).toBe(true);
    expect([weights[0], weights.at(-1)]).toEqual([255, 0]);
    expect([frequencies[0], frequencies.at(-1)]).toEqual([2 ** 22, 1]);
    expect(Math.min(...frequencies)).toBe(1);
    expect(attentionWeight(2 ** 30)).toBe(0);
    expect(frequency(2 ** 25)).toBe(1);
  });
});

describe('normalize', () => {
  const normalized = (x: ArrayLike<number>) => {
    const out = new Int16Array(x.length);
    normalize(x, out);
    return out;
  };

  it('is the layer norm, whatever the scale of its input', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(64, 192, 256, 1024),
        fc.integer({ min: 4, max: 15 }),
        fc.integer(),
        (d, bits, seed) => {
          const x = Int16Array.from(
            { length: d },
            (_, i) => (((Math.imul(i + 1, seed | 1) >>> 8) & 0xffff) - 32768) >> (16 - bits),
          );
          const mean = x.reduce((a, b) => a + b, 0) / d;
          const deviation = Math.sqrt(x.reduce((a, b) => a + (b - mean) ** 2, 0) / d);
          fc.pre(deviation > 8);
          const out = normalized(x);
          const error = out.map((n, i) => Math.abs(n - (1024 * (x[i] - mean)) / deviation));
          // the mean is rounded to an integer: at most half a unit of the input
          expect(Math.max(...error) / 1024).toBeLessThan(0.01 + 0.6 / deviation);
        },
      ),
    );
  });

  it('gives zeros for a constant, and a lone peak its sqrt(d)', () => {
    expect(normalized(new Int16Array(64).fill(-32767))).toEqual(new Int16Array(64));
    const peak = new Int16Array(1024);
    peak[5] = 32767;
    expect(Math.abs(normalized(peak)[5] - 1024 * Math.sqrt(1023))).toBeLessThan(8);
  });

  it('survives the largest spread', () => {
    const x = Int16Array.from({ length: 1024 }, (_, i) => (i % 2 ? 32767 : -32767));
    expect(new Set(normalized(x))).toEqual(new Set([1024, -1024]));
  });
});

it('gelu is x sigmoid(1.702 x), for all of Q7.8', () => {
  const values = Array.from({ length: 65535 }, (_, i) => i - 32767);
  const error = values.map((x) => Math.abs(gelu(x) - x / (1 + Math.exp((-1.702 * x) / 256))));
  expect(Math.max(...error)).toBeLessThan(2.5);
});

it('mul15, int8 activations, shifts and reciprocal round as specified', () => {
  fc.assert(
    fc.property(int16, int16, (a, b) => {
      expect(mul15(a, b)).toBe(Math.floor((a * b + 16384) / 32768));
    }),
  );
  fc.assert(
    fc.property(int16, int16, (n, scale) => {
      const exact = Math.floor((n * scale) / 2 ** 15 + 0.5);
      expect(sat8(mul15(n, scale))).toBe(Math.max(-127, Math.min(127, exact)));
    }),
  );
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 29), max: 2 ** 29 }), fc.integer({ min: 1, max: 8 }), (x, s) => {
      const exact = Math.floor(x / 2 ** s + 0.5);
      expect(narrow(x, s)).toBe(Math.max(-32767, Math.min(32767, exact)));
    }),
  );
  fc.assert(
    fc.property(int16, int16, fc.integer({ min: 1, max: 15 }), (n, gain, s) => {
      expect(affine(n, gain, -5, s)).toBe(Math.floor((n * gain) / 2 ** s + 0.5) - 5);
    }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 21 }), (Z) => {
      const { R, k } = reciprocal(Z);
      expect(R).toBeLessThan(32768);
      expect(Math.abs(R * 2 ** (k - 30) * Z - 1)).toBeLessThan(1e-4);
    }),
  );
});
