/**
 * @file What a run holds: its network is opened when needed, kept while it fits, and closed however the run
 * ends.
 */
import { describe, expect, it } from 'vitest';
import { Networks } from '../../src/codec/session.js';
import { compress, compressChunks, decompress, decompressChunks } from '../../src/index.js';
import { NODE } from '../../src/node/codec.js';
import { fakeEngine, fakeModel, likelyBytes } from '../helpers/fake-engine.js';

const data = likelyBytes(30_000);
const model = fakeModel();
const options = { model, mode: 'network', blockSize: 8192 } as const;

describe('a length that a file announces', () => {
  it('is refused before any of it is given out, if it is more than allowed', async () => {
    const file = await compress(data, { mode: 'stored', blockSize: 8192 });
    const run = decompressChunks([file], { maxOutputLength: data.length - 1 });
    await expect(run.next()).rejects.toMatchObject({ code: 'ERR_OUTPUT_TOO_LARGE' });
  });
});

describe('the network of a run', () => {
  it('is closed at the end of the run', async () => {
    const engine = fakeEngine();
    const file = await compress(data, { ...options, engine });
    expect([engine.opened, engine.closed]).toEqual([1, 1]);
    await decompress(file, { model, engine });
    expect([engine.opened, engine.closed]).toEqual([2, 2]);
  });

  it('is closed where the run fails, stops or is left', async () => {
    const engine = fakeEngine();
    const file = await compress(data, { ...options, engine });
    const damaged = file.slice();
    damaged[damaged.length - 1] ^= 1;
    await expect(decompress(damaged, { model, engine })).rejects.toMatchObject({ code: 'ERR_CHECKSUM' });
    await expect(compress(data, { ...options, engine, size: 5 })).rejects.toMatchObject({
      code: 'ERR_OPTIONS',
    });
    for await (const _ of compressChunks([data], { ...options, engine })) break;
    for await (const _ of decompressChunks([file], { model, engine })) break;
    const stop = new AbortController();
    const onProgress = () => stop.abort();
    await expect(compress(data, { ...options, engine, onProgress, signal: stop.signal })).rejects.toThrow();
    expect(engine.opened).toBeGreaterThan(3);
    expect(engine.closed).toBe(engine.opened);
  });

  it('stays open from block to block while model and streams are the same', async () => {
    const engine = fakeEngine();
    const networks = new Networks({ engine }, NODE);
    const first = await networks.open(model, 2);
    expect(await networks.open(model, 2)).toBe(first);
    expect([engine.opened, engine.closed]).toEqual([1, 0]);
    expect((await networks.open(model, 3)).streams).toBe(3);
    // one at a time: a large network twice may not fit
    expect([engine.opened, engine.closed]).toEqual([2, 1]);
    await networks.open(fakeModel('other'), 3);
    expect([engine.opened, engine.closed]).toEqual([3, 2]);
    networks.close();
    networks.close();
    expect([engine.opened, engine.closed]).toEqual([3, 3]);
  });

  it('is not opened for a run that needs none', async () => {
    const engine = fakeEngine();
    const short = data.subarray(0, 1000);
    await decompress(await compress(short, { level: 1, engine }), { engine });
    await decompress(await compress(short, { mode: 'stored', engine }), { engine });
    expect(engine.opened).toBe(0);
    // nor is its model looked for
    await compress(short, { level: 1, engine, model: './no-such-model.sharnn' });
  });
});
