/**
 * @file The mixing coder's promises: round trips, bounded reactions to damaged payloads, redundant input,
 * limits.
 */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MixKernels } from '../../src/engines/engine.js';
import { nativeEngine } from '../../src/engines/native/engine.js';
import { MIX_PROFILES } from '../../src/engines/profiles.js';
import { referenceMixing } from '../../src/engines/reference/mixer.js';
import { selectEngine } from '../../src/node/engines.js';
import { decode, encode } from '../helpers/mixing.js';

async function implementations(): Promise<[string, MixKernels][]> {
  const all: [string, MixKernels][] = [
    ['reference', referenceMixing],
    ['wasm', (await selectEngine('wasm')).mixing],
  ];
  try {
    all.push(['native', nativeEngine().mixing]);
  } catch {
    // no addon on this machine
  }
  return all;
}

/** Bytes of a few kinds: anything, few letters, long repeats. */
const blocks = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc
    .array(fc.constantFrom(10, 32, 34, 44, 49, 60, 62, 97, 123, 125), { maxLength: 600 })
    .map((a) => Uint8Array.from(a)),
  fc
    .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 30 }))
    .map(([piece, times]) =>
      Uint8Array.from({ length: piece.length * times }, (_, i) => piece[i % piece.length]!),
    ),
);

describe.each(await implementations())('mixing by %s', (_name, k) => {
  describe.each(Object.entries(MIX_PROFILES))('profile %s', (_profile, profile) => {
    it('decodes what it encodes', () => {
      fc.assert(
        fc.property(blocks, fc.integer({ min: 1, max: 9 }), fc.boolean(), (symbols, streams, withNetwork) => {
          const f = withNetwork
            ? Uint32Array.from({ length: symbols.length * 256 }, (_, i) => 1 + ((i * 2654435761) >>> 15))
            : undefined;
          const payload = encode(k, profile, symbols, streams, f);
          if (payload) expect(decode(k, profile, symbols.length, streams, payload, f)).toEqual(symbols);
        }),
        { numRuns: 25 },
      );
    });

    it('decodes any payload to something, without a crash', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 200 }), fc.integer({ min: 1, max: 5 }), (payload, streams) => {
          expect(decode(k, profile, 400, streams, payload)).toHaveLength(400);
        }),
        { numRuns: 15 },
      );
    });

    it('gives the same payload every time, whatever the pieces', () => {
      const symbols = new TextEncoder().encode('{"a": [1, 22, 333], "b": "<c>d</c>"}\n'.repeat(20));
      const whole = encode(k, profile, symbols, 2)!;
      const coder = k.mixOpen(profile, symbols.length, 2);
      for (let i = 0; i < symbols.length; i += 7) k.mixEncode(coder, symbols.subarray(i, i + 7));
      expect(k.mixFinish(coder)).toEqual(whole);
      k.mixClose(coder);
      expect(encode(k, profile, symbols, 2)).toEqual(whole);
    });

    it('gives the same payload whether all, some or none of the memory was readied, new or used before', () => {
      const symbols = new TextEncoder().encode('the quick brown fox jumps over the lazy dog. '.repeat(8));
      const code = (pieces: number) => {
        const coder = k.mixOpen(profile, symbols.length, 2);
        for (let i = 0; i < pieces && k.mixPrepare?.(coder) === false; i++);
        k.mixEncode(coder, symbols);
        const payload = k.mixFinish(coder)!;
        k.mixClose(coder);
        return payload;
      };
      const whole = encode(k, profile, symbols, 2)!;
      for (let run = 0; run < 2; run++)
        for (const pieces of [Number.POSITIVE_INFINITY, 1, 0, 2]) {
          expect(code(pieces)).toEqual(whole);
        }
      const coder = k.mixOpen(profile, symbols.length, 2, whole);
      while (k.mixPrepare?.(coder) === false);
      const back = new Uint8Array(symbols.length);
      k.mixDecode(coder, back, back.length);
      expect(back).toEqual(symbols);
      expect(k.mixEnds(coder)).toBe(true);
      k.mixClose(coder);
    });

    it('codes a long run in next to nothing', () => {
      const payload = encode(k, profile, new Uint8Array(5000), 1)!;
      expect(payload.length).toBeLessThan(60);
      expect(decode(k, profile, 5000, 1, payload).every((b) => b === 0)).toBe(true);
    });

    it('gives up on what does not compress', () => {
      let x = 1;
      const noise = Uint8Array.from({ length: 4000 }, () => {
        x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
        return x >>> 24;
      });
      expect(encode(k, profile, noise, 1)).toBeUndefined();
    });

    it('names its memory before it takes it, more for more input, and refuses what is out of range', () => {
      const bytes = [0, 3000, 1e6, 1e8, 2 ** 28].map((n) => k.mixBytes(profile, n, 1));
      expect(bytes).toEqual(bytes.toSorted((a, b) => a - b));
      expect(bytes[1]).toBeLessThan(24e6);
      expect(bytes[2]).toBeLessThan(400e6);
      expect(k.mixBytes(profile, 2 ** 28 + 1, 1)).toBe(0);
      expect(k.mixBytes(profile, 100, 0)).toBe(0);
      expect(k.mixBytes(profile, 100, 4097)).toBe(0);
      expect(() => k.mixOpen(profile, 100, 0)).toThrow();
    });
  });
});

