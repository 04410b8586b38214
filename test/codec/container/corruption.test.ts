import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compress,
  compressChunks,
  decompress,
  type ErrorCode,
  FLUSH,
  ShacompError,
} from '../../../src/index.js';
import { join } from '../../helpers/collect.js';
import { fakeEngine, fakeModel, likelyBytes, random } from '../../helpers/fake-engine.js';

const options = { model: fakeModel(), engine: fakeEngine(), mode: 'network' } as const;

const DAMAGE: ErrorCode[] = [
  'ERR_NOT_SHACOMP',
  'ERR_UNSUPPORTED_VERSION',
  'ERR_TRUNCATED',
  'ERR_CORRUPT',
  'ERR_CHECKSUM',
  'ERR_MODEL_NOT_FOUND',
];

/** The error's code; `fine` if there was none. */
async function outcome(file: Uint8Array): Promise<string> {
  try {
    await decompress(file, options);
    return 'fine';
  } catch (error) {
    if (!(error instanceof ShacompError)) throw error;
    return error.code;
  }
}

const random8k = (() => {
  const next = random(9);
  return Uint8Array.from({ length: 100 }, () => next() * 256);
})();

const samples: [string, () => Promise<Uint8Array>][] = [
  ['an empty file', () => compress(new Uint8Array(0), options)],
  ['one byte', () => compress(Uint8Array.of(65), options)],
  ['a stored block', () => compress(random8k, options)],
  ['a coded block', () => compress(likelyBytes(300), options)],
  ['a block with a total length', () => join(lengthAndBlocks())],
  ['flushed blocks', () => join(compressChunks([random8k, FLUSH, likelyBytes(300), FLUSH], options))],
  [
    'two members',
    async () => Buffer.concat([await compress(likelyBytes(40), options), await compress(random8k, options)]),
  ],
];

/** Of members that end in each of the three ways. */
const padded: [string, () => Promise<Uint8Array>] = [
  'members with padding',
  async () =>
    Buffer.concat([
      await compress(likelyBytes(40), options),
      new Uint8Array(20),
      await join(compressChunks([random8k, FLUSH], options)),
      new Uint8Array(20),
      await compress(new Uint8Array(0), options),
      new Uint8Array(20),
    ]),
];

/** Two blocks, the second one small. */
async function* lengthAndBlocks(): AsyncGenerator<Uint8Array> {
  const data = new Uint8Array(8192 + 30);
  data.set(likelyBytes(8192));
  yield* compressChunks([data], { ...options, blockSize: 8192, size: data.length });
}

describe('damage', () => {
  it.each([...samples, padded])('%s: every single-bit flip is found', async (_, make) => {
    const file = await make();
    expect(await outcome(file)).toBe('fine');
    // of long files every bit of both ends and some between
    const step = file.length > 2000 ? 13 : 1;
    for (let bit = 0; bit < file.length * 8; bit += bit > 800 && bit < file.length * 8 - 800 ? step : 1) {
      const damaged = file.slice();
      damaged[bit >> 3] ^= 1 << (bit & 7);
      expect([bit, DAMAGE.includes((await outcome(damaged)) as ErrorCode)]).toEqual([bit, true]);
    }
  });

  it.each(samples)('%s: cut at any byte is found', async (name, make) => {
    const file = await make();
    const step = file.length > 2000 ? 7 : 1;
    for (
      let length = 0;
      length < file.length;
      length += length > 100 && length < file.length - 100 ? step : 1
    ) {
      // a cut exactly between members leaves a whole file
      const expected = name === 'two members' && (await wholeMember(file, length)) ? 'fine' : 'ERR_TRUNCATED';
      expect([length, await outcome(file.subarray(0, length))]).toEqual([length, expected]);
    }
  });

  it.each(samples)('%s: bytes after the end are found', async (_, make) => {
    const file = await make();
    for (const tail of [[1], [0x8d], [0x0a], [0, 0, 0, 7], [0x8d, 0x53, 0x48, 0x41]]) {
      const result = await outcome(Uint8Array.from([...file, ...tail]));
      expect(['ERR_CORRUPT', 'ERR_TRUNCATED']).toContain(result);
    }
  });

  it('any other damage: typed errors, or the right bytes', async () => {
    const data = likelyBytes(400);
    const file = await compress(data, options);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(file.length - 1), fc.integer({ min: 0, max: 255 })), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.nat(file.length),
        fc.uint8Array({ maxLength: 10 }),
        async (changes, at, inserted) => {
          const damaged = file.slice();
          for (const [i, byte] of changes) damaged[i] = byte;
          const all = Buffer.concat([damaged.subarray(0, at), inserted, damaged.subarray(at)]);
          try {
            expect(Buffer.compare(await decompress(all, options), data)).toBe(0);
          } catch (error) {
            if (!(error instanceof ShacompError)) throw error;
            expect(DAMAGE).toContain(error.code);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('random bytes behind a good start', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (rest) => {
        const id = options.model.id.subarray(0, 8);
        for (const start of [
          [0x8d, 0x53, 0x48, 0x41, 2],
          [0x8d, 0x53, 0x48, 0x41, 2, 1, ...id, 0x83],
        ]) {
          const result = await outcome(Uint8Array.from([...start, ...rest]));
          expect(['fine', ...DAMAGE]).toContain(result);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('closes every network that it opens, whatever happens', async () => {
    const engine = fakeEngine();
    const file = await compress(likelyBytes(300), { ...options, engine });
    const damaged = file.slice();
    damaged[file.length - 10] ^= 1;
    await decompress(damaged, { ...options, engine }).catch(() => {});
    await decompress(file, { ...options, engine });
    expect(engine.opened).toBe(3);
    expect(engine.closed).toBe(3);
  });
});

async function wholeMember(file: Uint8Array, length: number): Promise<boolean> {
  return length === (await compress(likelyBytes(40), options)).length && length < file.length;
}
