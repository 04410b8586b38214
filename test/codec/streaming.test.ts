import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { describe, expect, it } from 'vitest';
import {
  compress,
  compressChunks,
  compressStream,
  createCompress,
  createDecompress,
  decompress,
  decompressChunks,
  decompressStream,
} from '../../src/index.js';
import { join } from '../helpers/collect.js';
import { fakeEngine, fakeModel, likelyBytes } from '../helpers/fake-engine.js';

const options = { model: fakeModel(), engine: fakeEngine(), mode: 'network' } as const;

const split = (bytes: Uint8Array, at: number) => [bytes.subarray(0, at), bytes.subarray(at)];

function pieces(bytes: Uint8Array, size: number): Uint8Array[] {
  const list: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += size) list.push(bytes.subarray(at, at + size));
  return list;
}

describe('chunks', () => {
  const data = likelyBytes(200);

  it('may be split at every point of the input, in both directions', async () => {
    const file = await compress(data, options);
    for (let at = 0; at <= data.length; at++)
      expect(Buffer.compare(await join(compressChunks(split(data, at), options)), file)).toBe(0);
    for (let at = 0; at <= file.length; at++)
      expect(Buffer.compare(await join(decompressChunks(split(file, at), options)), data)).toBe(0);
  });

  it('may be of any size, across blocks', async () => {
    const long = likelyBytes(30_000);
    const blocks = { ...options, blockSize: 8192 };
    const file = await join(compressChunks([long], blocks));
    for (const size of [1, 7, 1000, 8191, 8192, 8193]) {
      expect(Buffer.compare(await join(compressChunks(pieces(long, size), blocks)), file)).toBe(0);
      expect(Buffer.compare(await join(decompressChunks(pieces(file, size), options)), long)).toBe(0);
    }
  });

  it('may lie in one buffer that the source uses again', async () => {
    async function* reused() {
      const buffer = new Uint8Array(64);
      for (const piece of pieces(data, 64)) {
        buffer.set(piece);
        yield buffer.subarray(0, piece.length);
        buffer.fill(0xee);
      }
    }
    expect(Buffer.compare(await join(compressChunks(reused(), options)), await compress(data, options))).toBe(
      0,
    );
  });

  it('come out block by block, before the input has ended', async () => {
    const long = likelyBytes(3 * 8192);
    let taken = 0;
    async function* source() {
      for (const piece of pieces(long, 1024)) {
        taken += piece.length;
        yield piece;
      }
    }
    const output = compressChunks(source(), { ...options, blockSize: 8192 });
    await output.next();
    expect(taken).toBeLessThanOrEqual(8192 + 1024);
    await output.return();
  });

  it('that are not bytes are refused', async () => {
    const strings = ['text'] as unknown as Uint8Array[];
    await expect(join(compressChunks(strings, options))).rejects.toMatchObject({ code: 'ERR_OPTIONS' });
    await expect(compress('text' as unknown as Uint8Array)).rejects.toMatchObject({ code: 'ERR_OPTIONS' });
    await expect(decompress('text' as unknown as Uint8Array)).rejects.toMatchObject({ code: 'ERR_OPTIONS' });
  });

  it('stop where the source throws, and the source is told when reading stops', async () => {
    let closed = 0;
    async function* failing() {
      try {
        yield data;
        throw new Error('disk on fire');
      } finally {
        closed++;
      }
    }
    await expect(join(compressChunks(failing(), options))).rejects.toThrow('disk on fire');
    expect(closed).toBe(1);
    async function* garbage() {
      try {
        for (;;) yield data;
      } finally {
        closed++;
      }
    }
    await expect(join(decompressChunks(garbage(), options))).rejects.toMatchObject({
      code: 'ERR_NOT_SHACOMP',
    });
    expect(closed).toBe(2);
  });
});

describe('web streams', () => {
  it('compress and decompress through pipes', async () => {
    const data = likelyBytes(30_000);
    const source = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const piece of pieces(data, 1234)) controller.enqueue(piece);
        controller.close();
      },
    });
    const back = source
      .pipeThrough(compressStream({ ...options, blockSize: 8192 }))
      .pipeThrough(decompressStream(options));
    expect(Buffer.compare(await join(back), data)).toBe(0);
  });

  it('pass errors to the reader and to the writer', async () => {
    let cancelled: unknown;
    const source = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(likelyBytes(10)),
      cancel: (reason) => {
        cancelled = reason;
      },
    });
    await expect(join(source.pipeThrough(decompressStream(options)))).rejects.toMatchObject({
      code: 'ERR_NOT_SHACOMP',
    });
    expect(cancelled).toMatchObject({ code: 'ERR_NOT_SHACOMP' });
  });

  it('stop when the reader cancels', async () => {
    const engine = fakeEngine();
    const { readable, writable } = compressStream({ ...options, engine, blockSize: 8192 });
    const writer = writable.getWriter();
    writer.write(likelyBytes(20_000)).catch(() => {});
    writer.closed.catch(() => {});
    const reader = readable.getReader();
    await reader.read();
    await reader.cancel('enough');
    expect(engine.closed).toBe(engine.opened);
    await expect(writer.write(new Uint8Array(1))).rejects.toBe('enough');
  });
});

describe('node streams', () => {
  it('compress and decompress in pipelines', async () => {
    const data = likelyBytes(30_000);
    const parts: Uint8Array[] = [];
    const sink = new Writable({
      write(chunk, _, done) {
        parts.push(chunk);
        done();
      },
    });
    const source = Readable.from(pieces(data, 777));
    await pipeline(source, createCompress({ ...options, blockSize: 8192 }), createDecompress(options), sink);
    expect(Buffer.compare(Buffer.concat(parts), data)).toBe(0);
  });

  it('take an empty input', async () => {
    const file = await join(Readable.from([]).pipe(createCompress(options)));
    expect(file.length).toBe(6);
    expect((await join(Readable.from([file]).pipe(createDecompress(options)))).length).toBe(0);
  });

  it('fail a pipeline with typed errors', async () => {
    const sink = new Writable({ write: (_chunk, _encoding, done) => done() });
    const source = Readable.from([Buffer.from('not ours')]);
    await expect(pipeline(source, createDecompress(options), sink)).rejects.toMatchObject({
      code: 'ERR_NOT_SHACOMP',
    });
  });

  it('can be destroyed in the middle', async () => {
    const engine = fakeEngine();
    const stream = createCompress({ ...options, engine, blockSize: 8192 });
    stream.write(likelyBytes(30_000));
    await new Promise((resolve) => stream.once('data', resolve));
    stream.destroy();
    await new Promise((resolve) => stream.once('close', resolve));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(engine.closed).toBe(engine.opened);
  });
});
