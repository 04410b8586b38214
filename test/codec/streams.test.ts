/** @file Node and web streams when something other than reading to the end happens to them. */
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setTimeout as wait } from 'node:timers/promises';
import { createGunzip, createGzip, type Gzip } from 'node:zlib';
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
  FLUSH,
} from '../../src/index.js';
import { collect, join } from '../helpers/collect.js';
import { type FakeEngine, fakeEngine, fakeModel, likelyBytes } from '../helpers/fake-engine.js';

const options = { model: fakeModel(), engine: fakeEngine(), mode: 'network' } as const;
const data = likelyBytes(100_000);
const file = await compress(data, options);

/** An engine that counts what it predicts, and calls `then` once it has begun. */
function watched(then: () => void): { engine: FakeEngine; symbols: () => number } {
  const engine = fakeEngine();
  const { open } = engine;
  let symbols = 0;
  engine.open = (model, streams) => {
    const network = open(model, streams);
    const count = (n: number) => {
      symbols += n;
      if (symbols === n) then();
    };
    return {
      ...network,
      run(bytes, steps, frequencies) {
        count(steps * streams);
        return network.run(bytes, steps, frequencies);
      },
      step(bytes, frequencies) {
        count(streams);
        return network.step(bytes, frequencies);
      },
    };
  };
  return { engine, symbols: () => symbols };
}

/** More than is predicted between two looks at a signal, much less than all. */
const LITTLE = 5000;

const closed = (stream: Duplex) => new Promise<void>((resolve) => stream.once('close', resolve));

describe('destroying a Node stream', () => {
  const make = {
    createCompress: (engine: FakeEngine) => ({ stream: createCompress({ ...options, engine }), input: data }),
    createDecompress: (engine: FakeEngine) => ({
      stream: createDecompress({ ...options, engine }),
      input: file,
    }),
  };

  it.each(Object.entries(make))('%s stops in the middle of a block and frees the network', async (_, of) => {
    const { engine, symbols } = watched(() => stream.destroy());
    const { stream, input } = of(engine);
    const close = closed(stream);
    stream.on('error', (error) => {
      throw error;
    });
    stream.resume().end(input);
    await close;
    expect(engine.opened).toBe(1);
    expect(engine.closed).toBe(1);
    expect(symbols()).toBeLessThan(LITTLE);
    await wait(20);
    expect(symbols()).toBeLessThan(LITTLE);
  });

  it.each(Object.entries(make))('%s stops with the error that it is given', async (_, of) => {
    const reason = new Error('changed my mind');
    const { engine } = watched(() => stream.destroy(reason));
    const { stream, input } = of(engine);
    stream.resume().end(input);
    await expect(finished(stream)).rejects.toBe(reason);
    expect(engine.closed).toBe(engine.opened);
  });

  it('closes while it waits for input, for a reader, or before anything was written', async () => {
    const untouched = createCompress(options);
    const waiting = createDecompress(options).resume();
    waiting.write(file.subarray(0, 100));
    const full = createCompress({ ...options, mode: 'stored', blockSize: 8192 });
    full.write(new Uint8Array(300_000));
    await wait(5);
    for (const stream of [untouched, waiting, full]) {
      const close = closed(stream);
      stream.destroy();
      await close;
    }
    expect(full.readableLength).toBeGreaterThan(0);
  });

  it('is what leaving a loop over it does', async () => {
    const engine = fakeEngine();
    const stream = createCompress({ ...options, engine, blockSize: 8192 });
    const close = closed(stream);
    stream.write(data);
    for await (const chunk of stream) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expect(stream.destroyed).toBe(true);
    await close;
    expect(engine.closed).toBe(engine.opened);
  });

  it('tells the same of what was written as zlib does', async () => {
    const told = async (stream: Duplex) => {
      const errors: unknown[] = [];
      stream.on('error', (error) => errors.push(error));
      stream.write(new Uint8Array(10), (error) => errors.push(error ?? 'written'));
      stream.write(new Uint8Array(10), (error) => errors.push(error?.message));
      stream.destroy();
      await closed(stream);
      await wait(5);
      return errors.filter((error) => error !== 'written');
    };
    expect(await told(createCompress(options))).toEqual(await told(createGzip()));
  });
});

