import { describe, expect, it } from 'vitest';
import { ByteReader } from '../../../src/codec/container/byte-reader.js';
import { ContainerReader, type ContainerRecord } from '../../../src/codec/container/container.js';
import { MAX_STREAMS } from '../../../src/codec/container/format.js';
import { encodeVarint, readVarint } from '../../../src/codec/container/varint.js';
import { streamCount } from '../../../src/codec/strategy/levels.js';
import {
  compress,
  compressChunks,
  decompress,
  decompressChunks,
  inspect,
  ShacompError,
} from '../../../src/index.js';
import { codingRows, interleave, placeSymbols, stepCount } from '../../../src/slices.js';
import { collect, join } from '../../helpers/collect.js';
import { fakeEngine, fakeModel, likelyBytes } from '../../helpers/fake-engine.js';

const MEMBER = [0x8d, 0x53, 0x48, 0x41, 3];
const MODEL = [0x01, 1, 2, 3, 4, 5, 6, 7, 8];
const CRC = [0, 0, 0, 0];

async function records(bytes: number[]): Promise<ContainerRecord[]> {
  return collect(inspect(Uint8Array.from(bytes)));
}

async function code(bytes: number[]): Promise<string> {
  try {
    await records(bytes);
    return 'fine';
  } catch (error) {
    if (!(error instanceof ShacompError)) throw error;
    expect(error.message).not.toContain('\n');
    return error.code;
  }
}

describe('varint', () => {
  it('has one form for every number', async () => {
    for (const value of [
      0,
      1,
      127,
      128,
      300,
      16383,
      16384,
      2 ** 26,
      2 ** 31,
      2 ** 35 + 5,
      Number.MAX_SAFE_INTEGER,
    ]) {
      const bytes = encodeVarint(value);
      expect(await readVarint(new ByteReader([Uint8Array.from(bytes)]), Number.MAX_SAFE_INTEGER, 'x')).toBe(
        value,
      );
      const padded = [...bytes.slice(0, -1), bytes.at(-1)! | 0x80, 0];
      await expect(
        readVarint(new ByteReader([Uint8Array.from(padded)]), Number.MAX_SAFE_INTEGER, 'x'),
      ).rejects.toMatchObject({ code: 'ERR_CORRUPT' });
    }
  });

  it('refuses what is too large or does not end', async () => {
    const read = (bytes: number[], limit: number) =>
      readVarint(new ByteReader([Uint8Array.from(bytes)]), limit, 'x');
    await expect(read([0x81, 0x01], 128)).rejects.toMatchObject({ code: 'ERR_CORRUPT' });
    await expect(read(Array(20).fill(0x80), 2 ** 26)).rejects.toMatchObject({ code: 'ERR_CORRUPT' });
    await expect(read(Array(20).fill(0xff), Number.MAX_SAFE_INTEGER)).rejects.toMatchObject({
      code: 'ERR_CORRUPT',
    });
    await expect(read([0x80], 2 ** 26)).rejects.toMatchObject({ code: 'ERR_TRUNCATED' });
  });
});

describe('bytes of a source', () => {
  it('are copied before the source uses its buffer again, Buffers too', async () => {
    for (const buffer of [Buffer.alloc(4), new Uint8Array(4)]) {
      async function* source() {
        for (let k = 1; k <= 5; k++) yield buffer.fill(k);
      }
      const reader = new ByteReader(source());
      const first = await reader.read(4);
      expect(await reader.atEnd()).toBe(false);
      const second = await reader.read(10);
      expect(Array.from(first)).toEqual([1, 1, 1, 1]);
      expect(Array.from(second)).toEqual([2, 2, 2, 2, 3, 3, 3, 3, 4, 4]);
    }
  });
});