describe.each(await implementations())('mixing by %s refuses', (_name, k) => {
  const refused = (f: () => unknown) => expect(f).toThrow(expect.objectContaining({ code: 'ERR_OPTIONS' }));
  const profile = MIX_PROFILES.fast;
  const bytes = Uint8Array.of(1, 2, 3);
  const few = new Uint32Array(3 * 256 - 1).fill(1);

  it('shapes out of range', () => {
    for (const [wrong, length, streams] of [
      [2, 100, 1],
      [-1, 100, 1],
      [0, 2 ** 28 + 1, 1],
      [0, 2 ** 32 + 100, 1],
      [0, -1, 1],
      [0, 100, 0],
      [0, 100, 4097],
    ]) {
      expect(k.mixBytes(wrong, length, streams)).toBe(0);
      refused(() => k.mixOpen(wrong, length, streams));
    }
  });

  it('too few frequencies, and more symbols than there is room for', () => {
    const encoder = k.mixOpen(profile, 3, 1);
    refused(() => k.mixEncode(encoder, bytes, few));
    k.mixClose(encoder);
    const decoder = k.mixOpen(profile, 3, 1, bytes);
    const room = new Uint8Array(3);
    refused(() => k.mixDecode(decoder, room, 3, few));
    for (const count of [4, -1, Number.NaN]) refused(() => k.mixDecode(decoder, room, count));
    k.mixClose(decoder);
  });

  it('to decode with an encoder, and what is closed or no coder at all', () => {
    const room = new Uint8Array(3);
    const coder = k.mixOpen(profile, 3, 1);
    refused(() => k.mixDecode(coder, room, 3));
    refused(() => k.mixEnds(coder));
    k.mixClose(coder);
    k.mixClose(coder);
    for (const wrong of [coder, {}]) {
      refused(() => k.mixEncode(wrong, bytes));
      refused(() => k.mixDecode(wrong, room, 3));
      refused(() => k.mixFinish(wrong));
      refused(() => k.mixEnds(wrong));
      if (k.mixPrepare) refused(() => k.mixPrepare!(wrong));
    }
  });
});

it('the memory of a large coder is readied in pieces of some milliseconds', async () => {
  for (const [name, k] of await implementations()) {
    if (!k.mixPrepare) continue;
    const pieces = () => {
      const coder = k.mixOpen(MIX_PROFILES.fast, 2 ** 22, 1);
      let count = 1;
      while (!k.mixPrepare!(coder)) count++;
      k.mixEncode(coder, new Uint8Array(1));
      k.mixClose(coder);
      return count;
    };
    pieces();
    // the second one may be given the memory of the first
    expect([name, pieces()]).toEqual([name, expect.toSatisfy((count) => count > 20)]);
  }
});

it('a megabyte of zeros takes less than 200 bytes', async () => {
  const [, k] = (await implementations()).at(-1)!;
  expect(encode(k, MIX_PROFILES.fast, new Uint8Array(1_000_000), 16)!.length).toBeLessThan(200);
});
