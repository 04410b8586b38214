/** @file What 'auto' takes. The GPU is the reference by another name. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { compress } from '../../src/codec/compress.js';
import { decompress } from '../../src/codec/decompress.js';
import type { EngineWork, Platform } from '../../src/codec/platform.js';
import type { Engine } from '../../src/engines/engine.js';
import { referenceEngine } from '../../src/engines/reference/engine.js';
import { ShacompError } from '../../src/errors.js';
import { chooseEngine, type GpuAccess, LEAST_MEASURED, measuredOn } from '../../src/node/auto.js';
import { NODE } from '../../src/node/codec.js';
import { type EngineOptions, selectEngine } from '../../src/node/engines.js';
import { measureStreams } from '../../src/node/measure.js';
import { type Measurement, readMeasurements, storeMeasurements } from '../../src/node/measurements.js';
import { fakeEngine } from '../helpers/fake-engine.js';
import { lettersModel, sampleText } from '../helpers/letters-model.js';

const model = lettersModel();
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shacomp-auto-'));
  vi.stubEnv('XDG_CACHE_HOME', folder);
  vi.stubEnv('SHACOMP_ENGINE', '');
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const card = {
  device: 'a card',
  driver: 'its driver',
  kernels: 'fast ones',
  software: false,
  limits: { maxBufferSize: 2 ** 30 },
};

/** A GPU, and what was asked of it. */
function gpu(facts: Partial<typeof card> = {}) {
  const asked = { describe: 0, load: 0 };
  const description = { detail: 'a card, fast ones', facts: { ...card, ...facts } };
  const engine: Engine = { ...referenceEngine, ...description, name: 'webgpu' };
  const access: GpuAccess = {
    installed: () => true,
    async describe() {
      asked.describe++;
      return description;
    },
    async load() {
      asked.load++;
      return engine;
    },
  };
  return { access, asked, engine };
}

const work = (bytes: number, streams = 256): EngineWork => ({
  model,
  streams,
  alone: true,
  encode: bytes,
  decode: 0,
});

/** Rates as they would be measured: the GPU's `times` the processor's. */
async function measured(times: number, facts: Partial<typeof card> = {}): Promise<Measurement[]> {
  const cpu = await selectEngine('auto');
  const rates = {
    modelName: model.name,
    software: false,
    streams: 256,
    start: 1,
    encode: null,
    decode: null,
  };
  const gpuFacts = { ...card, ...facts };
  return [
    { ...measuredOn(cpu, model), ...rates, start: 0.01, run: 1e5, step: 1e5 },
    {
      ...measuredOn({ ...gpuFacts, name: 'webgpu', detail: 'a card, fast ones' }, model),
      ...rates,
      software: gpuFacts.software,
      run: times * 1e5,
      step: times * 1e5,
    },
  ];
}

