/** @file Blocks at the same time: the same bytes, in order, within memory, and prompt ends. */
import { setTimeout as wait } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { BlockRunner } from '../../src/codec/block-jobs.js';
import { compressChunks as compressChunksOn, compress as compressOn } from '../../src/codec/compress.js';
import {
  decompressChunks as decompressChunksOn,
  decompress as decompressOn,
} from '../../src/codec/decompress.js';
import { Pauses } from '../../src/codec/event-loop.js';
import { inOrder } from '../../src/codec/in-order.js';
import type { BlockWorkers, Platform } from '../../src/codec/platform.js';
import { ShacompError } from '../../src/errors.js';
import { FLUSH, inspect } from '../../src/index.js';
import { NODE } from '../../src/node/codec.js';
import { collect, join } from '../helpers/collect.js';
import { random } from '../helpers/fake-engine.js';

/** Text of words that come again. */
function text(length: number, seed: number): Uint8Array {
  const next = random(seed);
  const words = Array.from({ length: 300 }, () => Math.floor(next() * 1e7).toString(36));
  let all = '';
  while (all.length < length) all += `${words[Math.floor(next() ** 2 * words.length)]} `;
  return new TextEncoder().encode(all.slice(0, length));
}

/** Workers of this thread, and what they did. */
function platform(count: number, fail?: () => void) {
  const seen = { most: 0, running: 0, jobs: 0, closed: 0 };
  const workers = (): BlockWorkers => ({
    count,
    async run(job, model, progress) {
      seen.jobs++;
      seen.most = Math.max(seen.most, ++seen.running);
      try {
        fail?.();
        // others may begin, and end before
        await wait(seen.jobs % 2 === 0 ? 1 : 15);
        return await new BlockRunner('wasm', 1, NODE, new Pauses()).run(job, model, progress);
      } finally {
        seen.running--;
      }
    },
    close: () => {
      seen.closed++;
    },
  });
  const on: Platform = { ...NODE, blockWorkers: workers };
  return { on, seen };
}

const BLOCK = 2 ** 18;
const data = text(4 * BLOCK + 1000, 1);
const options = { level: 1, engine: 'wasm', blockSize: BLOCK } as const;
const alone: Platform = { ...NODE, blockWorkers: undefined };
const expected = await compressOn(data, options, alone);

