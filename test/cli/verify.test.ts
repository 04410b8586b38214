/** @file What the command line checks before an output gets its name. */
import { describe, expect, it } from 'vitest';
import { Tally, verifiedChunks, verifyCompressed, verifyWritten } from '../../src/cli/io/verify.js';
import { compressChunks } from '../../src/index.js';
import { sampleText } from '../helpers/letters-model.js';

const text = sampleText(30_000);
const stored = { mode: 'stored', blockSize: 8192 } as const;

async function* pieces(bytes: Uint8Array, size = 5000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const tally = (bytes: Uint8Array) => new Tally().drain(pieces(bytes));

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return Buffer.concat(parts);
}

describe('verification', () => {
  it('a tally tells bytes apart, not chunks', async () => {
    expect((await tally(text)).equals(await new Tally().drain(pieces(text, 7)))).toBe(true);
    const other = Buffer.from(text);
    other[100] ^= 1;
    expect((await tally(text)).equals(await tally(other))).toBe(false);
    expect((await tally(text)).equals(await tally(text.subarray(1)))).toBe(false);
  });

  it('finds a compressed file that is not the input', async () => {
    const file = await collect(compressChunks([text], stored));
    await verifyCompressed([file], await tally(text), {});
    await expect(verifyCompressed([file], await tally(text.subarray(1)), {})).rejects.toThrow('report');
    file[1000] ^= 1;
    await expect(verifyCompressed([file], await tally(text), {})).rejects.toThrow(
      'does not decompress to the input',
    );
  });

  it('finds a file that does not hold what was written', async () => {
    await verifyWritten(pieces(text), await tally(text));
    await expect(verifyWritten(pieces(text.subarray(1)), await tally(text))).rejects.toThrow(
      'check the disk',
    );
  });

  it('in a pipe, hands on each block once it was decoded', async () => {
    const plain = new Tally();
    const chunks = compressChunks(plain.through(pieces(text)), stored);
    const file = await collect(verifiedChunks(chunks, plain, {}));
    expect(file.equals(await collect(compressChunks([text], stored)))).toBe(true);
  });

  it('in a pipe, hands on nothing of a block that is wrong', async () => {
    const plain = new Tally();
    async function* damaged() {
      let n = 0;
      for await (const chunk of compressChunks(plain.through(pieces(text)), stored)) {
        if (++n === 3) chunk[500] ^= 1;
        yield chunk;
      }
    }
    const got: number[] = [];
    const run = (async () => {
      for await (const chunk of verifiedChunks(damaged(), plain, {})) got.push(chunk.length);
    })();
    await expect(run).rejects.toThrow('does not decompress to the input');
    expect(got).toHaveLength(2);
  });

  it('in a pipe, works for nothing at all', async () => {
    const plain = new Tally();
    const file = await collect(
      verifiedChunks(compressChunks(plain.through(pieces(text.subarray(0, 0)))), plain, {}),
    );
    expect(file).toHaveLength(6);
  });
});
