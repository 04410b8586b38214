/** @file Long repeats: what is found, and that what is written stands for the same bytes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Copy, copiesRecord, decodeCopies } from '../../../src/codec/container/copies.js';
import { Pauses } from '../../../src/codec/event-loop.js';
import { expand } from '../../../src/codec/repeats/expand.js';
import {
  LEAST_COPY,
  type LeastCopy,
  RepeatFinder,
  type SplitBlock,
} from '../../../src/codec/repeats/finder.js';
import { History } from '../../../src/codec/repeats/history.js';
import {
  type BlockRecord,
  type CompressOptions,
  compress,
  compressChunks,
  decompress,
  decompressChunks,
  explain,
  FLUSH,
  inspect,
} from '../../../src/index.js';
import { collect, join } from '../../helpers/collect.js';
import { random } from '../../helpers/fake-engine.js';

const stored = { mode: 'stored' } as const;

function noise(length: number, seed: number): Uint8Array {
  const next = random(seed);
  return Uint8Array.from({ length }, () => next() * 256);
}

/** Cuts bytes as the encoder does. */
function split(
  bytes: Uint8Array,
  window: number,
  blockSize: number,
  least: LeastCopy = LEAST_COPY.fast,
): SplitBlock[] {
  const finder = new RepeatFinder(window, blockSize, least);
  const blocks: SplitBlock[] = [];
  for (let at = 0; ; ) {
    const full = finder.advance();
    if (full) {
      blocks.push(finder.end());
      continue;
    }
    if (at === bytes.length) break;
    const { wanted } = finder;
    expect(wanted).toBeGreaterThan(0);
    finder.give(bytes.slice(at, at + wanted));
    at = Math.min(bytes.length, at + wanted);
  }
  if (finder.length > 0) blocks.push(finder.end());
  return blocks;
}

