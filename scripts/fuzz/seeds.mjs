#!/usr/bin/env node
/**
 * @file Writes fixtures/fuzz/safetensors: headers at the edges of what is allowed, as seeds for
 * `npm run fuzz`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';

const folder = new URL('../../fixtures/fuzz/safetensors/', import.meta.url);

/** A file with this header and `body` bytes behind it; `length` is what it says of its header. */
function file(header, body = 0, length = undefined) {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(length ?? BigInt(text.length));
  return Buffer.concat([prefix, text, Buffer.alloc(body, 1)]);
}

const tensor = (shape, data_offsets, dtype = 'F32') => ({ dtype, shape, data_offsets });

const FILES = {
  'good-empty': file({}),
  'good-metadata': file({ __metadata__: { format: 'pt' }, a: tensor([2, 3], [0, 24]) }, 24),
  'good-bytes': file({ a: tensor([3], [0, 3], 'U8'), b: tensor([0, 5], [3, 3]), c: tensor([], [3, 7]) }, 7),
  'good-name': file('{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}', 4),
  'bad-overlap': file({ a: tensor([2], [0, 8]), b: tensor([2], [4, 12]) }, 12),
  'bad-gap': file({ a: tensor([1], [0, 4]), b: tensor([1], [8, 12]) }, 12),
  'bad-length': file({}, 0, 2n ** 63n),
  'bad-shape': file({ a: tensor([2 ** 27, 2 ** 27], [0, 16]) }, 16),
  'bad-negative': file({ a: tensor([-1], [0, 4]) }, 4),
  'bad-type': file({ a: tensor([2], [0, 4], 'BF16') }, 4),
  'bad-json': file('{"a":'),
  'bad-nested': file('['.repeat(20000)),
};

mkdirSync(folder, { recursive: true });
for (const [name, bytes] of Object.entries(FILES))
  writeFileSync(new URL(`${name}.safetensors`, folder), bytes);
