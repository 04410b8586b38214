import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NetworkDecoder, NetworkEncoder, probability } from '../src/codec/block/network-coder.js';
import { ShacompError } from '../src/errors.js';
import { RangeDecoder, RangeEncoder } from '../src/range-coder.js';

type Decision = { bit: number; one: number };

function encode(decisions: Decision[]): Uint8Array {
  const encoder = new RangeEncoder();
  for (const { bit, one } of decisions) encoder.encode(bit, one);
  return encoder.finish()!;
}

/** The decisions; ERR_CORRUPT unless the payload is the one that an encoder makes of them. */
function decode(payload: Uint8Array, probabilities: number[]): number[] {
  const decoder = new RangeDecoder(payload);
  const bits = probabilities.map((one) => decoder.decode(one));
  if (decoder.damaged || !decoder.ends()) throw new ShacompError('ERR_CORRUPT', 'damaged');
  return bits;
}

const probabilities = fc.oneof(
  fc.integer({ min: 1, max: 65535 }),
  fc.constantFrom(1, 2, 255, 256, 32768, 65534, 65535),
);
const decisions = fc.array(fc.record({ bit: fc.integer({ min: 0, max: 1 }), one: probabilities }), {
  maxLength: 2000,
  size: 'max',
});

describe('range coder', () => {
  it('decodes what was encoded, at any probability', () => {
    fc.assert(
      fc.property(decisions, (list) => {
        const payload = encode(list);
        expect(
          decode(
            payload,
            list.map((d) => d.one),
          ),
        ).toEqual(list.map((d) => d.bit));
      }),
    );
  });

  it('carries through runs of 0xFF bytes', () => {
    for (let seed = 0; seed < 64; seed++) {
      const one = 30000 + 77 * seed;
      const list: Decision[] = [];
      let low = 0n;
      let range = 0xffffffffn;
      // always the part that holds 0x7FFFFFFF...: the interval closes in on 0x80000000 and stays across it
      let goal = 0x7fffffffn;
      for (let i = 0; i < 200; i++) {
        const bound = (range * BigInt(one)) >> 16n;
        const bit = goal < low + bound ? 1 : 0;
        list.push({ bit, one });
        if (bit) range = bound;
        else {
          low += bound;
          range -= bound;
        }
        while (range < 1n << 24n) {
          range <<= 8n;
          low <<= 8n;
          goal = (goal << 8n) | 0xffn;
        }
      }
      // now past it, upwards
      for (let i = 0; i < 4; i++) list.push({ bit: 0, one: 65535 });
      const payload = encode(list);
      expect(Array.from(payload.subarray(0, 16))).toEqual([0x80, ...Array(15).fill(0)]);
      expect(
        decode(
          payload,
          list.map((d) => d.one),
        ),
      ).toEqual(list.map((d) => d.bit));
    }
  });

  it('matches exact arithmetic with unbounded integers', () => {
    fc.assert(
      fc.property(decisions, (list) => {
        let low = 0n;
        let range = 0xffffffffn;
        let bytes = 4;
        for (const { bit, one } of list) {
          const bound = (range * BigInt(one)) >> 16n;
          if (bit) range = bound;
          else {
            low += bound;
            range -= bound;
          }
          while (range < 1n << 24n) {
            range <<= 8n;
            low <<= 8n;
            bytes++;
          }
        }
        // the value with the most trailing zero bytes in the interval
        let value = low;
        for (let t = 4n; t >= 0n; t--) {
          const unit = 1n << (8n * t);
          value = ((low + unit - 1n) / unit) * unit;
          if (value < low + range) break;
        }
        const expected: number[] = [];
        for (let i = bytes - 1; i >= 0; i--) expected.push(Number((value >> BigInt(8 * i)) & 255n));
        for (let t = 0; t < 4 && expected.at(-1) === 0; t++) expected.pop();
        expect(Array.from(encode(list))).toEqual(expected);
      }),
    );
  });

  it('spends what the probabilities say', () => {
    const list: Decision[] = [];
    let bits = 0;
    let x = 1;
    for (let i = 0; i < 100_000; i++) {
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      const one = 1 + ((x >>> 8) % 65535);
      x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
      const bit = (x >>> 16) % 65536 < one ? 1 : 0;
      list.push({ bit, one });
      bits -= Math.log2((bit ? one : 65536 - one) / 65536);
    }
    const coded = encode(list).length * 8;
    expect(coded).toBeGreaterThan(bits - 1);
    expect(coded).toBeLessThan(bits * 1.0001 + 32);
  });

  it('writes no tail that it can do without', () => {
    expect(encode([]).length).toBe(0);
    expect(encode(Array(1000).fill({ bit: 1, one: 65535 })).length).toBeLessThanOrEqual(1);
    for (let n = 1; n < 64; n++) {
      const list = Array.from({ length: n }, (_, i) => ({ bit: (i * 7) % 3 === 0 ? 1 : 0, one: 32768 }));
      expect(encode(list).length).toBeLessThanOrEqual(Math.floor(n / 8) + 1);
    }
  });

  it('has one form for every payload: any other is refused or decodes differently', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ bit: fc.integer({ min: 0, max: 1 }), one: probabilities }), {
          minLength: 1,
          maxLength: 60,
        }),
        (list) => {
          const payload = encode(list);
          const ones = list.map((d) => d.one);
          const variants = [Uint8Array.of(...payload, 0), Uint8Array.of(...payload, 1)];
          for (let cut = 1; cut <= payload.length; cut++) variants.push(payload.slice(0, -cut));
          for (let bit = 0; bit < payload.length * 8; bit++) {
            const flipped = payload.slice();
            flipped[bit >> 3] ^= 1 << (bit & 7);
            variants.push(flipped);
          }
          for (const variant of variants) {
            try {
              expect(decode(variant, ones)).not.toEqual(list.map((d) => d.bit));
            } catch (error) {
              if (!(error instanceof ShacompError)) throw error;
              expect(error.code).toBe('ERR_CORRUPT');
            }
          }
        },
      ),
    );
  });

  it('survives any payload', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 64 }),
        fc.array(probabilities, { maxLength: 600 }),
        (payload, ones) => {
          try {
            for (const bit of decode(payload, ones)) expect(bit === 0 || bit === 1).toBe(true);
          } catch (error) {
            if (!(error instanceof ShacompError)) throw error;
            expect(error.code).toBe('ERR_CORRUPT');
          }
        },
      ),
    );
    expect(new RangeDecoder(Uint8Array.of(255, 255, 255, 255)).damaged).toBe(true);
  });

  it('knows soon after the end of a payload that it is not whole', () => {
    const decoder = new RangeDecoder(Uint8Array.of(1, 2, 3));
    for (let bit = 0; bit < 24; bit++) decoder.decode(32768);
    expect(decoder.damaged).toBe(false);
    for (let bit = 0; bit < 16; bit++) decoder.decode(32768);
    expect(decoder.damaged).toBe(true);
  });

  it('says when a payload is longer than it may be, and only then', () => {
    fc.assert(
      fc.property(decisions, fc.integer({ min: -3, max: 3 }), (list, spare) => {
        const payload = encode(list);
        const capacity = Math.max(0, payload.length + spare);
        const encoder = new RangeEncoder(capacity);
        for (const { bit, one } of list) encoder.encode(bit, one);
        if (encoder.length === Number.POSITIVE_INFINITY) expect(payload.length).toBeGreaterThan(capacity);
        expect(encoder.finish()).toEqual(payload.length > capacity ? undefined : payload);
      }),
    );
  });
});

