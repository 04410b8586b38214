import { availableParallelism } from 'node:os';
import { describe, expect, it, vi } from 'vitest';
import type { Network } from '../../src/engines/engine.js';
import { lendMixing } from '../../src/engines/list.js';
import { nativeEngine, nativeIsas } from '../../src/engines/native/engine.js';
import { referenceEngine } from '../../src/engines/reference/engine.js';
import { compress, decompress } from '../../src/index.js';
import { type Architecture, SYMBOLS } from '../../src/model/architecture.js';
import type { IntegerModel } from '../../src/model/sharnn.js';
import { ENGINE_NAMES, describeEngines as reportEngines, selectEngine } from '../../src/node/engines.js';
import { nativeTraining, trainingIsas } from '../../src/trainer/native.js';
import { allEngines, Case, expectSame, frequenciesOf } from '../helpers/conformance.js';
import { randomBytes, randomModel } from '../helpers/random-model.js';

const shape = (
  width: number,
  layers: number,
  boom: number,
  window: number,
  attention: number[],
): Architecture => ({ width, layers, boom, window, attention });

const SHAPES: Record<string, Architecture> = {
  'one layer, no attention': shape(64, 1, 1, 1, []),
  'a window of one': shape(64, 2, 2, 1, [0, 1]),
  'an odd window that wraps, a width that is no power of two': shape(192, 2, 3, 37, [1]),
  'eight boom chunks': shape(128, 1, 8, 64, [0]),
  'a window larger than the run': shape(64, 3, 4, 4096, [0, 2]),
};

const random = Object.entries(SHAPES).map(([name, architecture], i) => ({
  name,
  run: new Case(randomModel({ seed: 10 + i, architecture }), 2, 50),
}));
const extremes = (['signs', 'ones'] as const).flatMap((extreme) =>
  [shape(64, 2, 8, 20, [0, 1]), shape(1024, 1, 1, 5, [0])].flatMap((architecture) =>
    (extreme === 'signs' ? [1, 2, 3] : [1]).map((seed) => ({
      name: `${extreme}, width ${architecture.width}, seed ${seed}`,
      run: new Case(randomModel({ seed, architecture, extreme }), 1, architecture.width === 64 ? 60 : 8),
    })),
  ),
);
/**
 * Weights of 8, 7 and 6 bits: each has product kernels of its own. Widths with every number of 64 columns to
 * 1024.
 */
const narrow = [127, 63, 31].flatMap((limit) => [
  ...[64, 320, 512].map((width) => ({
    name: `random weights up to ${limit}, width ${width}`,
    run: new Case(
      randomModel({ seed: limit, architecture: shape(width, 2, 2, 21, [0]), limit }),
      7,
      width < 512 ? 24 : 6,
    ),
  })),
  ...(['signs', 'ones'] as const).flatMap((extreme) =>
    [64, 1024].map((width) => ({
      name: `${extreme} of ${limit}, width ${width}`,
      run: new Case(
        randomModel({
          seed: 2,
          architecture: shape(width, width === 64 ? 2 : 1, 2, 11, [0]),
          extreme,
          limit,
        }),
        3,
        width === 64 ? 30 : 5,
      ),
    })),
  ),
]);
/**
 * One byte again and again: positions that are all alike weigh 255 each, and their sums pass 2^24 where the
 * window is longer than 512.
 */
const alike = [510, 512, 513, 1030].map(
  (window) =>
    new Case(
      randomModel({ seed: 6, architecture: shape(64, 1, 1, window, [0]), extreme: 'signs' }),
      1,
      window + 10,
      referenceEngine,
      new Uint8Array(window + 10).fill(65),
    ),
);
const small = randomModel({ seed: 4, architecture: shape(64, 2, 2, 12, [1]) });
const batches = [1, 2, 3, 4, 5, 6, 7, 8, 11, 16, 23, 63, 64, 65, 129, 300].map(
  (streams) => new Case(small, streams, streams < 20 ? 15 : 3),
);
const engines = await allEngines();
const hasNative = engines.some(({ engine }) => engine.name === 'native');

describe.each(engines)('$label gives the bits of the reference', ({ engine }) => {
  it.each(random)('random weights, $name', ({ run }) => run.check(engine));
  it.each(extremes)('extreme weights, $name', ({ run }) => run.check(engine));
  it.each(narrow)('$name', ({ run }) => run.check(engine));
  it.each(alike)('a memory of positions all alike, $steps steps', (run) => run.check(engine));
  it.each(batches)('$streams streams', (run) => run.check(engine));
});

