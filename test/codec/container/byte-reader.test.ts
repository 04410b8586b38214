/** @file What the codec reads: chunks of any size and kind, and what they cost. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { ByteReader } from '../../../src/codec/container/byte-reader.js';
import { checksum } from '../../../src/codec/container/checksum.js';
import { blockHeader, blockTrailer, memberHeader } from '../../../src/codec/container/container.js';
import { compress, compressChunks, decompress, decompressChunks, inspect } from '../../../src/index.js';
import { collect, join } from '../../helpers/collect.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes in use once the garbage is gone. */
function memoryInUse(): number {
  collectGarbage();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return heapUsed + external + arrayBuffers;
}

/** A file of stored blocks of one byte each. */
function oneByteBlocks(count: number): Uint8Array {
  const byte = Uint8Array.of(65);
  const parts: Uint8Array[] = [memberHeader()];
  for (let i = 0, sum = 0; i < count; i++) {
    sum = checksum(byte, sum);
    const header = { mode: 'stored', length: 1, codedLength: 1, streams: 0, last: i === count - 1 } as const;
    parts.push(blockHeader(header), byte, blockTrailer(sum));
  }
  return Buffer.concat(parts);
}

const text = new TextEncoder().encode('the quick brown fox jumps over the lazy dog. '.repeat(800));
const packed = await compress(text, { mode: 'mixing-fast', blockSize: 8192 });

describe('memory', () => {
  it('grows with the bytes, not with the number of chunks', async () => {
    const count = 100_000;
    const before = memoryInUse();
    let during = 0;
    async function* source() {
      for (let i = 0; i < count; i++) yield Uint8Array.of(i);
      during = memoryInUse();
    }
    const bytes = await new ByteReader(source()).read(2 ** 24);
    expect(bytes).toEqual(Uint8Array.from({ length: count }, (_, i) => i));
    expect(during - before).toBeLessThan(20 * count);
  });

  it('grows with the bytes, not with the number of blocks', async () => {
    const count = 50_000;
    const file = oneByteBlocks(count);
    const before = memoryInUse();
    let during = 0;
    const back = await decompress(file, {
      onProgress: ({ bytesOut }) => {
        if (bytesOut === count) during = memoryInUse();
      },
    });
    expect(back).toEqual(new Uint8Array(count).fill(65));
    expect(back.buffer.byteLength).toBe(count);
    expect(during - before).toBeLessThan(20 * count);
  });

  it('of blocks that are gathered is within the limit', async () => {
    const file = oneByteBlocks(20_000);
    await expect(decompress(file, { memoryLimit: 20_000 })).rejects.toMatchObject({
      code: 'ERR_MEMORY_LIMIT',
    });
    expect((await decompress(file, { memoryLimit: 50_000 })).length).toBe(20_000);
    // nothing is gathered
    expect((await join(decompressChunks([file], { memoryLimit: 1000 }))).length).toBe(20_000);
    const long = new Uint8Array(40_000);
    const options = { mode: 'stored', blockSize: 8192 } as const;
    await expect(compress(long, { ...options, memoryLimit: 50_000 })).rejects.toMatchObject({
      code: 'ERR_MEMORY_LIMIT',
    });
    expect((await compress(long, { ...options, memoryLimit: 100_000 })).length).toBeLessThan(40_100);
    expect((await join(compressChunks([long], { ...options, memoryLimit: 20_000 }))).length).toBeLessThan(
      40_100,
    );
  });

  it('of a block that is read is within the limit, before it is all there', async () => {
    let taken = 0;
    async function* endless() {
      for (; ; taken++) yield Uint8Array.of(65);
    }
    const options = { mode: 'stored', blockSize: 2 ** 26, memoryLimit: 30_000 } as const;
    await expect(join(compressChunks(endless(), options))).rejects.toMatchObject({
      code: 'ERR_MEMORY_LIMIT',
    });
    expect(taken).toBeLessThan(30_000);
  });
});

describe('input that changes', () => {
  const refused = { code: 'ERR_OPTIONS', message: expect.stringMatching(/^the input was .* a copy of it$/) };
  const resizable = (bytes: Uint8Array, most = 2 * bytes.length) => {
    // not in the types of ES2022
    const buffer = new (ArrayBuffer as new (n: number, o: object) => ArrayBuffer)(bytes.length, {
      maxByteLength: most,
    });
    const view = new Uint8Array(buffer);
    view.set(bytes);
    return { view, resize: (n: number) => (buffer as unknown as { resize(n: number): void }).resize(n) };
  };
  const detach = (view: Uint8Array) => {
    const { buffer } = view;
    structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
  };

  it.each([0, 1, 10, packed.length - 1, packed.length + 1])(
    'is refused when it is resized to %d bytes meanwhile',
    async (size) => {
      const { view, resize } = resizable(packed);
      const output = decompressChunks([view]);
      await output.next();
      resize(size);
      await expect(collect(output)).rejects.toMatchObject(refused);
    },
  );

  it('is refused when it is shrunk while it is compressed', async () => {
    const { view, resize } = resizable(text);
    const output = compressChunks([view], { mode: 'stored', blockSize: 8192 });
    await output.next();
    resize(10);
    await expect(collect(output)).rejects.toMatchObject(refused);
  });

  it('is refused when it is transferred meanwhile', async () => {
    const runs: [Uint8Array, (view: Uint8Array) => AsyncGenerator<unknown>][] = [
      [packed, (view) => decompressChunks([view])],
      [text, (view) => compressChunks([view], { mode: 'stored', blockSize: 8192 })],
      [packed, (view) => inspect(view)],
    ];
    for (const [bytes, start] of runs) {
      const view = new Uint8Array(bytes);
      const output = start(view);
      await output.next();
      detach(view);
      await expect(collect(output)).rejects.toMatchObject(refused);
    }
  });

  it('is not taken for an empty one when it was transferred or cut away before', async () => {
    const transferred = new Uint8Array(packed);
    detach(transferred);
    const { view, resize } = resizable(packed);
    const cut = view.subarray(100, 200);
    resize(50);
    for (const gone of [transferred, cut])
      for (const run of [() => decompress(gone), () => compress(gone), () => collect(inspect(gone))])
        await expect(run()).rejects.toMatchObject(refused);
    expect((await compress(new Uint8Array(0))).length).toBe(6);
    expect((await compress(new Uint8Array(packed.buffer, 10, 0))).length).toBe(6);
  });

  it('may lie in memory that is shared', async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(packed.length));
    shared.set(packed);
    expect(await decompress(shared)).toEqual(text);
    const source = new Uint8Array(new SharedArrayBuffer(text.length));
    source.set(text);
    const file = await compress(source, { mode: 'stored' });
    expect(file.buffer).toBeInstanceOf(ArrayBuffer);
    expect(await decompress(file)).toEqual(text);
  });

  it('is read once: what was checked is what is decoded, whatever another thread writes', async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(packed.length));
    shared.set(packed);
    const reader = new ByteReader([shared]);
    const bytes = await reader.read(100);
    shared.fill(0);
    expect(bytes).toEqual(packed.slice(0, 100));
    expect(bytes.buffer).toBeInstanceOf(ArrayBuffer);
  });
});