describe('blocks side by side', () => {
  it.each([2, 16])('are the bytes of one after the other, %i at once, both ways', async (count) => {
    const { on, seen } = platform(count);
    expect(Buffer.compare(await compressOn(data, options, on), expected)).toBe(0);
    expect(seen.most).toBe(Math.min(count, 4));
    seen.most = 0;
    expect(Buffer.compare(await decompressOn(expected, { engine: 'wasm' }, on), data)).toBe(0);
    expect(seen.most).toBeGreaterThan(1);
    expect(seen.most).toBeLessThanOrEqual(count);
    expect(seen).toMatchObject({ running: 0, closed: 2 });
  });

  it('are as many as the memory has room for', async () => {
    for (const [memoryLimit, most] of [
      [100 * 2 ** 20, 0],
      [160 * 2 ** 20, 2],
      [2 ** 34, 3],
    ]) {
      const { on, seen } = platform(4);
      const part = data.subarray(0, 3 * BLOCK);
      await join(compressChunksOn([part], { ...options, memoryLimit, window: 2 ** 18 }, on));
      expect(seen.most).toBe(most);
    }
  });

  it('are none in a file of one block, which has the threads of the engine: both ways', async () => {
    const { on, seen } = platform(4);
    const one = data.subarray(0, BLOCK);
    const file = await compressOn(one, options, on);
    expect(Buffer.compare(await decompressOn(file, { engine: 'wasm' }, on), one)).toBe(0);
    expect(seen.jobs).toBe(0);
  });

  it('tell progress that does not go back and ends with all', async () => {
    const { on } = platform(3);
    const told: number[] = [];
    await compressOn(data, { ...options, onProgress: ({ bytesIn }) => told.push(bytesIn) }, on);
    expect(told).toEqual([...told].sort((a, b) => a - b));
    expect(told.at(-1)).toBe(data.length);
  });

  it('come out when they are done, though the source owes the next one', async () => {
    const { on } = platform(3);
    async function* source() {
      yield data.subarray(0, BLOCK + 10);
      yield FLUSH;
      await new Promise(() => {});
    }
    const chunks = compressChunksOn(source(), options, on);
    const first = (await chunks.next()).value!;
    const second = (await chunks.next()).value!;
    const opened = decompressChunksOn([first, second], { engine: 'wasm' }, on);
    expect((await opened.next()).value).toEqual(data.slice(0, BLOCK));
    await opened.return();
    await chunks.return();
  });

  it('end with the error of the first that fails, after those before it', async () => {
    const [, , third] = (await collect(inspect(expected))).filter((record) => record.kind === 'block');
    const damaged = expected.slice();
    damaged[third.offset + 5000] ^= 1;
    const { on, seen } = platform(4);
    const out: number[] = [];
    const run = async () => {
      for await (const { length } of decompressChunksOn([damaged], { engine: 'wasm' }, on)) out.push(length);
    };
    await expect(run()).rejects.toMatchObject({ code: expect.stringMatching(/^ERR_(CORRUPT|CHECKSUM)$/) });
    expect(out).toEqual([BLOCK, BLOCK]);
    expect(seen.closed).toBe(1);
  });

  it('are coded here if no worker runs', async () => {
    const { on } = platform(4, () => {
      throw new ShacompError('ERR_ENGINE_UNAVAILABLE', 'no thread');
    });
    expect(Buffer.compare(await compressOn(data, options, on), expected)).toBe(0);
    expect(Buffer.compare(await decompressOn(expected, { engine: 'wasm' }, on), data)).toBe(0);
  });

  it('are coded here one after the other where a worker fails while the next is read', async () => {
    const { on } = platform(2);
    const failing: Platform = {
      ...on,
      blockWorkers: () => ({
        count: 2,
        run: async () => {
          await wait(5);
          throw new ShacompError('ERR_ENGINE_UNAVAILABLE', 'no thread any more');
        },
        close: () => {},
      }),
    };
    async function* source() {
      // the first block, and of the second one enough to know that there is one
      yield data.subarray(0, BLOCK + 10);
      await wait(150);
      yield data.subarray(BLOCK + 10, BLOCK + 3000);
    }
    const set = { ...options, level: 4, mode: 'network', streams: 16 } as const;
    const file = await join(compressChunksOn(source(), set, failing));
    expect(Buffer.compare(await decompressOn(file, {}, alone), data.subarray(0, BLOCK + 3000))).toBe(0);
  });

  it('stop when the signal is aborted', async () => {
    const { on, seen } = platform(2);
    const stop = new AbortController();
    const run = join(compressChunksOn([data], { ...options, signal: stop.signal }, on));
    setTimeout(() => stop.abort(), 20);
    await expect(run).rejects.toMatchObject({ name: 'AbortError' });
    expect(seen.closed).toBe(1);
  });
});

it('nothing is coded here when the run is over, though its workers ended by that', async () => {
  const stop = new AbortController();
  const ends: (() => void)[] = [];
  const on: Platform = {
    ...NODE,
    blockWorkers: () => ({
      count: 2,
      run: () =>
        new Promise((_, reject) => {
          ends.push(() => reject(new ShacompError('ERR_ENGINE_UNAVAILABLE', 'the workers have been closed')));
        }),
      close: () => {
        for (const end of ends) end();
      },
    }),
  };
  let told = 0;
  const set = { ...options, signal: stop.signal, onProgress: () => told++ };
  const run = join(compressChunksOn([data], set, on));
  setTimeout(() => stop.abort(), 20);
  await expect(run).rejects.toMatchObject({ name: 'AbortError' });
  told = 0;
  await wait(100);
  expect([ends.length, told]).toEqual([2, 0]);
});

describe('tasks in order', () => {
  it('give their results in the order they came in, and only as many run as may', async () => {
    const waits = [30, 1, 20, 5, 1];
    let running = 0;
    let most = 0;
    const next = async () => {
      const ms = waits.shift();
      if (ms === undefined) return undefined;
      return async () => {
        most = Math.max(most, ++running);
        await wait(ms);
        running--;
        return ms;
      };
    };
    expect(await collect(inOrder(next, () => 3))).toEqual([30, 1, 20, 5, 1]);
    expect(most).toBe(3);
  });

  it('are not read ahead where one runs at a time', async () => {
    let read = 0;
    const results = inOrder(
      async () => {
        const n = read++;
        return n < 3 ? async () => n : undefined;
      },
      () => 1,
    );
    expect((await results.next()).value).toBe(0);
    expect(read).toBe(1);
    expect((await results.next()).value).toBe(1);
    expect(read).toBe(2);
  });
});
