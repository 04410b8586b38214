/**
 * @file What a run holds: its network is opened when needed, kept while it fits, and closed however the run
 * ends.
 */
import { describe, expect, it } from 'vitest';
import { compress as compressOn } from '../../src/codec/compress.js';
import { decompress as decompressOn } from '../../src/codec/decompress.js';
import type { Platform } from '../../src/codec/platform.js';
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

describe('a device', () => {
  /** A platform whose device does blocks of many streams, until it was asked `steps` times. */
  function withDevice(steps = Number.POSITIVE_INFINITY) {
    const [cpu, device] = [fakeEngine(), fakeEngine()];
    const asked: number[] = [];
    let left = steps;
    let ended = false;
    const platform: Platform = {
      ...NODE,
      blockWorkers: undefined,
      selectEngine: async () => cpu,
      async engineForStreams(streams) {
        asked.push(streams);
        return streams < 8 || ended ? undefined : engine;
      },
    };
    const engine = {
      ...device,
      open(of: typeof model, streams: number) {
        const network = device.open(of, streams);
        const run =
          (work: 'step' | 'run'): typeof network.run =>
          (bytes, count, frequencies) => {
            if (--left < 0) throw new Error('the device is gone');
            return work === 'run' ? network.run(bytes, count, frequencies) : network.step(bytes, frequencies);
          };
        return {
          ...network,
          streams,
          run: run('run'),
          step: (bytes: Uint8Array, frequencies: Uint32Array) => run('step')(bytes, 1, frequencies),
        };
      },
      carriesOn(error: unknown) {
        if ((error as Error).message !== 'the device is gone') return false;
        ended = true;
        return true;
      },
    };
    return { platform, cpu, device, asked };
  }
  const many = { model, mode: 'network', streams: 8 } as const;

  it('has the blocks of the network alone in many streams, and no others', async () => {
    const { platform, cpu, device, asked } = withDevice();
    const part = data.subarray(0, 3200);
    const expected = await compress(part, { ...many, engine: fakeEngine() });
    expect(Buffer.compare(await compressOn(part, many, platform), expected)).toBe(0);
    expect(Buffer.compare(await decompressOn(expected, { model }, platform), part)).toBe(0);
    expect([device.opened, device.closed, cpu.opened]).toEqual([2, 2, 0]);
    expect(new Set(asked)).toEqual(new Set([8]));
    await compressOn(part, { ...many, streams: 4 }, platform);
    await compressOn(part, { ...many, mode: 'network-mixing-fast' }, platform);
    expect([device.opened, cpu.opened]).toEqual([2, 2]);
  });

  it('is done without, with the same bytes, once it is gone', async () => {
    const part = data.subarray(0, 3200);
    const expected = await compress(part, { ...many, engine: fakeEngine() });
    for (const run of ['compress', 'decompress']) {
      const { platform, cpu, device } = withDevice(3);
      if (run === 'compress')
        expect(Buffer.compare(await compressOn(part, many, platform), expected)).toBe(0);
      else expect(Buffer.compare(await decompressOn(expected, { model }, platform), part)).toBe(0);
      expect([device.opened, device.closed, cpu.opened, cpu.closed]).toEqual([1, 1, 1, 1]);
    }
  });

  it('throws what is no end of it', async () => {
    const { platform } = withDevice();
    const file = await compressOn(data.subarray(0, 3200), many, platform);
    file[file.length - 20] ^= 1;
    await expect(decompressOn(file, { model }, platform)).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_(CORRUPT|CHECKSUM)$/),
    });
  });
});