describe('a signal', () => {
  it('stops a stream while it waits for input', async () => {
    const controller = new AbortController();
    const stream = createDecompress({ ...options, signal: controller.signal });
    stream.write(file.subarray(0, 100));
    await wait(5);
    controller.abort(new Error('stop'));
    await expect(finished(stream.resume())).rejects.toThrow('stop');
  });

  it.each([compressChunks, decompressChunks])('%o throws its reason while the source stalls', async (run) => {
    let returned = 0;
    const stalling: AsyncIterable<Uint8Array> & AsyncIterator<Uint8Array> = {
      next: () => new Promise(() => {}),
      return: () => {
        returned++;
        return new Promise(() => {});
      },
      [Symbol.asyncIterator]: () => stalling,
    };
    const controller = new AbortController();
    const output = run(stalling, { ...options, signal: controller.signal }).next();
    setImmediate(() => controller.abort(new Error('stop')));
    await expect(output).rejects.toThrow('stop');
    expect(returned).toBe(1);
  });
});

describe('web streams', () => {
  const make = {
    compressStream: (engine: FakeEngine) => ({
      ...compressStream({ ...options, engine, blockSize: 8192 }),
      input: data,
    }),
    decompressStream: (engine: FakeEngine) => ({ ...decompressStream({ ...options, engine }), input: file }),
  };

  it.each(Object.entries(make))('%s: cancel() stops in the middle of a block', async (_, of) => {
    let cancelled: Promise<void> | undefined;
    const { engine, symbols } = watched(() => {
      cancelled = reader.cancel('enough');
    });
    const { readable, writable, input } = of(engine);
    const reader = readable.getReader();
    const writer = writable.getWriter();
    const written = writer.write(input as Uint8Array<ArrayBuffer>);
    const end = writer.close();
    const failing = Promise.allSettled([written, end, writer.closed]);
    expect((await reader.read()).done).toBe(true);
    await cancelled;
    expect(engine.closed).toBe(1);
    expect(symbols()).toBeLessThan(LITTLE);
    expect(await failing).toEqual(Array(3).fill({ status: 'rejected', reason: 'enough' }));
    await expect(writer.write(new Uint8Array(1))).rejects.toBe('enough');
  });

  it.each(Object.entries(make))('%s: abort() stops in the middle of a block', async (_, of) => {
    let aborted: Promise<void> | undefined;
    const { engine, symbols } = watched(() => {
      aborted = writer.abort('enough');
    });
    const { readable, writable, input } = of(engine);
    const writer = writable.getWriter();
    const failing = Promise.allSettled([
      writer.write(input as Uint8Array<ArrayBuffer>),
      writer.closed,
      readable.getReader().read(),
    ]);
    expect(await failing).toEqual(Array(3).fill({ status: 'rejected', reason: 'enough' }));
    await aborted;
    expect(engine.closed).toBe(1);
    expect(symbols()).toBeLessThan(LITTLE);
  });

  it('cancel() and abort() stop while nothing is written', async () => {
    const one = compressStream(options);
    const read = one.readable.getReader();
    const pending = read.read();
    await read.cancel('enough');
    expect((await pending).done).toBe(true);
    const other = decompressStream(options);
    const failing = other.readable.getReader().read();
    failing.catch(() => {});
    await other.writable.abort('enough');
    await expect(failing).rejects.toBe('enough');
  });

  it('close() fails where what was written does not decompress', async () => {
    const { readable, writable } = decompressStream(options);
    const writer = writable.getWriter();
    writer.closed.catch(() => {});
    const written = writer.write(file.slice(0, file.length - 1)).catch(() => {});
    const end = writer.close();
    await expect(join(readable)).rejects.toMatchObject({ code: 'ERR_TRUNCATED' });
    await expect(end).rejects.toMatchObject({ code: 'ERR_TRUNCATED' });
    await written;
  });

  it('are a pair for pipeThrough, as CompressionStream is, and no instances of TransformStream', () => {
    for (const pair of [compressStream(options), new CompressionStream('gzip')]) {
      expect(pair).not.toBeInstanceOf(TransformStream);
      expect(pair.readable).toBeInstanceOf(ReadableStream);
      expect(pair.writable).toBeInstanceOf(WritableStream);
    }
  });
});