describe.each(engines)('$label', ({ engine }) => {
  const streams = 5;
  const steps = 40;
  const bytes = randomBytes(streams * steps, 1);
  const whole = () => frequenciesOf(engine, small, bytes, streams, steps);
  /** Runs `counts` steps at a time. */
  const inParts = (network: Network, counts: number[]) => {
    const frequencies = new Uint32Array(steps * streams * SYMBOLS);
    let at = 0;
    for (const n of counts) {
      const part = frequencies.subarray(at * streams * SYMBOLS);
      if (n === 1) network.step(bytes.subarray(at * streams), part);
      else network.run(bytes.subarray(at * streams), n, part);
      at += n;
    }
    expect(at).toBe(steps);
    return frequencies;
  };

  it('gives the same for steps, for one run and for runs of any length', () => {
    const expected = whole();
    for (const counts of [Array(steps).fill(1), [1, 38, 1], [7, 0, 13, 20], [39, 1]])
      expectSame(inParts(engine.open(small, streams), counts), expected, streams);
  });

  it('starts anew after reset', () => {
    const expected = whole();
    const network = engine.open(small, streams);
    network.run(randomBytes(streams * 30, 2), 30, new Uint32Array(30 * streams * SYMBOLS));
    network.reset();
    expectSame(inParts(network, [steps]), expected, streams);
  });

  it('keeps networks apart, closed ones included', () => {
    const expected = whole();
    const networks = [engine.open(small, streams), engine.open(small, 3), engine.open(small, streams)];
    const noise = new Uint32Array(20 * streams * SYMBOLS);
    networks[1].run(randomBytes(3 * 20, 5), 20, noise);
    expectSame(inParts(networks[0], [20, 20]), expected, streams);
    networks[0].close();
    networks[2].run(randomBytes(streams * 20, 6), 20, noise);
    networks[2].close();
    expectSame(inParts(engine.open(small, streams), [steps]), expected, streams);
    expect(engine.open(small, 7).streams).toBe(7);
  });

  it('gives each stream what it would get alone', () => {
    const together = whole();
    const network = engine.open(small, 1);
    const column = Uint8Array.from({ length: steps }, (_, t) => bytes[t * streams + 3]);
    const alone = new Uint32Array(steps * SYMBOLS);
    network.run(column, steps, alone);
    for (let t = 0; t < steps; t++) {
      const at = (t * streams + 3) * SYMBOLS;
      expect(together.slice(at, at + SYMBOLS)).toEqual(alone.slice(t * SYMBOLS, (t + 1) * SYMBOLS));
    }
  });

  it('keeps frequencies in 1..2^22, the best one at the top', () => {
    const frequencies = whole();
    for (let row = 0; row < streams * steps; row++) {
      const of = frequencies.subarray(row * SYMBOLS, (row + 1) * SYMBOLS);
      expect(Math.max(...of)).toBe(2 ** 22);
      expect(Math.min(...of)).toBeGreaterThanOrEqual(1);
    }
  });
});

describe.each(engines)('$label refuses', ({ engine }) => {
  const refused = (f: () => unknown) => expect(f).toThrow(expect.objectContaining({ code: 'ERR_OPTIONS' }));

  it('a number of streams that is not a whole number from 1 to 65536', () => {
    for (const streams of [0, -1, 1.5, Number.NaN, 65537, 2 ** 31])
      refused(() => engine.open(small, streams));
  });

  it('arrays that are too short, and a network that is closed', () => {
    const network = engine.open(small, 2);
    refused(() => network.step(new Uint8Array(1), new Uint32Array(512)));
    refused(() => network.step(new Uint8Array(2), new Uint32Array(511)));
    refused(() => network.run(new Uint8Array(8), 5, new Uint32Array(5 * 512)));
    refused(() => network.run(new Uint8Array(8), -1, new Uint32Array(5 * 512)));
    network.close();
    network.close();
    refused(() => network.step(new Uint8Array(2), new Uint32Array(512)));
    refused(() => network.reset());
  });
});

describe('an engine without a mixing coder', () => {
  const { name, memory, open } = referenceEngine;

  it('is lent another one’s, which its detail says, and writes the same file', async () => {
    const lender = await selectEngine('wasm');
    const engine = lendMixing({ name: 'abacus', detail: 'beads', memory, open }, lender);
    expect(engine).toMatchObject({ name: 'abacus', detail: 'beads; mixing by wasm' });
    const data = randomBytes(300, 3).map((x) => x & 15);
    const options = { model: small, mode: 'network-mixing-fast' } as const;
    const file = await compress(data, { ...options, engine });
    expect(Buffer.compare(file, await compress(data, { ...options, engine: name }))).toBe(0);
    expect(Buffer.compare(await decompress(file, { model: small, engine }), data)).toBe(0);
  });
});

