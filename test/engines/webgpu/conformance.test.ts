/**
 * On the software adapter that `test/helpers/software-gpu.ts` finds; SHACOMP_TEST_GPU=all adds what takes
 * minutes there.
 */
import { afterAll, describe, expect, it } from 'vitest';
import type { Engine, Network } from '../../../src/engines/engine.js';
import { referenceEngine } from '../../../src/engines/reference/engine.js';
import { type WebGpuPredictor, webgpuPredictor } from '../../../src/engines/webgpu/engine.js';
import { PRESETS, type PresetName, SYMBOLS } from '../../../src/model/architecture.js';
import { selectEngine } from '../../../src/node/engines.js';
import { Case, expectSame } from '../../helpers/conformance.js';
import { randomBytes, randomModel } from '../../helpers/random-model.js';
import { testGpu } from '../../helpers/webgpu.js';

const gpu = await testGpu();
const all = process.env.SHACOMP_TEST_GPU === 'all';
const fast = await selectEngine('wasm');

/** As `Case.check`, of an engine whose results come later. */
async function check(engine: Pick<Engine, 'open'>, run: Case): Promise<void> {
  const network = engine.open(run.model, run.streams);
  const frequencies = new Uint32Array(run.steps * run.streams * SYMBOLS).fill(0xdeadbeef);
  await network.run(run.bytes, run.steps, frequencies);
  network.close();
  expectSame(frequencies, run.expected, run.streams);
}

const shape = (width: number, layers: number, boom: number, window: number, attention: number[]) => ({
  width,
  layers,
  boom,
  window,
  attention,
});
const SHAPES = {
  'one layer, no attention': shape(64, 1, 1, 1, []),
  'a window of one': shape(64, 2, 2, 1, [0, 1]),
  'an odd window that wraps, a width that is no power of two': shape(192, 2, 3, 37, [1]),
  'eight boom chunks': shape(128, 1, 8, 64, [0]),
  'a window larger than the run': shape(64, 3, 5, 4096, [0, 2]),
};
const small = randomModel({ seed: 4, architecture: shape(64, 2, 2, 12, [1]) });

const ways = [
  { label: 'invocations alone, dot4I8Packed', options: { sharing: 'alone', dot: 'dot4I8Packed' } },
  { label: 'invocations together, plain products', options: { sharing: 'together', dot: 'plain' } },
] as const;

