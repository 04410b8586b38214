/** @file The codes of a network block's streams, put together and taken apart. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joinCodes, splitCodes } from '../../../src/codec/block/stream-table.js';
import { ShacompError } from '../../../src/errors.js';

const code = fc.oneof(fc.uint8Array({ maxLength: 3 }), fc.uint8Array({ minLength: 120, maxLength: 300 }));

describe('the payload of a network block', () => {
  it('gives the codes back that it was made of, in memory of its own', () => {
    fc.assert(
      fc.property(fc.array(code, { minLength: 1, maxLength: 40 }), (codes) => {
        const payload = joinCodes(codes);
        const back = splitCodes(payload, codes.length);
        expect(back.map((c) => Array.from(c))).toEqual(codes.map((c) => Array.from(c)));
        expect(back.every(({ buffer }) => buffer === payload.buffer)).toBe(true);
      }),
    );
  });

  it('has the lengths of all codes but the last before them, and nothing before a single one', () => {
    expect(Array.from(joinCodes([Uint8Array.of(7, 8)]))).toEqual([7, 8]);
    const long = new Uint8Array(130).fill(5);
    expect(Array.from(joinCodes([long, Uint8Array.of(), Uint8Array.of(9)]))).toEqual([130, 1, 0, ...long, 9]);
  });

  it.each([
    ['no lengths', 2, []],
    ['lengths that end before the last one', 4, [0, 0]],
    ['a length that does not end', 2, [0x80]],
    ['a length not in its shortest form', 2, [0x81, 0x00, 1, 2, 3]],
    ['a length of more than there is', 2, [3, 1, 2]],
    ['lengths of more than there is together', 3, [2, 2, 1, 2, 3]],
    ['a length beyond 32 bits', 2, [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]],
  ])('is refused with %s', (_, streams, bytes) => {
    const split = () => splitCodes(Uint8Array.from(bytes), streams);
    expect(split).toThrow(ShacompError);
    expect(split).toThrow(expect.objectContaining({ code: 'ERR_CORRUPT' }));
  });

  it('is one payload alone for the same codes: every other table of the same bytes is another one', () => {
    const codes = [Uint8Array.of(1, 2), Uint8Array.of(3), Uint8Array.of(4, 5, 6)];
    const payload = joinCodes(codes);
    for (let bit = 0; bit < 16; bit++) {
      const damaged = payload.slice();
      damaged[bit >> 3] ^= 1 << (bit & 7);
      try {
        expect(splitCodes(damaged, 3).map((c) => Array.from(c))).not.toEqual(codes.map((c) => Array.from(c)));
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_CORRUPT' });
      }
    }
  });
});
