import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ShacompError } from '../../src/index.js';
import { readCheckpoint } from '../../src/trainer/checkpoint.js';
import {
  encodeSafetensors,
  parseSafetensors,
  readSafetensors,
  type Tensor,
  writeSafetensors,
} from '../../src/trainer/safetensors.js';
import { random } from '../helpers/fake-engine.js';

const folder = mkdtempSync(join(tmpdir(), 'shacomp-safetensors-'));
afterAll(() => rmSync(folder, { recursive: true }));

const tensors = new Map<string, Tensor>([
  ['a', { shape: [2, 3], data: Float32Array.of(1, -2.5, 3e38, 1e-45, -0, 6) }],
  ['bytes', { shape: [5], data: Uint8Array.of(0, 1, 2, 254, 255) }],
  ['nothing', { shape: [0, 7], data: new Float32Array(0) }],
  ['scalar', { shape: [], data: Float32Array.of(0.1) }],
]);
const content = { tensors, metadata: { format: 'pt', note: 'ünïcode' } };
const good = Buffer.concat(encodeSafetensors(content));

/** A file with this header, written as it is, and this many bytes of data. */
function file(header: unknown, data: number, length?: bigint): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(length ?? BigInt(text.length));
  return Buffer.concat([size, text, Buffer.alloc(data)]);
}
const tensor = (shape: unknown, offsets: unknown, dtype: unknown = 'F32') => ({
  dtype,
  shape,
  data_offsets: offsets,
});

