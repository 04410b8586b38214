/** @file Files with holes: the same bytes in less space. */
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { SparseWriter } from '../../src/node/sparse.js';

const folder = mkdtempSync(join(tmpdir(), 'shacomp-sparse-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

async function written(chunks: readonly Uint8Array[]): Promise<string> {
  const path = join(folder, `${files++}`);
  const handle = await open(path, 'wx');
  const writer = new SparseWriter(handle);
  for (const chunk of chunks) await writer.write(chunk);
  await writer.finish();
  await handle.close();
  return path;
}

describe('a sparse file', () => {
  it('has the bytes that were written, in whatever chunks, zeros at the end included', async () => {
    const piece = fc.record({ byte: fc.constantFrom(0, 0, 1), length: fc.integer({ min: 0, max: 20_000 }) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 8 }),
        fc.integer({ min: 1, max: 9000 }),
        async (pieces, size) => {
          const bytes = Buffer.concat(pieces.map(({ byte, length }) => Buffer.alloc(length, byte)));
          const chunks: Uint8Array[] = [];
          for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
          expect(Buffer.compare(readFileSync(await written(chunks)), bytes)).toBe(0);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('takes hardly any space for zeros, where the file system has holes', async () => {
    const chunk = new Uint8Array(2 ** 20);
    const plain = join(folder, 'holes');
    const handle = await open(plain, 'wx');
    await handle.truncate(2 ** 20);
    await handle.close();
    const holes = statSync(plain).blocks === 0;
    const path = await written([chunk, Uint8Array.of(1), chunk]);
    expect(statSync(path).size).toBe(2 ** 21 + 1);
    if (holes) expect(512 * statSync(path).blocks).toBeLessThan(2 ** 17);
  });
});
