/** @file The library in a page: streams of chunks, by way of its worker. */
import type { Page } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { compress, decompress } from '../../src/index.js';
import { chromiumPath, eachSite, STRICT } from './browser.js';
import { libraryPage } from './library-page.js';

describe.skipIf(!chromiumPath)('the library in a page', async () => {
  const dist = await libraryPage();
  const site = eachSite(dist, { policy: STRICT });

  it('codes chunks as they come, and gives the same bytes back', async () => {
    const { page, context, problems } = await site().open();
    await page.waitForFunction(() => 'library' in globalThis);
    const { file, same } = await page.evaluate(async () => {
      const { compressChunks, decompressChunks, FLUSH } = globalThis.library;
      const parts = Array.from({ length: 5 }, (_, i) => new TextEncoder().encode(`part ${i}, `.repeat(2000)));
      const source = async function* () {
        yield* parts.slice(0, 2);
        yield FLUSH;
        yield* parts.slice(2);
      };
      const all = async (chunks: AsyncIterable<Uint8Array>) => {
        const found: number[] = [];
        for await (const chunk of chunks) found.push(...chunk);
        return found;
      };
      const file = await all(compressChunks(source(), { level: 1, blockSize: 8192 }));
      const back = await all(decompressChunks([Uint8Array.from(file)]));
      return { file, same: String(back) === String(parts.flatMap((part) => [...part])) };
    });
    expect(same).toBe(true);
    const text = new TextDecoder().decode(await decompress(Uint8Array.from(file)));
    expect(text).toBe([0, 1, 2, 3, 4].map((i) => `part ${i}, `.repeat(2000)).join(''));
    expect(problems).toEqual([]);
    await context.close();
  });

  it('ends a run whose reader wants no more, and one whose source or signal fails', async () => {
    const { page, context, problems } = await site().open();
    await page.waitForFunction(() => 'library' in globalThis);
    const found = await page.evaluate(async () => {
      const { compressChunks, compress } = globalThis.library;
      const noise = () => crypto.getRandomValues(new Uint8Array(65536));
      let ended = false;
      const endless = async function* () {
        try {
          for (;;) yield noise();
        } finally {
          ended = true;
        }
      };
      let chunks = 0;
      for await (const _ of compressChunks(endless(), { level: 1, blockSize: 65536 }))
        if (++chunks === 3) break;
      const failure = async (run: () => Promise<unknown>) => run().catch((error: Error) => error.message);
      const drain = async (made: AsyncIterable<unknown>) => {
        for await (const _ of made);
      };
      const bad = async function* () {
        yield noise();
        throw new Error('the source broke');
      };
      const stop = new AbortController();
      const aborted = async function* () {
        yield noise();
        stop.abort(new Error('enough'));
        yield noise();
      };
      // a source that owes its next chunk is not waited for
      const late = new AbortController();
      const stalled = async function* () {
        yield noise();
        setTimeout(() => late.abort(new Error('too late')), 50);
        await new Promise(() => {});
      };
      return {
        chunks,
        ended,
        source: await failure(() => drain(compressChunks(bad(), { level: 1, blockSize: 65536 }))),
        signal: await failure(() => drain(compressChunks(aborted(), { level: 1, signal: stop.signal }))),
        stalled: await failure(() => drain(compressChunks(stalled(), { level: 1, signal: late.signal }))),
        after: (await compress(new Uint8Array(1000), { level: 1 })).length < 100,
      };
    });
    expect(found).toEqual({
      chunks: 3,
      ended: true,
      source: 'the source broke',
      signal: 'enough',
      stalled: 'too late',
      after: true,
    });
    expect(problems).toEqual([]);
    await context.close();
  });

  describe('of several blocks', () => {
    /** The smallest blocks that are worth a worker. */
    const BLOCK = 2 ** 18;
    /** Four of them and a piece, without long repeats, of which blocks would be shorter. */
    const data = (() => {
      let text = '';
      let state = 1;
      while (text.length < 4 * BLOCK + 1000) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        text += `${state} green bottles, `;
      }
      return Buffer.from(text.slice(0, 4 * BLOCK + 1000));
    })();
    const counted = (page: Page) => {
      const seen = { workers: 0 };
      page.on('worker', () => seen.workers++);
      return seen;
    };

    it('has a worker for each, up to a number, and the same bytes whatever the number', async () => {
      const { page, context, problems } = await site().open();
      await page.waitForFunction(() => 'library' in globalThis);
      const seen = counted(page);
      const expected = await compress(data, { level: 1, blockSize: BLOCK });
      for (const threads of [1, 2, 3]) {
        seen.workers = 0;
        const { file, back, told } = await page.evaluate(
          async ({ text, threads, blockSize }) => {
            const { compress, decompress, endWorkers } = globalThis.library;
            const bytes = new TextEncoder().encode(text);
            const told: number[] = [];
            const file = await compress(bytes, {
              level: 1,
              blockSize,
              threads,
              onProgress: ({ bytesIn }) => told.push(bytesIn),
            });
            const back = await decompress(file, { threads });
            endWorkers();
            return { file: [...file], back: new TextDecoder().decode(back) === text, told };
          },
          { text: data.toString(), threads, blockSize: BLOCK },
        );
        expect(Buffer.from(file).equals(expected)).toBe(true);
        expect(back).toBe(true);
        expect(told).toEqual([...told].sort((a, b) => a - b));
        // the one that has the job, and each time those that it starts
        expect(seen.workers).toBe(threads === 1 ? 1 : 1 + 2 * threads);
      }
      expect(problems).toEqual([]);
      await context.close();
    });

    it('keeps to a limit of memory, and stops at once when its signal says so or a block is damaged', async () => {
      const { page, context, problems } = await site().open();
      await page.waitForFunction(() => 'library' in globalThis);
      const whole = await compress(data, { level: 1, blockSize: BLOCK });
      const damaged = Buffer.from(whole);
      damaged[Math.floor(whole.length / 2)] ^= 16;
      const seen = counted(page);
      const found = await page.evaluate(
        async ({ text, blockSize, whole, damaged }) => {
          const { compress, decompress } = globalThis.library;
          const bytes = new TextEncoder().encode(text);
          const few = await compress(bytes, {
            level: 1,
            blockSize,
            threads: 3,
            window: 0,
            memoryLimit: 80 * 2 ** 20,
          });
          const stop = new AbortController();
          const aborted = compress(bytes, {
            level: 3,
            blockSize,
            threads: 2,
            signal: stop.signal,
            onProgress: () => stop.abort(new Error('enough')),
          }).catch((error: Error) => error.message);
          const code = (run: Promise<unknown>) => run.catch((error: { code: string }) => error.code);
          return {
            few: few.length,
            aborted: await aborted,
            damaged: await code(decompress(Uint8Array.from(damaged), { threads: 2 })),
            after: (await decompress(Uint8Array.from(whole), { threads: 2 })).length,
          };
        },
        { text: data.toString(), blockSize: BLOCK, whole: [...whole], damaged: [...damaged] },
      );
      expect(found).toEqual({
        few: (await compress(data, { level: 1, blockSize: BLOCK, window: 0 })).length,
        aborted: 'enough',
        damaged: expect.stringMatching(/^ERR_(CORRUPT|CHECKSUM)$/),
        after: data.length,
      });
      // one at a time is all that there was memory for; two for each of the others, one for all jobs
      expect(seen.workers).toBe(1 + 0 + 2 + 2 + 2);
      expect(problems).toEqual([]);
      await context.close();
    });
  });
});
