/** @file Arguments in all the forms that bytes have, and arguments of the wrong type. */
import { readFile } from 'node:fs/promises';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import {
  type Bytes,
  compress,
  compressChunks,
  compressStream,
  createCompress,
  createDecompress,
  decompress,
  decompressChunks,
  decompressStream,
  ERROR_CODES,
  type ErrorCode,
  inspect,
  loadModel,
  ShacompError,
} from '../../src/index.js';
import { collect, join } from '../helpers/collect.js';
import { fakeEngine, fakeModel, likelyBytes } from '../helpers/fake-engine.js';

const options = { model: fakeModel(), engine: fakeEngine(), mode: 'network' } as const;
const data = likelyBytes(4000);
const file = await compress(data, options);

/** The same bytes in every form, where it can be in the middle of its buffer. */
const forms: [string, (bytes: Uint8Array) => Bytes][] = [
  ['a Uint8Array', (bytes) => padded(bytes)],
  ['a Buffer', (bytes) => Buffer.from(bytes)],
  ['an ArrayBuffer', (bytes) => bytes.slice().buffer],
  ['a SharedArrayBuffer', shared],
  [
    'a DataView',
    (bytes) => {
      const { buffer, byteOffset } = padded(bytes);
      return new DataView(buffer, byteOffset, bytes.length);
    },
  ],
  ['an Int8Array', (bytes) => new Int8Array(padded(bytes).buffer, 8, bytes.length)],
  ['a Uint8ClampedArray', (bytes) => new Uint8ClampedArray(bytes)],
  ['an ArrayBuffer of another realm', (bytes) => foreign(bytes).buffer],
  ['a Uint8Array of another realm', foreign],
];

function padded(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(bytes.length + 24).fill(0xee);
  larger.set(bytes, 8);
  return larger.subarray(8, 8 + bytes.length);
}

function shared(bytes: Uint8Array): SharedArrayBuffer {
  const buffer = new SharedArrayBuffer(bytes.length);
  new Uint8Array(buffer).set(bytes);
  return buffer;
}

function foreign(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const array: Uint8Array<ArrayBuffer> = runInNewContext(`new Uint8Array(${bytes.length})`);
  array.set(bytes);
  return array;
}

describe.each(forms)('%s', (_, form) => {
  it('is taken by compress and decompress', async () => {
    expect(await compress(form(data), options)).toEqual(file);
    expect(await decompress(form(file), options)).toEqual(data);
  });

  it('is taken as a chunk, and in the place of chunks', async () => {
    for (const source of [form(data), [form(data.subarray(0, 99)), form(data.subarray(99))]])
      expect(await join(compressChunks(source, { ...options, size: data.length }))).toEqual(
        Buffer.from(file),
      );
    for (const source of [form(file), [form(file.subarray(0, 99)), form(file.subarray(99))]]) {
      expect(await join(decompressChunks(source, options))).toEqual(Buffer.from(data));
      expect(await collect(inspect(source))).toEqual(await collect(inspect(file)));
    }
  });

  it('can be written to streams', async () => {
    expect(await join(createCompress(options).end(form(data)))).toEqual(Buffer.from(file));
    const stream = createDecompress(options);
    stream.write(form(file));
    expect(await join(stream.end())).toEqual(Buffer.from(data));
    for (const { readable, writable, input, output } of [
      { ...compressStream(options), input: data, output: file },
      { ...decompressStream(options), input: file, output: data },
    ]) {
      const writer = writable.getWriter();
      writer.write(form(input));
      writer.close();
      expect(await join(readable)).toEqual(Buffer.from(output));
    }
  });

  it('can be a model', async () => {
    const bytes = await readFile(new URL('../../fixtures/tiny.sharnn', import.meta.url));
    const { id } = await loadModel(bytes);
    expect((await loadModel(form(bytes))).id).toEqual(id);
  });
});