describe('auto', () => {
  it('without measurements is the fastest of the processor, and no GPU is asked', async () => {
    const { access, asked } = gpu();
    const { name } = await selectEngine('auto');
    for (const job of [undefined, work(0), work(LEAST_MEASURED.bytes - 1)]) {
      const { engine, why } = await chooseEngine('auto', { work: job }, access);
      expect(engine.name).toBe(name);
      expect(why).toMatch(new RegExp(`^auto takes ${name}; no GPU: [^\n]+$`));
    }
    expect(asked).toEqual({ describe: 0, load: 0 });
    expect(await readMeasurements()).toEqual([]);
  });

  it('takes a GPU that was measured to do the work sooner', async () => {
    const { access, asked, engine } = gpu();
    await storeMeasurements(await measured(10));
    const choice = await chooseEngine('auto', { work: work(1e7) }, access);
    expect(choice.engine).toBe(engine);
    expect(choice.why).toMatch(/^auto takes webgpu: it was measured to be faster than \w+$/);
    expect(asked.describe).toBe(0);
  });

  it.each([
    ['short work', 10, {}, 1e4, 256, /faster, or as fast/],
    ['a slower GPU', 0.5, {}, 1e7, 256, /faster, or as fast/],
    ['fewer streams than measured', 10, {}, 1e6, 16, /not measured/],
    ['a software adapter, however fast', 1e6, { software: true }, 1e9, 256, /processor that plays one/],
  ])('does not for %s, and does not start it', async (_name, times, facts, bytes, streams, why) => {
    const { access, asked } = gpu(facts);
    await storeMeasurements(await measured(times, facts));
    const choice = await chooseEngine('auto', { work: work(bytes, streams) }, access);
    expect(choice.engine.name).not.toBe('webgpu');
    expect(choice.why).toMatch(why);
    expect(asked.load).toBe(0);
  });

  it('does not take one that is another than was measured, plays a GPU, or is gone', async () => {
    await storeMeasurements(await measured(10));
    const job = { work: work(1e7) };
    for (const facts of [{ device: 'another card' }, { driver: 'a newer driver' }]) {
      const { why } = await chooseEngine('auto', job, gpu(facts).access);
      expect(why).toMatch(/no GPU: .* was not measured$/);
    }
    expect((await chooseEngine('auto', job, gpu({ software: true }).access)).why).toMatch(/plays one/);
    const load = async () => {
      throw new ShacompError('ERR_ENGINE_UNAVAILABLE', 'the card is not there');
    };
    const gone = await chooseEngine('auto', job, { ...gpu().access, load });
    expect(gone).toMatchObject({ why: expect.stringMatching(/no GPU: the card is not there$/) });
    expect(gone.engine.name).not.toBe('webgpu');
    const none = await chooseEngine('auto', job, { ...gpu().access, installed: () => false });
    expect(none.why).toMatch(/no GPU: its optional package "webgpu" is not installed$/);
  });

  it('counts measurements for the model alone that they are of', async () => {
    await storeMeasurements(await measured(10));
    const other = { ...work(1e7), model: lettersModel(2) };
    expect((await chooseEngine('auto', { work: other }, gpu().access)).why).toMatch(/not measured/);
  });

  it('has long work measured: first the processor, a GPU only where that takes a minute and more', async () => {
    const { access, asked } = gpu();
    // whatever this processor does in a minute
    const least = { ...LEAST_MEASURED, seconds: 1e9 };
    const first = await chooseEngine('auto', { work: work(LEAST_MEASURED.bytes, 4), least }, access);
    expect(first.why).toMatch(/too short/);
    expect(asked).toEqual({ describe: 0, load: 0 });
    const [onCpu, ...more] = await readMeasurements();
    expect(more).toEqual([]);
    expect(onCpu).toMatchObject({ streams: 4, engine: (await selectEngine('auto')).name });
    // the reference is slower than all others
    const long = work(1e12, 4);
    const load = async (options: EngineOptions) => {
      await setTimeout(100);
      return access.load(options);
    };
    const second = await chooseEngine('auto', { work: long }, { ...access, load });
    expect(second.why).toMatch(/faster, or as fast/);
    expect(asked).toEqual({ describe: 1, load: 1 });
    const both = await readMeasurements();
    expect(both.map(({ engine }) => engine)).toEqual([onCpu.engine, 'webgpu']);
    // to load it is a part of its start
    expect(both[1].start).toBeGreaterThan(0.09);
    // and that once
    await chooseEngine('auto', { work: long }, access);
    expect(asked).toEqual({ describe: 1, load: 1 });
    const soft = gpu({ software: true, device: 'no card' });
    await chooseEngine('auto', { work: { ...long, streams: 3 } }, soft.access);
    expect(soft.asked).toEqual({ describe: 1, load: 0 });
  });

  it('counts what is to be decoded as well: as long work is measured', async () => {
    const least = { ...LEAST_MEASURED, seconds: 1e9 };
    const job = { ...work(LEAST_MEASURED.bytes / 2, 2), decode: LEAST_MEASURED.bytes / 2 };
    await chooseEngine('auto', { work: job, least }, gpu().access);
    expect((await readMeasurements()).map(({ streams }) => streams)).toEqual([2]);
  });

  it('is the engine that SHACOMP_ENGINE names, and an engine that is named is that one', async () => {
    await storeMeasurements(await measured(10));
    const job = { work: work(1e7) };
    expect(await chooseEngine('wasm', job, gpu().access)).toMatchObject({ engine: { name: 'wasm' } });
    vi.stubEnv('SHACOMP_ENGINE', 'reference');
    const { engine, why } = await chooseEngine('auto', job, gpu().access);
    expect([engine.name, why]).toEqual(['reference', undefined]);
  });
});

describe('a measurement', () => {
  it('has rates of all that an engine does, for the numbers of streams that are quick enough', async () => {
    const engine = await selectEngine('wasm');
    const rates = await measureStreams(engine, model, [5, 1, 5]);
    expect([...rates.keys()]).toEqual([1, 5]);
    for (const { start, run, step, encode, decode } of rates.values()) {
      for (const x of [start, run, step]) expect(x).toBeGreaterThan(0);
      // wasm has nothing of its own for blocks of the network alone
      expect([encode, decode]).toEqual([null, null]);
    }
  });

  it('leaves out numbers of streams of which one step takes long', async () => {
    const { open } = fakeEngine();
    const slow: Engine = {
      ...fakeEngine(),
      open(of, streams) {
        const network = open(of, streams);
        const wait = (steps: number) => {
          for (const end = performance.now() + 10 * steps * streams; performance.now() < end; );
        };
        return {
          ...network,
          step: () => wait(1),
          run: (_, steps) => wait(steps),
        };
      },
    };
    expect([...(await measureStreams(slow, model, [1, 64, 2])).keys()]).toEqual([1, 2]);
  });
});

describe('the codec', () => {
  it('says what an engine is wanted for, by the first block', async () => {
    const asked: (EngineWork | undefined)[] = [];
    const on: Platform = {
      ...NODE,
      blockWorkers: undefined,
      selectEngine: async (_name, { work }) => {
        asked.push(work);
        return selectEngine('wasm');
      },
    };
    const data = sampleText(9000);
    const options = { model, mode: 'network', streams: 3 } as const;
    const file = await compress(data, options, on);
    await decompress(file, { model }, on);
    await compress(data, { ...options, mode: 'network-mixing-fast' }, on);
    await compress(data, { level: 1 }, on);
    await compress(data, { ...options, memoryLimit: 2 ** 28 }, on);
    const known = { streams: 3, alone: true, encode: 9000, decode: 0 };
    expect(asked.map((one) => one && { ...one, model: one.model.name })).toEqual([
      { ...known, model: 'letters' },
      { ...known, model: 'letters', encode: 0, decode: 9000 },
      { ...known, model: 'letters', alone: false },
      undefined,
      undefined,
    ]);
  });
});