describe('Node streams do as zlib’s do:', () => {
  /** Names of what a stream emits, in order, until it closes though nobody reads it. */
  async function events(stream: Duplex, input: Uint8Array): Promise<string[]> {
    const seen: string[] = [];
    for (const name of ['error', 'end', 'finish', 'close']) stream.on(name, () => seen.push(name));
    stream.end(input);
    await closed(stream);
    return seen;
  }

  it('errors are emitted though nobody reads', async () => {
    const garbage = Buffer.from('garbage garbage');
    const expected = await events(createGunzip(), garbage);
    expect(expected).toEqual(['error', 'close']);
    expect(await events(createDecompress(options), garbage)).toEqual(expected);
    expect(await events(createDecompress(options), file.subarray(0, -1))).toEqual(expected);
  });

  it('what nobody reads waits, and holds what is written back', async () => {
    const stream = createCompress({ ...options, mode: 'stored', blockSize: 8192 });
    let written = 0;
    for (let i = 0; i < 100; i++) stream.write(randomBytes(10_000), () => written++);
    await wait(20);
    expect(written).toBeLessThan(20);
    stream.end();
    expect((await join(stream)).length).toBeGreaterThan(1_000_000);
    expect(written).toBe(100);
  });

  it('strings are written as text, in UTF-8 or the encoding named', async () => {
    const stream = createCompress(options);
    stream.write('Größe ');
    stream.write('00ff', 'hex');
    stream.end('end', 'latin1');
    const text = Buffer.concat([Buffer.from('Größe '), Buffer.of(0, 255), Buffer.from('end')]);
    expect(Buffer.from(await decompress(await join(stream), options))).toEqual(text);
    const back = createDecompress(options);
    back.setEncoding('utf8').end(await compress(Buffer.from('Größe'), options));
    let read = '';
    for await (const part of back) read += part;
    expect(read).toBe('Größe');
  });

  it('they carry bytes, not objects, and refuse what is neither bytes nor text', () => {
    for (const stream of [createCompress(options), createDecompress(options), createGzip()]) {
      expect([stream.readableObjectMode, stream.writableObjectMode]).toEqual([false, false]);
      expect(() => stream.write({})).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }));
      stream.destroy();
    }
  });

  it('a wrong option throws where the stream is made', () => {
    expect(() => createGzip({ level: 99 })).toThrow();
    for (const make of [createCompress, compressStream])
      expect(() => make({ level: 99 })).toThrow(expect.objectContaining({ code: 'ERR_OPTIONS' }));
    for (const make of [createDecompress, decompressStream])
      expect(() => make({ maxOutputLength: -1 })).toThrow(expect.objectContaining({ code: 'ERR_OPTIONS' }));
  });

  it('they finish and end and close, in zlib’s order', async () => {
    const order = async (stream: Duplex) => {
      const seen: string[] = [];
      for (const name of ['prefinish', 'finish', 'end', 'close']) stream.on(name, () => seen.push(name));
      stream.resume().end(data.subarray(0, 100));
      await closed(stream);
      return seen;
    };
    expect(await order(createCompress(options))).toEqual(await order(createGzip()));
  });
});