describe('byte coder', () => {
  it('keeps probabilities inside 16 bits and exact', () => {
    expect(probability(1, 2 ** 30)).toBe(1);
    expect(probability(2 ** 30 - 1, 2 ** 30)).toBe(65535);
    expect(probability(1, 2)).toBe(32768);
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 2 ** 30 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (total, f) => {
          const ones = Math.min(total - 1, Math.max(1, Math.floor(f * total)));
          const exact = Number((BigInt(ones) * 65536n) / BigInt(total));
          expect(probability(ones, total)).toBe(Math.min(65535, Math.max(1, exact)));
        },
      ),
    );
  });

  it('codes every byte with any frequencies', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 50 }),
        fc.integer({ min: 0, max: 2 ** 31 - 1 }),
        (symbols, seed) => {
          const frequencies = new Uint32Array(symbols.length * 256);
          let x = seed;
          for (let i = 0; i < frequencies.length; i++) {
            x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
            frequencies[i] = Math.max(1, (2 ** 22) >>> (x >>> 27));
          }
          const encoder = new NetworkEncoder(1000, 1);
          encoder.encode(symbols, frequencies);
          const payload = encoder.finish()!;
          const decoder = new NetworkDecoder(payload, 1);
          const decoded = new Uint8Array(symbols.length);
          decoder.decode(decoded, decoded.length, frequencies);
          decoder.finish();
          expect(decoded).toEqual(symbols);
        },
      ),
    );
  });

  it('gives a byte its share of the frequencies', () => {
    const frequencies = new Uint32Array(256).fill(1);
    frequencies[0x61] = 2 ** 22;
    const sizes = [0x61, 0x62].map((byte) => {
      const encoder = new NetworkEncoder(3000, 1);
      for (let i = 0; i < 1000; i++) encoder.encode(Uint8Array.of(byte), frequencies);
      return encoder.finish()!.length;
    });
    expect(sizes[0]).toBeLessThanOrEqual(1);
    // 16-bit probabilities: a byte of share 2^-22 costs more than 16 bits, and not much more than 22
    expect(sizes[1]).toBeGreaterThan(2000);
    expect(sizes[1]).toBeLessThan(3000);
  });
});
