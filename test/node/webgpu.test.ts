/** The process with the GPU is the built one, or `test/helpers/fake-gpu-process.js`, which needs no GPU. */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Network } from '../../src/engines/engine.js';
import { referenceEngine } from '../../src/engines/reference/engine.js';
import { compress, decompress } from '../../src/index.js';
import { SYMBOLS } from '../../src/model/architecture.js';
import { selectEngine } from '../../src/node/engines.js';
import { describeGpu, webgpuEngine } from '../../src/node/webgpu.js';
import { expectSame, frequenciesOf } from '../helpers/conformance.js';
import { lettersModel, sampleText } from '../helpers/letters-model.js';
import { randomBytes, randomModel } from '../helpers/random-model.js';
import { testGpu } from '../helpers/webgpu.js';

const built = new URL('../../dist/node/webgpu-process.js', import.meta.url);
const fake = new URL('../helpers/fake-gpu-process.js', import.meta.url);
const cpu = await selectEngine('wasm');
const model = randomModel({ seed: 4 });
const streams = 3;
const steps = 30;
const bytes = randomBytes(streams * steps, 1);
const expected = frequenciesOf(referenceEngine, model, bytes, streams, steps);

afterEach(() => vi.unstubAllEnvs());

/** Ten runs of three steps. */
async function inRuns(network: Network, after: (run: number) => void = () => {}): Promise<Uint32Array> {
  const frequencies = new Uint32Array(steps * streams * SYMBOLS);
  for (let run = 0; run < 10; run++) {
    const at = run * 3 * streams;
    await network.run(bytes.subarray(at), 3, frequencies.subarray(at * SYMBOLS));
    after(run);
  }
  return frequencies;
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

describe('a GPU in a process of its own', () => {
  it('gives the frequencies of that process, which ends when nothing is open', async () => {
    const engine = await webgpuEngine(cpu, { entry: fake });
    expect(engine).toMatchObject({
      name: 'webgpu',
      detail: expect.stringMatching(/^a device of the tests.*wasm$/),
    });
    const network = engine.open(model, streams);
    expectSame(await inRuns(network), expected, streams);
    network.reset();
    expectSame(await inRuns(network), expected, streams);
    const pid = engine.pid!;
    expect(isAlive(pid)).toBe(true);
    network.close();
    for (let i = 0; i < 100 && isAlive(pid); i++) await sleep(50);
    expect(isAlive(pid)).toBe(false);
    // and begins again for the next one
    const next = engine.open(model, streams);
    expectSame(await inRuns(next), expected, streams);
    next.close();
  });

  it.each([
    ['crash at run 3', /SIGSEGV/],
    ['lost at run 3', /device was lost/],
    ['no room', /no room/],
  ])(
    'that ends (%s) leaves the work to the CPU, with the same bits, and says so in a line',
    async (how, why) => {
      vi.stubEnv('FAKE_GPU', how);
      const lines: string[] = [];
      const engine = await webgpuEngine(cpu, { entry: fake, onFallback: (line) => lines.push(line) });
      const network = engine.open(model, streams);
      expectSame(await inRuns(network), expected, streams);
      network.close();
      expect(lines).toEqual([expect.stringMatching(why)]);
      expect(lines[0]).toMatch(
        how === 'no room'
          ? /^the wasm engine carries on with what the GPU has no room for: [^\n]+$/
          : /^the GPU is not used any more, the wasm engine carries on: [^\n]+$/,
      );
      const next = engine.open(model, streams);
      expectSame(await inRuns(next), expected, streams);
      next.close();
      // one network that finds no room says nothing of the next
      expect(lines.length).toBe(how === 'no room' ? 2 : 1);
    },
  );

  it('killed in the middle of a file, encoding and decoding, gives the same file', async () => {
    const onFallback = vi.fn();
    const data = sampleText(6000);
    const options = { model: lettersModel(), mode: 'network', streams: 4 } as const;
    const { model } = options;
    const file = await compress(data, { ...options, engine: 'wasm' });
    expect(file.length).toBeLessThan(data.length);
    for (const job of [
      async (engine: Awaited<ReturnType<typeof webgpuEngine>>) =>
        expect(Buffer.compare(await compress(data, { ...options, engine }), file)).toBe(0),
      async (engine: Awaited<ReturnType<typeof webgpuEngine>>) =>
        expect(Buffer.compare(await decompress(file, { model, engine }), data)).toBe(0),
    ]) {
      vi.stubEnv('FAKE_GPU', 'crash at run 2');
      await job(await webgpuEngine(cpu, { entry: fake, onFallback }));
    }
    expect(onFallback).toHaveBeenCalledTimes(2);
  });

  it('that does not start is an error in one line', async () => {
    vi.stubEnv('FAKE_GPU', 'crash at start');
    await expect(webgpuEngine(cpu, { entry: fake })).rejects.toMatchObject({
      code: 'ERR_ENGINE_UNAVAILABLE',
      message: 'the WebGPU engine does not run here: its process ended with SIGKILL',
    });
  });

  it('without an adapter is an error in one line', async () => {
    vi.stubEnv('VK_DRIVER_FILES', '/nowhere.json');
    vi.stubEnv('VK_ICD_FILENAMES', '/nowhere.json');
    for (const load of [() => describeGpu({ entry: built }), () => webgpuEngine(cpu, { entry: built })])
      await expect(load()).rejects.toMatchObject({
        code: 'ERR_ENGINE_UNAVAILABLE',
        message: expect.stringMatching(/^the WebGPU engine does not run here: [^\n]+$/),
      });
  });
});

describe.skipIf(!(await testGpu()))('npm’s WebGPU', () => {
  it('codes files that the CPU decodes, and the other way round; killed, it leaves the rest to the CPU', async () => {
    expect(await describeGpu({ entry: built })).toMatchObject({
      detail: expect.stringMatching(/software/),
      facts: { software: true, kernels: 'dot4I8Packed' },
    });
    const lines: string[] = [];
    const engine = await webgpuEngine(cpu, { entry: built, onFallback: (line) => lines.push(line) });
    const letters = { model: lettersModel(), streams: 3 };
    const data = sampleText(500);
    for (const mode of ['network', 'network-mixing-fast'] as const) {
      const options = { ...letters, mode };
      const file = await compress(data, { ...options, engine });
      expect(Buffer.compare(await compress(data, { ...options, engine: 'wasm' }), file)).toBe(0);
      expect(file.length).toBeLessThan(data.length);
      expect(Buffer.compare(await decompress(file, { model: letters.model, engine }), data)).toBe(0);
    }
    expect(lines).toEqual([]);
    const network = engine.open(model, streams);
    const frequencies = await inRuns(network, (run) => {
      if (run === 4) process.kill(engine.pid!, 'SIGKILL');
    });
    expectSame(frequencies, expected, streams);
    expect(lines).toEqual([expect.stringMatching(/SIGKILL/)]);
    network.close();
  });
});