describe.skipIf(!gpu).each(ways)('$label', ({ options }) => {
  let engine: WebGpuPredictor;
  afterAll(() => engine?.close());
  it('opens, and computes the self-check right', async () => {
    engine = await webgpuPredictor(gpu!, options);
    expect(engine.report).toMatchObject(options);
  });

  const thorough = all || options.sharing === 'alone';
  /** a case, and whether it is among the few of the slower way */
  const cases: [string, boolean, () => Case][] = [
    ...Object.entries(SHAPES).map(([name, architecture], i): [string, boolean, () => Case] => [
      name,
      i > 2,
      () => new Case(randomModel({ seed: 10 + i, architecture }), 2, thorough ? 50 : 5, fast),
    ]),
    ...(['signs', 'ones'] as const).flatMap((extreme) =>
      (all ? [64, 1024] : [64, 320]).map((width): [string, boolean, () => Case] => [
        `${extreme}, width ${width}`,
        false,
        () =>
          width === 64
            ? new Case(
                randomModel({ seed: 2, architecture: shape(64, 2, 8, 20, [0, 1]), extreme }),
                1,
                60,
                fast,
              )
            : new Case(
                randomModel({ seed: 1, architecture: shape(width, 1, 1, 5, [0]), extreme }),
                1,
                5,
                fast,
              ),
      ]),
    ),
    ...[0, 1, 2, 3, 4, 5].map((seed): [string, boolean, () => Case] => [
      `whatever numbers a file may have, seed ${seed}`,
      seed === 1,
      () => {
        const architecture = shape([64, 128, 192][seed % 3], 2, 1 + seed, [3, 17, 513][seed % 3], [seed % 2]);
        return new Case(randomModel({ seed, architecture, extreme: 'hostile' }), 1 + seed, 12, fast);
      },
    ]),
    ...(all ? [510, 512, 513, 1030] : [513]).map((window): [string, boolean, () => Case] => [
      `a memory of ${window} positions all alike`,
      false,
      () => {
        const model = randomModel({ seed: 6, architecture: shape(64, 1, 1, window, [0]), extreme: 'signs' });
        return new Case(model, 1, window + 10, fast, new Uint8Array(window + 10).fill(65));
      },
    ]),
    ...(all ? [1, 3, 7, 8, 33, 64, 129, 1024] : [1, 7, 33]).map((streams): [string, boolean, () => Case] => [
      `${streams} streams`,
      streams === 33,
      () => new Case(small, streams, streams < 33 ? 15 : 3, fast),
    ]),
    ...(Object.keys(PRESETS) as PresetName[])
      .filter((preset) => all || preset === 'tiny' || preset === 'lite')
      .map((preset): [string, boolean, () => Case] => [
        `preset ${preset}`,
        false,
        () => new Case(randomModel({ seed: 1, preset }), PRESETS[preset].width >= 1024 ? 1 : 2, 3, fast),
      ]),
    ...(all ? (['tiny', 'lite'] as const) : []).map((preset): [string, boolean, () => Case] => [
      `preset ${preset}, 5,200 steps`,
      false,
      () => new Case(randomModel({ seed: 2, preset }), 1, 5200, fast),
    ]),
  ];
  it.each(cases.filter(([, both]) => thorough || both))(
    'gives the bits of the reference: %s',
    (_name, _both, run) => check(engine, run()),
  );

  it.skipIf(!thorough)('gives the same for steps, for one run and for runs of any length', async () => {
    const streams = 5;
    const steps = 20;
    const { bytes, expected } = new Case(small, streams, steps, referenceEngine);
    const inParts = async (network: Network, counts: number[]) => {
      const frequencies = new Uint32Array(steps * streams * SYMBOLS);
      let at = 0;
      for (const n of counts) {
        const part = frequencies.subarray(at * streams * SYMBOLS);
        if (n === 1) await network.step(bytes.subarray(at * streams), part);
        else await network.run(bytes.subarray(at * streams), n, part);
        at += n;
      }
      return frequencies;
    };
    const network = engine.open(small, streams);
    for (const counts of [Array(steps).fill(1), [1, 18, 1], [7, 0, 13]]) {
      expectSame(await inParts(network, counts), expected, streams);
      network.reset();
    }
    // requests that do not wait for each other are done in their order
    const other = engine.open(small, 3);
    const noise = new Uint32Array(3 * 10 * SYMBOLS);
    const pending = other.run(randomBytes(30, 5), 10, noise);
    expectSame(await inParts(network, [10, 10]), expected, streams);
    await pending;
    other.close();
    network.close();
  });

  it.skipIf(!thorough)(
    'refuses what every engine refuses, and models that do not fit, before anything is computed',
    async () => {
      const refused = (f: () => unknown) =>
        expect(f).toThrow(expect.objectContaining({ code: 'ERR_OPTIONS' }));
      for (const streams of [0, -1, 1.5, Number.NaN, 65537]) refused(() => engine.open(small, streams));
      expect(() => engine.open({ ...small }, 1)).toThrow(
        expect.objectContaining({ code: 'ERR_MODEL_INVALID' }),
      );
      const network = engine.open(small, 2);
      refused(() => network.step(new Uint8Array(1), new Uint32Array(512)));
      refused(() => network.run(new Uint8Array(8), 5, new Uint32Array(5 * 512)));
      network.close();
      network.close();
      refused(() => network.step(new Uint8Array(2), new Uint32Array(512)));
      refused(() => network.reset());
      expect(engine.memory(PRESETS.paper, 64)).toBeGreaterThan(64 * 4 * 5000 * 1024);
    },
  );

  it.skipIf(!thorough)('loses its device, says so, and gets another for the next network', async () => {
    const network = engine.open(small, 1);
    const run = new Case(small, 1, 3);
    await network.run(run.bytes, 1, new Uint32Array(SYMBOLS));
    engine.close(); // destroys the device
    await expect(network.run(run.bytes, 3, new Uint32Array(3 * SYMBOLS))).rejects.toMatchObject({
      code: 'ERR_ENGINE_UNAVAILABLE',
    });
    network.close();
    await check(engine, run);
  });
});
