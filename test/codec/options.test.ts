import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { blockMemory, streamMemory } from '../../src/codec/block/memory.js';
import { codedMode } from '../../src/codec/block/modes.js';
import { referenceEngine } from '../../src/engines/reference/engine.js';
import { compress, decompress, loadModel, models, type Progress } from '../../src/index.js';
import { shortId } from '../../src/model/id.js';
import { findModel } from '../../src/node/models.js';
import { fakeEngine, fakeModel, likelyBytes } from '../helpers/fake-engine.js';

const model = fakeModel();
const options = { model, engine: fakeEngine(), mode: 'network' } as const;
const data = likelyBytes(20_000);

describe('options', () => {
  it.each([
    { blockSize: 8191 },
    { blockSize: 2 ** 26 + 1 },
    { blockSize: 10000.5 },
    { threads: 0 },
    { memoryLimit: -1 },
    { size: -1 },
    { mode: 'mixing' },
    { level: 0 },
    { level: 10 },
  ])('%o is refused', async (bad) => {
    await expect(compress(data, { ...options, ...(bad as object) })).rejects.toMatchObject({
      code: 'ERR_OPTIONS',
    });
  });

  it('a wrong size is refused', async () => {
    for (const size of [0, data.length - 1, data.length + 1])
      await expect(compress(data, { ...options, size })).rejects.toMatchObject({ code: 'ERR_OPTIONS' });
  });

  it('maxOutputLength is kept, also over members', async () => {
    const file = await compress(data, options);
    const two = Buffer.concat([file, file]);
    const limit = (maxOutputLength: number) => ({ ...options, maxOutputLength });
    expect((await decompress(file, limit(data.length))).length).toBe(data.length);
    await expect(decompress(file, limit(data.length - 1))).rejects.toMatchObject({
      code: 'ERR_OUTPUT_TOO_LARGE',
    });
    await expect(decompress(two, limit(data.length))).rejects.toMatchObject({ code: 'ERR_OUTPUT_TOO_LARGE' });
    const blocks = await compress(data, { ...options, blockSize: 8192 });
    await expect(decompress(blocks, limit(100))).rejects.toMatchObject({ code: 'ERR_OUTPUT_TOO_LARGE' });
  });

  it('memoryLimit is checked before the network is opened', async () => {
    const engine = fakeEngine();
    const file = await compress(data, options);
    for (const run of [
      () => compress(data, { ...options, engine, memoryLimit: 1000 }),
      () => decompress(file, { model, engine, memoryLimit: 1000 }),
    ])
      await expect(run()).rejects.toMatchObject({ code: 'ERR_MEMORY_LIMIT' });
    expect(engine.opened).toBe(0);
    expect((await decompress(file, { ...options, memoryLimit: 2 ** 20 })).length).toBe(data.length);
  });

  it('says what a block needs: network, frequencies, payload and the block twice', () => {
    const architecture = { width: 512, layers: 4, boom: 4, window: 1024, attention: [2] };
    expect(streamMemory(referenceEngine, architecture)).toBeGreaterThan(4 * 5 * 512 + 512 * 1024 + 1024);
    const block = { length: 1000, codedLength: 700, streams: 8 };
    expect(blockMemory(block)).toBe(1700);
    expect(blockMemory({ ...block, network: 5000, mode: codedMode('network') })).toBe(
      700 + 2 * 1000 + 8 + 5000 + 8 * 1024 + 8 * 512,
    );
  });

  it('an abort stops a run with the signal’s reason', async () => {
    const controller = new AbortController();
    let calls = 0;
    const run = compress(likelyBytes(100_000), {
      ...options,
      signal: controller.signal,
      onProgress: () => {
        if (++calls === 2) controller.abort(new Error('changed my mind'));
      },
    });
    await expect(run).rejects.toThrow('changed my mind');
    expect(calls).toBe(2);
    await expect(decompress(new Uint8Array(0), { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ERR_TRUNCATED',
    });
    const file = await compress(data, options);
    await expect(decompress(file, { ...options, signal: AbortSignal.abort() })).rejects.toMatchObject({
      name: 'AbortError',
    });
  });

  it('progress grows and ends at the totals', async () => {
    const seen: Progress[] = [];
    const onProgress = (progress: Progress) => seen.push(progress);
    const check = (bytesIn: number, bytesOut: number) => {
      expect(seen.length).toBeGreaterThan(2);
      for (let i = 1; i < seen.length; i++) {
        expect(seen[i].bytesIn).toBeGreaterThanOrEqual(seen[i - 1].bytesIn);
        expect(seen[i].bytesOut).toBeGreaterThanOrEqual(seen[i - 1].bytesOut);
      }
      expect(seen.at(-1)).toEqual({ bytesIn, bytesOut });
      seen.length = 0;
    };
    const file = await compress(data, { ...options, blockSize: 8192, onProgress });
    check(data.length, file.length);
    await decompress(file, { ...options, onProgress });
    check(file.length, data.length);
  });
});

describe('models', () => {
  const before = process.env['SHACOMP_MODELS'];
  afterEach(() => {
    if (before === undefined) delete process.env['SHACOMP_MODELS'];
    else process.env['SHACOMP_MODELS'] = before;
  });

  it('a file that needs another model is refused before any output', async () => {
    const file = await compress(data, options);
    const other = fakeModel('other');
    const error = await decompress(file, { ...options, model: other }).catch((e) => e);
    expect(error.code).toBe('ERR_MODEL_NOT_FOUND');
    expect(error.message).toContain(shortId(model.id));
    expect(error.message).toContain(shortId(other.id));
    expect(error.message).not.toContain('--');
    await expect(decompress(file, { engine: options.engine })).rejects.toMatchObject({
      code: 'ERR_MODEL_NOT_FOUND',
    });
  });

  it('that are not there or not models are told apart', async () => {
    await expect(loadModel('no-such-name')).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
    await expect(loadModel('./no-such-file.sharnn')).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
    await expect(loadModel(Buffer.from('not a model'))).rejects.toMatchObject({ code: 'ERR_MODEL_INVALID' });
    const folder = await mkdtemp(join(tmpdir(), 'shacomp-'));
    try {
      await writeFile(join(folder, 'broken.sharnn'), 'not a model');
      process.env['SHACOMP_MODELS'] = folder;
      await expect(loadModel('broken')).rejects.toMatchObject({ code: 'ERR_MODEL_INVALID' });
      expect((await models()).map((m) => m.name)).not.toContain('broken');
      await expect(findModel(model.id)).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