describe('flush()', () => {
  const block = { ...options, blockSize: 8192 };

  /** What came out of a stream, once a flush is told to be done. */
  async function flushed(stream: Gzip | ReturnType<typeof createCompress>, parts: Buffer[]): Promise<Buffer> {
    await new Promise<void>((resolve) => stream.flush(() => resolve()));
    return Buffer.concat(parts);
  }

  /**
   * The first bytes that a live decoder gives for the start of a compressed stream. Waits for ever if they do
   * not come.
   */
  async function firstBytes(decoder: Duplex, bytes: Uint8Array, length: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    decoder.write(bytes);
    for await (const part of decoder) {
      parts.push(part);
      if (Buffer.concat(parts).length >= length) break;
    }
    return Buffer.concat(parts);
  }

  it.each([
    ['shacomp', () => createCompress(block), () => createDecompress(options)],
    ['gzip', createGzip, createGunzip],
  ])('%s: all that was written before can be decoded from what has come out', async (_, encoder, decoder) => {
    const stream = encoder();
    const parts: Buffer[] = [];
    stream.on('data', (part) => parts.push(part));
    let written = 0;
    for (const length of [1, 100, 8191, 8192, 20_000]) {
      stream.write(data.subarray(written, written + length));
      written += length;
      const bytes = await flushed(stream, parts);
      const decoded = await firstBytes(decoder(), bytes, written);
      expect(Buffer.compare(decoded, data.subarray(0, written))).toBe(0);
    }
    stream.end();
    await closed(stream);
    const whole = await join(decoder().end(Buffer.concat(parts)));
    expect(Buffer.compare(whole, data.subarray(0, written))).toBe(0);
  });

  it('without anything new adds nothing', async () => {
    const stream = createCompress(block);
    const parts: Buffer[] = [];
    stream.on('data', (part) => parts.push(part));
    expect((await flushed(stream, parts)).length).toBe(0);
    stream.write(data.subarray(0, 500));
    const { length } = await flushed(stream, parts);
    expect(length).toBeGreaterThan(100);
    expect((await flushed(stream, parts)).length).toBe(length);
    stream.end();
    await closed(stream);
    // the end that the block could not mark
    expect(Buffer.concat(parts).length).toBe(length + 1);
  });

  it('calls back after the end as well, and takes zlib’s kind', async () => {
    for (const stream of [createCompress(block), createGzip()]) {
      stream.resume().write(data.subarray(0, 500));
      await new Promise<void>((resolve) => stream.flush(2, () => resolve()));
      stream.end();
      await new Promise<void>((resolve) => stream.flush(() => resolve()));
    }
  });

  it('of an empty stream leaves the shortest file', async () => {
    const stream = createCompress(block);
    stream.flush();
    stream.end();
    expect(await join(stream)).toEqual(Buffer.from(await compress(new Uint8Array(0), options)));
  });

  it('is a mark in the source of chunks, and in what is written to a web stream', async () => {
    async function* source() {
      yield FLUSH;
      yield data.subarray(0, 100);
      yield FLUSH;
      yield FLUSH;
      yield data.subarray(100, 8192);
      yield data.subarray(8192, 8392);
      yield FLUSH;
    }
    const chunks = await collect(compressChunks(source(), block));
    // the blocks of 100, 8192 and 100 bytes, and the end
    expect(chunks.length).toBe(4);
    const { readable, writable } = compressStream(block);
    const writer = writable.getWriter();
    const writes = (async () => {
      for await (const part of source()) await writer.write(part);
      await writer.close();
    })();
    expect(await join(readable)).toEqual(Buffer.concat(chunks));
    await writes;
    expect(await decompress(Buffer.concat(chunks), options)).toEqual(data.slice(0, 8392));
  });

  it('keeps the total length true, and a wrong one refused', async () => {
    const parts = [data.subarray(0, 9000), FLUSH, data.subarray(9000, 18_000), FLUSH] as const;
    const coded = await join(compressChunks(parts, { ...block, size: 18_000 }));
    expect(await decompress(coded, options)).toEqual(data.slice(0, 18_000));
    for (const size of [8999, 9000, 17_999, 18_001])
      await expect(join(compressChunks(parts, { ...block, size }))).rejects.toMatchObject({
        code: 'ERR_OPTIONS',
      });
  });

  it('has no place in what is decompressed', async () => {
    const source = [FLUSH, file] as Uint8Array[];
    await expect(join(decompressChunks(source, options))).rejects.toMatchObject({ code: 'ERR_OPTIONS' });
  });
});
