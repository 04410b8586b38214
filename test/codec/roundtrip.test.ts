import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { MIN_BLOCK_SIZE } from '../../src/codec/options.js';
import { levelSettings, streamCount } from '../../src/codec/strategy/levels.js';
import { compress, decompress, inspect } from '../../src/index.js';
import { cost } from '../../src/trainer/cross-entropy.js';
import { collect } from '../helpers/collect.js';
import { fakeEngine, fakeModel, likelyBytes, random } from '../helpers/fake-engine.js';

const model = fakeModel();
const engine = fakeEngine();
const options = { model, engine, mode: 'network' } as const;

/** The contract: never more than 0.1 % + 64 bytes larger. */
const allowed = (length: number) => Math.floor(length * 1.001) + 64;

async function expectRoundTrip(data: Uint8Array, blockSize?: number): Promise<number> {
  const file = await compress(data, { ...options, blockSize });
  expect(file.length).toBeLessThanOrEqual(allowed(data.length));
  const back = await decompress(file, options);
  expect(Buffer.compare(back, data)).toBe(0);
  return file.length;
}

const randomBytes = (length: number, seed: number) => {
  const next = random(seed);
  return Uint8Array.from({ length }, () => next() * 256);
};

describe('round trips', () => {
  it('random bytes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3000, size: 'max' }), async (data) => {
        await expectRoundTrip(data);
      }),
    );
  });

  it('structured bytes: runs, repeats, texts, records', async () => {
    const piece = fc.oneof(
      fc
        .tuple(fc.integer({ min: 0, max: 255 }), fc.nat(400))
        .map(([byte, n]) => new Uint8Array(n).fill(byte)),
      fc.tuple(fc.uint8Array({ maxLength: 20 }), fc.nat(30)).map(([part, n]) => {
        const all = new Uint8Array(part.length * n);
        for (let i = 0; i < n; i++) all.set(part, i * part.length);
        return all;
      }),
      fc.string({ unit: 'grapheme', maxLength: 200 }).map((text) => new TextEncoder().encode(text)),
      fc.json().map((text) => new TextEncoder().encode(text)),
      fc.nat(2000).map((n) => likelyBytes(n, n)),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { maxLength: 8 }), async (pieces) => {
        await expectRoundTrip(Buffer.concat(pieces));
      }),
    );
  });

  it('what the network takes for least likely', async () => {
    const { rows } = engine;
    const worst = new Uint8Array(5000);
    let previous = 0x0a;
    for (let t = 0; t < worst.length; t++) {
      const row = rows.subarray(((t % 4) * 256 + previous) * 256).subarray(0, 256);
      previous = row.indexOf(Math.min(...row));
      worst[t] = previous;
    }
    await expectRoundTrip(worst);
    const records = await collect(inspect(await compress(worst, { ...options, window: 0 })));
    expect(records.map((r) => r.kind)).toEqual(['member', 'block', 'end']);
  });

  it('every length around the sizes that matter', async () => {
    const lengths = [0, 1, 2, 3, 127, 128, 129, 4095, 4096, 4097];
    for (const size of [MIN_BLOCK_SIZE, 65536, 131072]) lengths.push(size - 1, size, size + 1);
    lengths.push(3 * MIN_BLOCK_SIZE, 200_003);
    const likely = likelyBytes(Math.max(...lengths));
    for (const length of lengths) {
      await expectRoundTrip(likely.subarray(0, length));
      await expectRoundTrip(likely.subarray(0, length), MIN_BLOCK_SIZE);
      await expectRoundTrip(randomBytes(length, length), MIN_BLOCK_SIZE);
    }
  });

  it('blocks that compress and blocks that do not, in one file', async () => {
    const data = Buffer.concat([
      randomBytes(MIN_BLOCK_SIZE, 1),
      likelyBytes(MIN_BLOCK_SIZE, 2),
      randomBytes(MIN_BLOCK_SIZE, 3),
      likelyBytes(100, 4),
    ]);
    const file = await compress(data, { ...options, blockSize: MIN_BLOCK_SIZE });
    const records = await collect(inspect(file));
    expect(records.map((r) => (r.kind === 'block' ? r.mode : r.kind))).toEqual([
      'member',
      'length',
      'window',
      'stored',
      'model',
      'network',
      'stored',
      'network',
      'end',
    ]);
    expect(records.at(-1)).toMatchObject({ offset: file.length, length: data.length });
    expect(Buffer.compare(await decompress(file, options), data)).toBe(0);
  });

  it('an empty file takes 6 bytes, and what only wraps takes no model', async () => {
    expect((await compress(new Uint8Array(0), options)).length).toBe(6);
    const wrapped = await compress(randomBytes(500, 5), { mode: 'stored' });
    expect(wrapped.length).toBeLessThanOrEqual(500 + 12);
    expect(Buffer.compare(await decompress(wrapped), randomBytes(500, 5))).toBe(0);
  });

  it('gives the same bytes every time, from engines that answer at once or later', async () => {
    const data = likelyBytes(150_000);
    const once = await compress(data, options);
    const later = { ...options, engine: fakeEngine({ async: true }) };
    expect(Buffer.compare(await compress(data, options), once)).toBe(0);
    expect(Buffer.compare(await compress(data, later), once)).toBe(0);
    expect(Buffer.compare(await decompress(once, later), data)).toBe(0);
  });

  it('frequencies at both ends of their range', async () => {
    for (const shape of ['extreme', 'flat'] as const) {
      const other = { ...options, engine: fakeEngine({ shape }) };
      for (const data of [likelyBytes(3000), randomBytes(3000, 6), new Uint8Array(3000)]) {
        const file = await compress(data, other);
        expect(file.length).toBeLessThanOrEqual(allowed(data.length));
        expect(Buffer.compare(await decompress(file, other), data)).toBe(0);
      }
    }
  });

  it('members one after the other decode to one after the other', async () => {
    const parts = [likelyBytes(1000), new Uint8Array(0), randomBytes(300, 7), likelyBytes(20, 8)];
    const files = await Promise.all(parts.map((part) => compress(part, options)));
    expect(Buffer.compare(await decompress(Buffer.concat(files), options), Buffer.concat(parts))).toBe(0);
  });

  it('codes 1 MB within 0.1 % of the cross-entropy', async () => {
    const length = 2 ** 20;
    const streams = streamCount(length, levelSettings().streams);
    // streams that the network predicts, as the codec will cut them
    const data = Buffer.concat(
      Array.from({ length: streams }, (_, k) => likelyBytes(length / streams, k + 100)),
    );
    let bits = 0;
    const { rows } = engine;
    for (let k = 0; k < streams; k++) {
      let previous = 0x0a;
      for (let t = 0; t < length / streams; t++) {
        const symbol = data[(k * length) / streams + t];
        bits += cost(rows, ((t % 4) * 256 + previous) * 256, symbol);
        previous = symbol;
      }
    }
    const size = await expectRoundTrip(data);
    expect(size * 8).toBeGreaterThan(bits * 0.9999);
    expect(size * 8).toBeLessThan(bits * 1.001);
  });
});
