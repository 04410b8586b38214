import { availableParallelism } from 'node:os';
import { describe, expect, it, vi } from 'vitest';
import { lendMixing } from '../../src/engines/list.js';
import { nativeEngine, nativeIsas } from '../../src/engines/native/engine.js';
import { referenceEngine } from '../../src/engines/reference/engine.js';
import { compress, decompress } from '../../src/index.js';
import type { IntegerModel } from '../../src/model/sharnn.js';
import { ENGINE_NAMES, describeEngines as reportEngines, selectEngine } from '../../src/node/engines.js';
import { nativeTraining, trainingIsas } from '../../src/trainer/native.js';
import { allEngines, frequenciesOf } from '../helpers/conformance.js';
import { networkSuite, small } from '../helpers/network-suite.js';
import { randomBytes, randomModel } from '../helpers/random-model.js';

const engines = await allEngines();
const hasNative = engines.some(({ engine }) => engine.name === 'native');

networkSuite(engines);

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
        // these two are only loaded when they are asked for, and have more to tell then
        const detail = ['webgpu', 'tfjs'].includes(r.name) ? expect.any(String) : r.detail;
        expect(await selectEngine(r.name)).toMatchObject({ name: r.name, detail });
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