describe('selection', () => {
  it('finds every engine by name and reports all of them', async () => {
    const report = await reportEngines();
    expect(report.map((r) => r.name)).toEqual(ENGINE_NAMES);
    for (const r of report) {
      if (r.available) {
        expect(await selectEngine(r.name)).toMatchObject({ name: r.name, detail: r.detail });
      } else {
        expect(r.reason).toMatch(/does not run here/);
        await expect(selectEngine(r.name)).rejects.toThrow(r.reason);
      }
    }
    expect(report.find((r) => r.name === 'wasm')).toHaveProperty('detail');
  });

  it('takes the first that runs, or the one that SHACOMP_ENGINE names', async () => {
    const report = await reportEngines();
    const first = report.find((r) => r.available);
    const before = process.env.SHACOMP_ENGINE;
    try {
      delete process.env.SHACOMP_ENGINE;
      expect((await selectEngine('auto')).name).toBe(first?.name);
      process.env.SHACOMP_ENGINE = 'reference';
      expect((await selectEngine('auto')).name).toBe('reference');
      expect((await selectEngine('wasm')).name).toBe('wasm');
      process.env.SHACOMP_ENGINE = 'abacus';
      await expect(selectEngine('auto')).rejects.toMatchObject({ code: 'ERR_OPTIONS' });
    } finally {
      if (before === undefined) delete process.env.SHACOMP_ENGINE;
      else process.env.SHACOMP_ENGINE = before;
    }
  });

  it('take only models that were parsed, as they were parsed', async () => {
    const parsed = randomModel({ seed: 1 });
    const short = { ...parsed, bytes: parsed.bytes.slice(0, 100) };
    for (const report of await reportEngines()) {
      if (!report.available) continue;
      const engine = await selectEngine(report.name);
      for (const model of [{ ...parsed }, short, {} as IntegerModel])
        expect(() => engine.open(model, 1)).toThrow(expect.objectContaining({ code: 'ERR_MODEL_INVALID' }));
      engine.open(parsed, 1).close();
    }
    expect(() => Object.assign(parsed, { bytes: short.bytes })).toThrow(TypeError);
    const { architecture } = parsed;
    expect(() => Object.assign(architecture, { window: 8192 })).toThrow(TypeError);
    expect(() => architecture.attention.push(0)).toThrow(TypeError);
  });

  it('run a model as it was parsed, whatever was written to its bytes since', async () => {
    const input = randomBytes(20, 1);
    const expected = frequenciesOf(referenceEngine, randomModel({ seed: 3 }), input, 1, 20);
    for (const report of await reportEngines()) {
      if (!report.available) continue;
      const changed = randomModel({ seed: 3 });
      changed.bytes.fill(0xff);
      expect(frequenciesOf(await selectEngine(report.name), changed, input, 1, 20)).toEqual(expected);
    }
  });

  it.skipIf(!hasNative)('names threads and instruction set, and refuses unknown ones', () => {
    const { detail } = nativeEngine({ threads: 1, isa: 'baseline' });
    expect(detail).toMatch(/, 1 thread$/);
    const most = availableParallelism();
    if (most > 1)
      expect(nativeEngine({ threads: 1024, isa: 'baseline' }).detail).toBe(
        detail.replace('1 thread', `${most} threads`),
      );
    expect(() => nativeEngine({ isa: 'z80' })).toThrow(
      expect.objectContaining({
        code: 'ERR_OPTIONS',
        message: expect.stringMatching(/one of .*baseline.*"z80"/),
      }),
    );
    expect(() => nativeEngine({ threads: 0 })).toThrow(expect.objectContaining({ code: 'ERR_OPTIONS' }));
  });

  it.skipIf(!hasNative)(
    'takes the instruction set of SHACOMP_ISA; a wrong one is no reason for another engine',
    async () => {
      const best = nativeIsas()[0];
      const detail = async (isa: string) => {
        vi.stubEnv('SHACOMP_ISA', isa);
        return (await selectEngine('auto', { threads: 1 })).detail;
      };
      try {
        expect(await detail('')).toBe(nativeEngine({ threads: 1, isa: best }).detail);
        expect(await detail('baseline')).toBe(nativeEngine({ threads: 1, isa: 'baseline' }).detail);
        // what only the trainer has is no mistake
        for (const isa of trainingIsas()) expect(await detail(isa)).toMatch(/, 1 thread$/);
        await expect(detail('nonsense')).rejects.toMatchObject({
          code: 'ERR_OPTIONS',
          message: expect.stringMatching(/^SHACOMP_ISA must be one of .*baseline.*, not "nonsense"$/),
        });
        expect(() => nativeTraining()).toThrow(expect.objectContaining({ code: 'ERR_OPTIONS' }));
      } finally {
        vi.unstubAllEnvs();
      }
    },
  );
});
