/** The prefix code that a model file's weights are packed in. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { leastPacked, mostPacked, packWeights, unpackWeights } from '../src/model/packed.js';
import { randomSource } from './helpers/random-model.js';

const weight = fc.integer({ min: -127, max: 127 });
const unpacked = (packed: Uint8Array, count: number) => {
  const weights = new Int8Array(count);
  return { taken: unpackWeights(packed, weights), weights };
};

describe('packed weights', () => {
  it('are the same when unpacked, within the bounds that a reader relies on', () => {
    const arrays = [
      fc.array(weight, { minLength: 1, maxLength: 3000 }),
      fc.array(fc.constantFrom(-1, 0, 1), { minLength: 1, maxLength: 3000 }),
      fc.tuple(weight, fc.nat(500)).map(([w, n]) => new Array(n + 1).fill(w)),
    ];
    fc.assert(
      fc.property(fc.oneof(...arrays), fc.uint8Array({ maxLength: 20 }), (values, behind) => {
        const weights = Int8Array.from(values);
        const packed = packWeights(weights);
        expect(packed.length).toBeGreaterThanOrEqual(leastPacked(weights.length));
        expect(packed.length).toBeLessThanOrEqual(mostPacked(weights.length));
        const file = new Uint8Array([...packed, ...behind]);
        expect(unpacked(file, weights.length)).toEqual({ taken: packed.length, weights });
      }),
    );
  });

  it('that are far from even have words of at most 12 bits', () => {
    // Fibonacci numbers as counts give the deepest tree
    const values: number[] = [];
    for (let [a, b, v] = [1, 1, -127]; values.length < 2e5; [a, b, v] = [b, a + b, v + 1])
      for (let n = 0; n < a; n++) values.push(v);
    const weights = Int8Array.from(values);
    const packed = packWeights(weights);
    for (const pair of packed.subarray(0, 128))
      expect(Math.max(pair & 15, pair >> 4)).toBeLessThanOrEqual(12);
    expect(unpacked(packed, weights.length).weights).toEqual(weights);
  });

  it('of a bell curve take at most 1 % more than their entropy', () => {
    const random = randomSource(7);
    const gauss = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    const weights = Int8Array.from({ length: 2 ** 18 }, () =>
      Math.max(-63, Math.min(63, Math.round(16 * gauss()))),
    );
    const counts = new Map<number, number>();
    for (const w of weights) counts.set(w, (counts.get(w) ?? 0) + 1);
    let bits = 0;
    for (const n of counts.values()) bits -= n * Math.log2(n / weights.length);
    expect(packWeights(weights).length).toBeLessThan(1.01 * (bits / 8));
  });

  it('are refused if cut, if their code is no complete prefix code, or with a bit set behind the last word', () => {
    const weights = Int8Array.from({ length: 1001 }, (_, i) => (i % 7) - 3);
    const packed = packWeights(weights);
    for (const length of [0, 1, 127, 128, packed.length - 1])
      expect(unpacked(packed.subarray(0, length), 1001).taken).toBeUndefined();
    const zero = (0 + 127) >> 1;
    for (const lengths of [0x00, 0xff, 0x11, 0xdd]) {
      const bad = packed.slice();
      bad[zero] = lengths;
      expect(unpacked(bad, 1001).taken).toBeUndefined();
    }
    const reserved = packed.slice();
    reserved[127] |= 0x10;
    expect(unpacked(reserved, 1001).taken).toBeUndefined();
    const single = packWeights(new Int8Array(9));
    expect(unpacked(single, 9).taken).toBe(130);
    single[129] |= 1;
    expect(unpacked(single, 9).taken).toBeUndefined();
    single[129] = 0x80; // the word 1 stands for nothing
    expect(unpacked(single, 9).taken).toBeUndefined();
  });

  it('that are random bytes are refused or unpacked, never more than was asked for', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.nat(300), (bytes, count) => {
        const { taken, weights } = unpacked(bytes, count);
        if (taken === undefined) return;
        expect(taken).toBeLessThanOrEqual(bytes.length);
        expect(weights.includes(-128)).toBe(false);
      }),
    );
  });
});