const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe('safetensors', () => {
  it('come back as they were written, from any alignment', () => {
    expect(parseSafetensors(good)).toEqual(content);
    expect(parseSafetensors(Buffer.concat([Buffer.alloc(3), good]).subarray(3))).toEqual(content);
  });

  it('are laid out as the format says: little-endian, aligned, in order', () => {
    const length = Number(good.readBigUInt64LE());
    expect(length % 8).toBe(0);
    const header = JSON.parse(good.toString('utf8', 8, 8 + length));
    expect(header).toEqual({
      __metadata__: content.metadata,
      a: tensor([2, 3], [0, 24]),
      bytes: tensor([5], [24, 29], 'U8'),
      nothing: tensor([0, 7], [29, 29]),
      scalar: tensor([], [29, 33]),
    });
    expect(good.readFloatLE(8 + length + 4)).toBe(-2.5);
    expect(good.length).toBe(8 + length + 33);
  });

  it('may list tensors in any order', () => {
    const { a, b } = { a: tensor([1], [4, 8]), b: tensor([1], [0, 4]) };
    const bytes = file({ a, b }, 8);
    bytes.writeFloatLE(7, bytes.length - 4);
    expect(parseSafetensors(bytes).tensors.get('a')?.data).toEqual(Float32Array.of(7));
  });

  const bad: [string, Uint8Array][] = [
    ['an empty file', Buffer.alloc(0)],
    ['a file of seven bytes', Buffer.alloc(7)],
    ['a header longer than the file', file({}, 0, 100n)],
    ['a header of 2^63 bytes', file({}, 0, 2n ** 63n)],
    ['a header that ends too early', file({ a: tensor([1], [0, 4]) }, 4, 12n)],
    ['a header that is not UTF-8', file('{"\xff":1}', 0, 7n)],
    ['a header that is a list', file([], 0)],
    ['a header that is null', file('null', 0)],
    ['deep nesting', file('['.repeat(100_000), 0)],
    ['deep nesting that ends', file(nested(1_000_000), 0)],
    ['deep nesting in an entry', file(`{"a":${nested(100_000)}}`, 0)],
    ['a type that is nested', file(`{"a":{"dtype":${nested(5000)},"shape":[1],"data_offsets":[0,4]}}`, 4)],
    ['a type that makes no text', file({ a: tensor([1], [0, 4], { toString: 1, valueOf: 1 }) }, 4)],
    ['a type that is a list of its name', file({ a: tensor([1], [0, 4], ['F32']) }, 4)],
    ['a shape with a list in it', file({ a: tensor([[1]], [0, 4]) }, 4)],
    ['an entry that is a number', file({ a: 5 }, 0)],
    ['an entry that is text', file({ a: 'F32' }, 0)],
    ['a header longer than any checkpoint needs', file(`{}${' '.repeat(4 << 20)}`, 0)],
    ['metadata that are a list', file({ __metadata__: ['a'] }, 0)],
    ['metadata that are not text', file({ __metadata__: { a: 1 } }, 0)],
    ['metadata that are a number', file({ __metadata__: 1 }, 0)],
    ['an entry that is null', file({ a: null }, 0)],
    ['an unknown type', file({ a: tensor([1], [0, 8], 'F64') }, 8)],
    ['a type by the name of a method', file({ a: tensor([1], [0, 8], 'toString') }, 8)],
    ['no shape', file({ a: tensor(undefined, [0, 4]) }, 4)],
    ['a negative size', file({ a: tensor([-1], [0, 4]) }, 4)],
    ['a fraction as size', file({ a: tensor([0.5, 2], [0, 4]) }, 4)],
    ['negative offsets', file({ a: tensor([1], [-4, 0]) }, 4)],
    ['offsets the wrong way round', file({ a: tensor([1], [4, 0]) }, 4)],
    ['three offsets', file({ a: tensor([1], [0, 4, 8]) }, 8)],
    ['offsets beyond the file', file({ a: tensor([2], [0, 8]) }, 4)],
    ['huge sizes', file({ a: tensor([2 ** 40, 2 ** 40], [0, 4]) }, 4)],
    ['a huge tensor', file({ a: tensor([2 ** 50], [0, 2 ** 52]) }, 4)],
    ['a shape and offsets that differ', file({ a: tensor([2], [0, 4]) }, 4)],
    ['overlapping tensors', file({ a: tensor([2], [0, 8]), b: tensor([2], [4, 12]) }, 12)],
    ['the same bytes twice', file({ a: tensor([1], [0, 4]), b: tensor([1], [0, 4]) }, 4)],
    ['a gap', file({ a: tensor([1], [4, 8]) }, 8)],
    ['bytes after the last tensor', file({ a: tensor([1], [0, 4]) }, 5)],
  ];
  it.each(bad)('are refused: %s', (_, bytes) => {
    expect(() => parseSafetensors(bytes)).toThrow(
      expect.objectContaining({ code: 'ERR_CHECKPOINT_INVALID' }),
    );
  });

  it('take a header of 4 MiB, and write none that they would not take', () => {
    const longest = (4 << 20) - 2;
    expect(parseSafetensors(file(`{}${' '.repeat(longest)}`, 0)).tensors.size).toBe(0);
    const metadata = { note: 'x'.repeat(4 << 20) };
    expect(() => encodeSafetensors({ tensors: new Map(), metadata })).toThrow(
      expect.objectContaining({ code: 'ERR_CHECKPOINT_INVALID' }),
    );
  });

  it('take names and metadata with brackets and quotes in them', () => {
    const odd = '\\"[[[[{{{{"\\';
    const bytes = Buffer.concat(
      encodeSafetensors({
        tensors: new Map([[odd, { shape: [1], data: Float32Array.of(1) }]]),
        metadata: { [odd]: odd },
      }),
    );
    expect(parseSafetensors(bytes).metadata).toEqual({ [odd]: odd });
    expect([...parseSafetensors(bytes).tensors.keys()]).toEqual([odd]);
  });

  it('name what is wrong in one short line without control characters', () => {
    const name = `\u001b[2J\n\u2028\u009b${'x'.repeat(1000)}`;
    const error = (() => {
      try {
        parseSafetensors(file({ [name]: tensor([1], [0, 8], 'F64\u0007\r') }, 8));
      } catch (e) {
        return e as Error;
      }
    })();
    expect(error?.message).toMatch(/^[\x20-\x7e…]{20,200}$/);
  });

  it('give the right tensors or a typed error, whatever is changed in them', () => {
    const next = random(12);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)];
    const length = Number(good.readBigUInt64LE());
    const header = good.toString('utf8', 8, 8 + length);
    const values: unknown[] = [
      null,
      -1,
      1e300,
      'F32',
      'toString',
      [],
      [0, 0],
      { toString: 1 },
      { length: 2 },
      [[1]],
      true,
    ];
    const texts = [
      '9',
      '[',
      ']',
      '{',
      '}',
      '"',
      ',',
      '-1',
      '1e400',
      'null',
      '[[[[]]]]',
      '{"toString":0}',
      '\\',
    ];
    for (let i = 0; i < 3000; i++) {
      let bytes: Buffer = Buffer.from(good);
      if (i % 3 === 0) {
        const json = JSON.parse(header);
        const at = pick(Object.keys(json));
        if (next() < 0.2) json[at] = pick(values);
        else json[at][pick(['dtype', 'shape', 'data_offsets', 'format'])] = pick(values);
        bytes = Buffer.concat([file(json, 0), good.subarray(8 + length)]);
      } else if (i % 3 === 1) {
        const at = Math.floor(next() * header.length);
        const text = header.slice(0, at) + pick(texts) + header.slice(at + Math.floor(next() * 4));
        bytes = Buffer.concat([file(text, 0), good.subarray(8 + length)]);
      } else {
        bytes[Math.floor(next() * (8 + length))] = next() * 256;
        bytes = bytes.subarray(0, bytes.length - Math.floor(next() * 1.2));
      }
      try {
        const { tensors, metadata } = parseSafetensors(bytes);
        for (const { shape, data } of tensors.values())
          expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
        for (const value of Object.values(metadata)) expect(typeof value).toBe('string');
      } catch (error) {
        expect(error).toBeInstanceOf(ShacompError);
        expect((error as ShacompError).code).toBe('ERR_CHECKPOINT_INVALID');
      }
    }
  });

  it('are refused when cut anywhere', () => {
    for (let length = 0; length < good.length; length++)
      expect(() => parseSafetensors(good.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'ERR_CHECKPOINT_INVALID' }),
      );
  });

  it('are written whole', async () => {
    const path = join(folder, 'x.safetensors');
    await writeSafetensors(path, content);
    expect(readFileSync(path)).toEqual(good);
    await writeSafetensors(path, { tensors: new Map(), metadata: {} });
    expect((await readSafetensors(path)).tensors.size).toBe(0);
    expect(readdirSync(folder)).toEqual(['x.safetensors']);
  });

  it('leave nothing behind when they cannot be written', async () => {
    const path = join(folder, 'taken');
    mkdirSync(path);
    await expect(writeSafetensors(path, content)).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(writeSafetensors(join(folder, 'no/x'), content)).rejects.toMatchObject({
      code: 'ERR_FILE',
      message: expect.stringContaining(join(folder, 'no/x')),
    });
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('name the file that cannot be read', async () => {
    const path = join(folder, 'bad');
    writeFileSync(path, 'x');
    const refused = (code: string) => ({ code, message: expect.stringMatching(/^\S*bad: /) });
    await expect(readSafetensors(path)).rejects.toMatchObject(refused('ERR_CHECKPOINT_INVALID'));
    rmSync(path);
    await expect(readSafetensors(path)).rejects.toMatchObject(refused('ERR_FILE'));
    mkdirSync(path);
    await expect(readSafetensors(path)).rejects.toMatchObject(refused('ERR_FILE'));
  });

  it.skipIf(process.platform === 'win32')('are not waited for in pipes, nor read from devices', async () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const path of [pipe, '/dev/zero'])
      await expect(readSafetensors(path)).rejects.toMatchObject({
        code: 'ERR_FILE',
        message: `${path}: is not a regular file`,
      });
  });

  it('take memory for the tensors wanted alone', async () => {
    const path = join(folder, 'sparse');
    const size = 2 ** 36;
    const huge = {
      a: tensor([2], [0, 8]),
      b: tensor([size], [8, 8 + 4 * size]),
      __metadata__: { want: 'a' },
    };
    const start = file(huge, 8);
    writeFileSync(path, start);
    truncateSync(path, start.length + 4 * size);
    const { tensors } = await readSafetensors(
      path,
      ({ want }) =>
        (name) =>
          name === want,
    );
    expect([...tensors]).toEqual([['a', { shape: [2], data: new Float32Array(2) }]]);
    await expect(readSafetensors(path)).rejects.toMatchObject({ code: 'ERR_FILE' });
    await expect(readCheckpoint(path)).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_INVALID' });
  });
});