/** The bytes that blocks stand for. */
async function joined(blocks: readonly SplitBlock[], window: number): Promise<Uint8Array> {
  const history = new History(window);
  const parts: Uint8Array[] = [];
  for (const { literals, copies, length } of blocks) {
    const part = await expand(literals, copies, history, length, new Pauses());
    history.append(part);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

const blocksOf = async (file: Uint8Array): Promise<BlockRecord[]> =>
  (await collect(inspect(file))).filter((record) => record.kind === 'block');

/** Bytes with repeats near and far, runs, and noise between them. */
const repetitive = fc
  .array(
    fc.oneof(
      fc.record({ noise: fc.integer({ min: 1, max: 3000 }), seed: fc.nat() }),
      fc.record({
        from: fc.double({ min: 0, max: 1, noNaN: true }),
        length: fc.integer({ min: 1, max: 9000 }),
      }),
      fc.record({ period: fc.integer({ min: 1, max: 300 }), length: fc.integer({ min: 1, max: 9000 }) }),
    ),
    { minLength: 1, maxLength: 12 },
  )
  .map((pieces) => {
    const bytes: number[] = [65];
    for (const piece of pieces) {
      if ('noise' in piece) {
        for (const byte of noise(piece.noise, piece.seed)) bytes.push(byte);
      } else {
        const distance =
          'period' in piece
            ? Math.min(bytes.length, piece.period)
            : Math.max(1, Math.round(piece.from * bytes.length));
        for (let i = 0; i < piece.length; i++) bytes.push(bytes[bytes.length - distance]);
      }
    }
    return Uint8Array.from(bytes);
  });

describe('repeats', () => {
  it('are cut out so that literals and copies stand for the same bytes, whatever window and block', async () => {
    await fc.assert(
      fc.asyncProperty(
        repetitive,
        fc.constantFrom(1, 200, 4096, 2 ** 20),
        fc.constantFrom(1000, 8192, 100_000),
        fc.constantFrom<LeastCopy>(...Object.values(LEAST_COPY), { far: 40, near: 40 }),
        async (bytes, window, blockSize, least) => {
          const blocks = split(bytes, window, blockSize, least);
          expect(Buffer.compare(await joined(blocks, window), bytes)).toBe(0);
          for (const { literals, copies } of blocks) {
            expect(literals.length).toBeGreaterThan(0);
            expect(literals.length).toBeLessThanOrEqual(blockSize);
            for (const { distance } of copies) expect(distance).toBeLessThanOrEqual(window);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('survive compression and decompression, in chunks of any size and with flushes', async () => {
    await fc.assert(
      fc.asyncProperty(
        repetitive,
        fc.array(fc.integer({ min: 1, max: 20_000 }), { minLength: 1, maxLength: 5 }),
        fc.boolean(),
        async (bytes, sizes, flushes) => {
          const chunks = function* () {
            for (let at = 0, i = 0; at < bytes.length; at += sizes[i++ % sizes.length]) {
              yield bytes.subarray(at, at + sizes[i % sizes.length]);
              if (flushes) yield FLUSH;
            }
          };
          const options = { ...stored, blockSize: 8192 };
          const file = await join(compressChunks(chunks(), options));
          if (!flushes) expect(Buffer.compare(file, await join(compressChunks([bytes], options)))).toBe(0);
          expect(Buffer.compare(await decompress(file), bytes)).toBe(0);
          if (!flushes) expect(file.length).toBeLessThanOrEqual(bytes.length * 1.001 + 64);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('far apart cost a record, in blocks before and in segments of the ring before', async () => {
    const part = noise(2_000_000, 1);
    const data = Buffer.concat([part, noise(3_500_000, 2), part]);
    const file = await compress(data, { ...stored, blockSize: 2 ** 20 });
    expect(file.length).toBeLessThan(5_500_000 + 1000);
    expect(Buffer.compare(await decompress(file), data)).toBe(0);
  });

  it('beyond the window are not found, and without a window none is', async () => {
    const part = noise(300_000, 1);
    const data = Buffer.concat([part, noise(1_500_000, 2), part]);
    for (const window of [0, 2 ** 20]) {
      const file = await compress(data, { ...stored, window });
      expect(file.length).toBeGreaterThan(data.length);
      expect(Buffer.compare(await decompress(file), data)).toBe(0);
    }
  });

  it.each([1, 2, 3, 7, 48, 100, 240])(
    'that are a run of period %i are found, however long',
    async (period) => {
      const unit = noise(period, period);
      const data = new Uint8Array(5_000_003);
      for (let i = 0; i < data.length; i++) data[i] = unit[i % period];
      const file = await compress(data, { ...stored });
      expect(file.length).toBeLessThan(2000);
      expect(Buffer.compare(await decompress(file), data)).toBe(0);
    },
  );

  it('in a block of its own are left to its models where they are short', async () => {
    const part = noise(1500, 1);
    const [coded] = await blocksOf(await compress(Buffer.concat([part, part]), { level: 1 }));
    expect(coded.copies).toEqual([]);
    const [block] = await blocksOf(await compress(Buffer.concat([part, part]), stored));
    expect(block.copies).toHaveLength(1);
  });

  it('within the only block of a file take a window of its length to put back, and no larger one', async () => {
    const part = noise(1500, 1);
    // of a length that is not known before
    const file = await join(compressChunks([part, part], stored));
    const records = await collect(inspect(file));
    expect(records.find(({ kind }) => kind === 'window')).toMatchObject({ window: 3000 });
  });

  it('are not looked for where that changes nothing: a file of one block has no window', async () => {
    const kinds = (await collect(inspect(await compress(noise(5000, 1), stored)))).map(({ kind }) => kind);
    expect(kinds).toEqual(['member', 'block', 'end']);
  });

  it('within a few bytes of the end of a block do not overfill it', async () => {
    const part = noise(6000, 1);
    for (let gap = 8192 - 6000 - 40; gap < 8192 - 6000 + 10; gap += 7) {
      const data = Buffer.concat([part, noise(gap, 2), part.subarray(0, 5000), noise(3000, 3)]);
      const file = await compress(data, { ...stored, blockSize: 8192 });
      expect(Buffer.compare(await decompress(file), data)).toBe(0);
    }
  });
});

describe('the record of copies', () => {
  const copies = fc.array(
    fc.record({
      literals: fc.nat(1000),
      length: fc.integer({ min: 1, max: 100_000 }),
      distance: fc.integer({ min: 1, max: 2 ** 31 }),
    }),
    { minLength: 1, maxLength: 50 },
  );
  const limits = { position: 2 ** 40, window: 2 ** 31, before: 12 };
  const body = (list: readonly Copy[]) => {
    const record = copiesRecord(list, limits.before);
    return record.subarray(record.findIndex((byte, i) => i > 0 && byte < 128) + 1);
  };

  it('gives back what was written', () => {
    fc.assert(
      fc.property(copies, (list) => {
        expect(decodeCopies(body(list), limits)).toEqual(list);
      }),
    );
  });

  it('is refused or read, and what is read stays within its limits', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(500), fc.nat(500), (bytes, position, window) => {
        let read: Copy[];
        try {
          read = decodeCopies(bytes, { position, window, before: 0 });
        } catch (error) {
          expect(error).toMatchObject({ code: 'ERR_CORRUPT' });
          return;
        }
        let at = position;
        for (const { literals, length, distance } of read) {
          at += literals;
          expect(distance).toBeGreaterThan(0);
          expect(distance).toBeLessThanOrEqual(Math.min(window, at));
          at += length;
        }
      }),
    );
  });
});

describe('memory of copies', () => {
  const data = Buffer.concat([noise(100_000, 1), noise(100_000, 1), noise(100_000, 2)]);
  const compressed = (options: CompressOptions) =>
    join(compressChunks([data], { ...stored, blockSize: 65536, ...options }));

  it('is refused before it is taken, in one line', async () => {
    const file = await compressed({ window: 2 ** 30 });
    await expect(decompress(file, { memoryLimit: 2 ** 29 })).rejects.toMatchObject({
      code: 'ERR_MEMORY_LIMIT',
      message: expect.stringMatching(/^needs 1\.0 GiB of memory, the limit is 512\.0 MiB: .*$/),
    });
    expect(Buffer.compare(await decompress(file, { memoryLimit: 2 ** 31 }), data)).toBe(0);
  });

  it('of the encoder follows its limit: the window is a quarter of it at most', async () => {
    const windows = async (memoryLimit?: number) =>
      (await collect(inspect(await compressed({ memoryLimit })))).flatMap((r) =>
        r.kind === 'window' ? [r.window] : [],
      );
    expect(await windows()).toEqual([2 ** 27]);
    expect(await windows(2 ** 25)).toEqual([2 ** 23]);
    expect(await windows(2 ** 21)).toEqual([]);
  });

  it('does not grow with what a tiny file expands to: it comes out in blocks', async () => {
    const zeros = async function* () {
      const chunk = new Uint8Array(2 ** 20);
      for (let i = 0; i < 300; i++) yield chunk;
    };
    const file = await join(compressChunks(zeros(), { ...stored, window: 2 ** 20 }));
    expect(file.length).toBeLessThan(1000);
    let length = 0;
    for await (const block of decompressChunks(file, { memoryLimit: 100 * 2 ** 20 })) {
      expect(block.length).toBeLessThanOrEqual(2 ** 26);
      length += block.length;
    }
    expect(length).toBe(300 * 2 ** 20);
  });
});

it('an explanation gives bytes in copies the cost of their record, and the sum is the file’s', async () => {
  const part = noise(20_000, 1);
  const data = Buffer.concat([part, noise(100, 2), part, new Uint8Array(10_000)]);
  const e = await explain(data, { level: 1 });
  const [block] = e.blocks;
  expect(block).toMatchObject({ start: 0, length: data.length });
  expect(block.copied).toBeGreaterThan(29_000);
  const bits = e.coded.reduce((sum, b) => sum + b, 0);
  expect(bits / 8).toBeCloseTo(block.codedLength + block.copiesLength, -1);
  expect(e.coded[30_000]).toBeLessThan(0.1);
  expect(e.coded[19_000]).toBeGreaterThan(7);
});