describe('streams of a block', () => {
  it('are one per so many bytes, at least one and at most a number', () => {
    const density = { bytes: 65536, most: 100 };
    const counts = [1, 65536, 65537, 2 ** 22, 2 ** 26].map((length) => streamCount(length, density));
    expect(counts).toEqual([1, 1, 2, 64, 100]);
    expect(streamCount(2 ** 26, { bytes: 1, most: Number.POSITIVE_INFINITY })).toBe(MAX_STREAMS);
    expect(streamCount(2 ** 26, density, 10)).toBe(10);
  });

  it('are contiguous slices of nearly equal length, the longer ones first', () => {
    const block = Uint8Array.from({ length: 11 }, (_, i) => i + 1);
    // slices 1-3, 4-6, 7-9, 10-11
    expect(Array.from(interleave(block, 4))).toEqual([10, 10, 10, 10, 1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 10]);
    for (let length = 1; length < 70; length++) {
      for (let streams = 1; streams <= length; streams++) {
        const data = Uint8Array.from({ length }, (_, i) => i + 100);
        const rows = interleave(data, streams);
        expect(rows.length).toBe((stepCount(length, streams) + 1) * streams);
        const back = new Uint8Array(length);
        placeSymbols(back, streams, rows.subarray(streams, streams + length), 0);
        expect(back).toEqual(data);
      }
    }
  });

  it('come into coding order and back in pieces as well', () => {
    const data = Uint8Array.from({ length: 67 }, (_, i) => i + 100);
    for (const streams of [1, 3, 4, 67]) {
      const steps = stepCount(data.length, streams);
      const whole = interleave(data, streams);
      const back = new Uint8Array(data.length);
      for (let from = 0; from < steps; from += 5) {
        const to = Math.min(from + 5, steps);
        const rows = codingRows(data, streams, from, to);
        expect(rows).toEqual(whole.subarray(from * streams, (to + 1) * streams));
        const symbols = Math.min(to * streams, data.length) - from * streams;
        placeSymbols(back, streams, rows.subarray(streams, streams + symbols), from);
      }
      expect(back).toEqual(data);
    }
  });
});

