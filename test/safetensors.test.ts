import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  encodeSafetensors,
  parseSafetensors,
  readSafetensors,
  type Tensor,
  writeSafetensors,
} from '../src/trainer/safetensors.js';

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
});