describe('an argument of the wrong type', () => {
  const typed = expect.objectContaining({ name: 'ShacompError', code: 'ERR_OPTIONS' });
  const wrong: unknown[] = ['text', 5, null, undefined, true, {}, [], [1, 2], () => {}, Symbol('x'), 10n];

  it.each(wrong.map((value) => [value]))('%o in the place of bytes is refused', async (value) => {
    await expect(compress(value as Bytes, options)).rejects.toEqual(typed);
    await expect(decompress(value as Bytes, options)).rejects.toEqual(typed);
  });

  it.each(wrong.filter((value) => !Array.isArray(value) || value.length > 0).map((value) => [value]))(
    '%o in the place of chunks is refused',
    async (value) => {
      for (const run of [compressChunks, decompressChunks, inspect] as ((
        x: never,
      ) => AsyncIterable<never>)[]) {
        await expect(join(run(value as never))).rejects.toEqual(typed);
        // a list of numbers is a list, of wrong chunks
        if (value !== null) await expect(join(run([value] as never))).rejects.toEqual(typed);
      }
    },
  );

  it.each([
    { signal: 'x' },
    { signal: {} },
    { signal: null },
    { onProgress: 5 },
    { onProgress: 'log' },
    { model: 5 },
    { model: {} },
    { model: null },
    { model: new URL('https://example.org/lite.sharnn') },
    { engine: 5 },
    { engine: {} },
    { engine: null },
    { threads: '2' },
    { memoryLimit: '1G' },
    { memoryLimit: 10n },
  ])('option %o is refused before anything is read or coded', async (option) => {
    let read = 0;
    const engine = fakeEngine();
    function* source() {
      read++;
      yield data;
    }
    const bad = { ...options, engine, ...(option as object) };
    if (!('model' in option && option.model instanceof URL)) {
      await expect(join(compressChunks(source(), bad))).rejects.toEqual(typed);
      await expect(join(decompressChunks(source(), bad))).rejects.toEqual(typed);
      for (const make of [createCompress, createDecompress, compressStream, decompressStream])
        expect(() => make(bad)).toThrow(typed);
    }
    await expect(compress(data, bad)).rejects.toEqual(typed);
    await expect(decompress(file, bad)).rejects.toEqual(typed);
    expect(read).toBe(0);
    expect(engine.opened).toBe(0);
  });

  it.each(['text', 5, null])('options that are %o are refused', async (bad) => {
    await expect(compress(data, bad as never)).rejects.toEqual(typed);
    await expect(decompress(file, bad as never)).rejects.toEqual(typed);
    await expect(join(compressChunks(data, bad as never))).rejects.toEqual(typed);
  });

  it('is named in one line, with what it should have been', async () => {
    const message = (run: Promise<unknown>) =>
      run.then(
        () => '',
        (error) => error.message,
      );
    expect(await message(compress('text' as never))).toBe(
      'data must be bytes (Uint8Array, ArrayBuffer or DataView), not a string',
    );
    expect(await message(join(compressChunks('text' as never)))).toBe(
      'the input must be bytes, or an iterable or stream of them, not a string',
    );
    expect(await message(compress(data, { signal: 'x' as never }))).toBe(
      'signal must be an AbortSignal, not a string',
    );
  });

  it('is refused as a model', async () => {
    for (const value of [5, null, {}, [], true, new URL('https://example.org/lite.sharnn')])
      await expect(loadModel(value as never)).rejects.toEqual(typed);
  });
});

describe('the types', () => {
  it('say that results own their buffers: they can be sent, and given to what takes no shared memory', async () => {
    // compiled by the type checker; would fail with a Uint8Array of any buffer
    const packed: Uint8Array<ArrayBuffer> = await compress(data, options);
    const back: Uint8Array<ArrayBuffer> = await decompress(packed, options);
    const body: BodyInit = back;
    expect((await new Response(body).bytes?.()) ?? data).toEqual(data);
    const { buffer }: { buffer: ArrayBuffer } = packed;
    expect(buffer.byteLength).toBe(packed.length);
  });

  it('have a meaning for every code of an error', () => {
    const code: ErrorCode = new ShacompError('ERR_CORRUPT', 'x').code;
    expect(ERROR_CODES[code]).toMatch(/damaged/);
    for (const [name, meaning] of Object.entries(ERROR_CODES)) {
      expect(name).toMatch(/^ERR_[A-Z_]+$/);
      expect(meaning).toMatch(/^[^\n]{10,100}$/);
    }
  });
});