describe('container', () => {
  it('reads every record', async () => {
    const whole = (expanded: number) => ({ expanded, copies: [], copiesLength: 0 });
    const bytes = [...MEMBER, 0x06, 11, 0x02, 3, 97, 98, 99, ...CRC, ...MODEL, 0x83, 8, 2, 1, 7, 7, ...CRC];
    expect(await records(bytes)).toEqual([
      { kind: 'member', offset: 0, version: 3 },
      { kind: 'length', length: 11 },
      {
        kind: 'block',
        offset: 7,
        mode: 'stored',
        length: 3,
        ...whole(3),
        codedLength: 3,
        streams: 0,
        last: false,
      },
      { kind: 'model', id: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) },
      {
        kind: 'block',
        offset: 25,
        mode: 'network',
        length: 8,
        ...whole(8),
        codedLength: 2,
        streams: 1,
        last: true,
      },
      { kind: 'end', offset: 35, length: 11 },
    ]);
    expect((await records([...bytes, ...bytes, ...MEMBER, 0])).map((r) => r.kind)).toHaveLength(14);
  });

  it('refuses foreign, newer and reserved', async () => {
    expect(await code([])).toBe('ERR_TRUNCATED');
    expect(await code([...Buffer.from('hello')])).toBe('ERR_NOT_SHACOMP');
    expect(await code([0x8d, 0x53, 0x48, 0x42, 1, 0])).toBe('ERR_NOT_SHACOMP');
    // a model file begins alike
    expect(await code([0x8d, 0x53, 0x48, 0x41, 0x52, 0x4e, 0x4e, 0x0a])).toBe('ERR_NOT_SHACOMP');
    expect(await code([0x8d, 0x53])).toBe('ERR_TRUNCATED');
    expect(await code([0x8d, 0x53, 0x48, 0x41])).toBe('ERR_TRUNCATED');
    for (const version of [0, 1, 2, 4, 255])
      expect(await code([0x8d, 0x53, 0x48, 0x41, version, 0])).toBe('ERR_UNSUPPORTED_VERSION');
    for (const type of [0x0a, 0x87, 0x88, 0x89, 0x40, 0x7f, 0x80, 0x81, 0x86, 0xff])
      expect(await code([...MEMBER, type, 0, 0, 0, 0, 0, 0, 0, 0])).toBe('ERR_UNSUPPORTED_VERSION');
    expect(await code([...MEMBER, ...MODEL, 0x0a, 1])).toBe('ERR_UNSUPPORTED_VERSION');
    // mixing profiles that there are not
    expect(await code([...MEMBER, 0x84, 8, 2, 1, 2, 9, 9, ...CRC])).toBe('ERR_UNSUPPORTED_VERSION');
    expect(await code([...MEMBER, ...MODEL, 0x85, 8, 2, 1, 2, 9, 9, ...CRC])).toBe('ERR_UNSUPPORTED_VERSION');
  });

  it('refuses records that contradict each other', async () => {
    const stored = [0x02, 1, 65, ...CRC];
    const last = [0x82, 1, 65, ...CRC];
    expect(await code([...MEMBER, ...last])).toBe('fine');
    for (const bad of [
      [...stored, 0x00], // an end after blocks has another type
      [...stored, 0x00, 0x00], // also where it could be padding
      [0x07], // an end of blocks without any
      [0x06, 0, 0x07],
      [...last, 0x07], // something after the end
      [...last, 0x0a],
      [0x00, 0x01],
      [...stored, 0x07, 0x07],
      [...MODEL, 0x07],
      [...stored, ...MODEL, 0x07],
      [0x06, 2, ...stored, 0x07], // less than the total length
      [0x02, 0, ...CRC], // an empty block
      [0x03, 3, 1, 1, 7, ...CRC], // no model
      [...MODEL, 0x00], // a model for nothing
      [...MODEL, ...last],
      [...MODEL, ...MODEL, 0x83, 3, 1, 1, 7, ...CRC],
      [...MODEL, 0x83, 3, 3, 1, 7, 7, 7, ...CRC], // coded, but not smaller
      [...MODEL, 0x83, 3, 1, 0, 7, ...CRC], // no streams
      [...MODEL, 0x83, 3, 1, 4, 7, ...CRC], // more streams than bytes
      [0x06, 2, ...last], // less than the total length
      [0x06, 1, ...stored, ...last], // more
      [0x06, 1, 0x00],
      [0x06, 1, 0x06, 1, ...last],
      [...stored, 0x06, 2, ...last],
      [0x82, 0x81, 0x80, 0x80, 0x20, ...CRC], // longer than 64 MiB
      [0x82, 0x81, 0x00, 65, ...CRC], // not the shortest form
    ])
      expect([bad, await code([...MEMBER, ...bad])]).toEqual([bad, 'ERR_CORRUPT']);
    expect(await code([...MEMBER, ...stored])).toBe('ERR_TRUNCATED');
  });

  it('reads members that end after their last block was written', async () => {
    const stored = [0x02, 1, 65, ...CRC];
    for (const good of [
      [...stored, 0x07],
      [0x06, 1, ...stored, 0x07],
      [...stored, 0x07, ...MEMBER, ...stored, 0x07],
      [...stored, 0x07, 0, 0, 0],
    ])
      expect([good, await code([...MEMBER, ...good])]).toEqual([good, 'fine']);
    const records = await collect(inspect(Uint8Array.from([...MEMBER, ...stored, 0x07])));
    expect(records.slice(-2)).toMatchObject([
      { kind: 'block', last: false },
      { kind: 'end', length: 1, offset: MEMBER.length + stored.length + 1 },
    ]);
  });

  describe('zero bytes after a member', async () => {
    const member = [...(await compress(Uint8Array.of(65), { mode: 'stored' }))];
    const empty = [...(await compress(new Uint8Array(0)))];
    const zeros = (length: number) => Array<number>(length).fill(0);

    it('are padding, as many as there are, also between members', async () => {
      for (const padding of [1, 2, 4, 511, 3_000_000]) {
        const fill = zeros(padding);
        for (const [text, members] of [
          ['A', [member]],
          ['AA', [member, member]],
          ['A', [empty, member, empty]],
        ] as const) {
          const bytes = Uint8Array.from(members.flatMap((m) => [...m, ...fill]));
          expect(Buffer.from(await decompress(bytes)).toString()).toBe(text);
          const kinds = (await collect(inspect(bytes))).map(({ kind }) => kind);
          expect(kinds.filter((kind) => kind === 'end').length).toBe(members.length);
        }
      }
    });

    it('are read in chunks of any size', async () => {
      const file = Uint8Array.from([...member, ...zeros(50), ...member, ...zeros(50)]);
      const bytewise = Array.from(file, (byte) => Uint8Array.of(byte));
      expect(await join(decompressChunks(bytewise))).toEqual(Buffer.from('AA'));
    });

    it('are no padding before the first one, nor inside one', async () => {
      expect(await code([0, ...member])).toBe('ERR_NOT_SHACOMP');
      expect(await code(zeros(100))).toBe('ERR_NOT_SHACOMP');
      await expect(decompress(Uint8Array.from([...member.slice(0, -1), 0]))).rejects.toMatchObject({
        code: 'ERR_CHECKSUM',
      });
      expect(await code([...MEMBER, 0x02, 1, 65, ...CRC, ...zeros(8)])).toBe('ERR_CORRUPT');
    });

    it('do not hide what follows them', async () => {
      for (const tail of [[1], [0x0a], [0x8d, 0x53, 0x48, 0x42], [0x8d, 0, 0, 0]])
        expect(await code([...member, ...zeros(600), ...tail])).toBe('ERR_CORRUPT');
      expect(await code([...member, ...zeros(600), 0x8d, 0x53])).toBe('ERR_TRUNCATED');
    });
  });

  it('does not allocate what a header declares but the file lacks', async () => {
    // 64 MiB declared, 2 bytes there
    const huge = [...MEMBER, 0x82, ...encodeVarint(2 ** 26), 1, 2];
    expect(await code(huge)).toBe('ERR_TRUNCATED');
    const before = process.memoryUsage().arrayBuffers;
    const file = [...MEMBER, ...MODEL, 0x83, ...encodeVarint(2 ** 26), 2, 1, 7, 7, ...CRC];
    const model = { ...fakeModel(), id: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8) };
    await expect(decompress(Uint8Array.from(file), { model, engine: fakeEngine() })).rejects.toMatchObject({
      code: 'ERR_CORRUPT',
    });
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 24);
  });

  it('finds missing, repeated and exchanged blocks', async () => {
    const data = likelyBytes(5 * 8192);
    const options = { model: fakeModel(), engine: fakeEngine(), mode: 'network' } as const;
    const parts = await collect(compressChunks([data], { ...options, blockSize: 8192 }));
    expect(parts).toHaveLength(5);
    const whole = await decompress(Buffer.concat(parts), options);
    expect(Buffer.compare(whole, data)).toBe(0);
    const [a, b, c, d, e] = parts;
    for (const [list, expected] of [
      [[a, c, d, e], 'ERR_CHECKSUM'],
      [[a, b, b, c, d, e], 'ERR_CHECKSUM'],
      [[a, c, b, d, e], 'ERR_CHECKSUM'],
      [[a, b, c, d], 'ERR_TRUNCATED'],
      [[a, b, c, d, e, e], 'ERR_CORRUPT'],
    ] as [Uint8Array[], string][])
      await expect(decompress(Buffer.concat(list), options)).rejects.toMatchObject({ code: expected });
  });

  it('is read the same from chunks of any size', async () => {
    const file = await compress(likelyBytes(500), {
      model: fakeModel(),
      engine: fakeEngine(),
      mode: 'network',
    });
    const whole = await collect(inspect(file));
    const bytewise = Array.from(file, (byte) => Uint8Array.of(byte));
    expect(await collect(inspect(bytewise))).toEqual(whole);
    const reader = new ContainerReader(new ByteReader([new Uint8Array(0), file, new Uint8Array(0)]));
    expect(await reader.next()).toEqual(whole[0]);
  });
});
