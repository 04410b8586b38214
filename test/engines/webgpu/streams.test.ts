import { afterAll, describe, expect, it } from 'vitest';
import type { Engine, StreamKernels } from '../../../src/engines/engine.js';
import { lendMixing } from '../../../src/engines/list.js';
import { type WebGpuPredictor, webgpuPredictor } from '../../../src/engines/webgpu/engine.js';
import { DECODED_STEPS, networkPlan } from '../../../src/engines/webgpu/layout.js';
import { compress, decompress } from '../../../src/index.js';
import { PRESETS } from '../../../src/model/architecture.js';
import { selectEngine } from '../../../src/node/engines.js';
import { placeSymbols, streamLengths } from '../../../src/slices.js';
import { expectSame } from '../../helpers/conformance.js';
import { randomBytes, randomModel } from '../../helpers/random-model.js';
import { testGpu } from '../../helpers/webgpu.js';

const gpu = await testGpu();
const cpu = await selectEngine('wasm');
const model = randomModel({
  seed: 4,
  architecture: { width: 64, layers: 2, boom: 2, window: 12, attention: [1] },
});

/** With as few dispatches to a step as a model can have. */
const plain = randomModel({
  seed: 4,
  architecture: { width: 64, layers: 1, boom: 1, window: 1, attention: [] },
});

describe('a network that no cutting makes fit', () => {
  it('has no plan, and one that fits is cut into parts of which none is too large', () => {
    const most = (bytes: number) => ({ maxStorageBufferBindingSize: bytes, maxBufferSize: bytes });
    expect(networkPlan(model.architecture, 1, most(1000))).toBeUndefined();
    const parts = networkPlan(PRESETS.base, 300, most(2 ** 27))!;
    expect(parts.reduce((sum, { streams }) => sum + streams, 0)).toBe(300);
    for (const { bytes } of parts) expect(Math.max(...Object.values(bytes))).toBeLessThanOrEqual(2 ** 27);
    expect(parts.length).toBeGreaterThan(1);
  });
});

describe.skipIf(!gpu)('blocks of the network alone, on the device', () => {
  let device: WebGpuPredictor;
  let engine: Engine;
  /** what was asked of the device */
  const asked = { encode: 0, decode: 0 };
  afterAll(() => device?.close());

  it('opens', async () => {
    device = await webgpuPredictor(gpu!);
    const { encodeStreams, decodeStreams, streamBytes } = device.streams!;
    const streams: StreamKernels = {
      streamBytes,
      encodeStreams: (...given) => {
        asked.encode++;
        return encodeStreams(...given);
      },
      decodeStreams: (...given) => {
        asked.decode++;
        return decodeStreams(...given);
      },
    };
    engine = lendMixing({ ...device, streams }, cpu);
  });

  it.each([
    // a decoder has 256 steps in a submit; a step of this model is a third of the work
    { streams: 1, length: DECODED_STEPS + 10, model: plain },
    { streams: 12, length: 100, model },
    { streams: 129, length: 400, model },
  ])(
    'are the same file as on the CPU, and decode: $streams streams, $length bytes',
    async ({ streams, length, model }) => {
      // what these models predict is noise: bytes that they like make files smaller than stored ones
      const data = await likely(length, streams, model);
      const options = { model, mode: 'network', streams } as const;
      const before = { ...asked };
      const file = await compress(data, { ...options, engine });
      expect(asked.encode).toBeGreaterThan(before.encode);
      expect(Buffer.compare(file, await compress(data, { ...options, engine: cpu }))).toBe(0);
      expect(file.length).toBeLessThan(data.length);
      expect(Buffer.compare(await decompress(file, { model, engine }), data)).toBe(0);
      expect(asked.decode).toBeGreaterThan(before.decode);
      expect(Buffer.compare(await decompress(file, { model, engine: cpu }), data)).toBe(0);
    },
  );

  it('are refused if they are damaged, as on the CPU', async () => {
    const data = await likely(120, 5);
    const file = await compress(data, { model, mode: 'network', streams: 5, engine: cpu });
    for (const at of [file.length - 20, file.length - 50]) {
      const damaged = file.slice();
      damaged[at] ^= 0x55;
      const codes = await Promise.all(
        [engine, cpu].map((on) => decompress(damaged, { model, engine: on }).catch(({ code }) => code)),
      );
      expect(codes[0]).toEqual(codes[1]);
      expect(codes[0]).toMatch(/^ERR_/);
    }
  });

  // last: a device that nothing uses for a second is given back, and the next one has to be compiled for
  it('are the same where a network is cut into parts that the device has buffers for', async () => {
    const one = device.memory(model.architecture, 1);
    const cut = await webgpuPredictor(gpu!, { largestBuffer: 400_000 });
    expect(cut.memory(model.architecture, 9)).toBeGreaterThan(2 * one);
    const data = await likely(75, 9);
    const options = { model, mode: 'network', streams: 9 } as const;
    const file = await compress(data, { ...options, engine: lendMixing(cut, cpu) });
    expect(Buffer.compare(file, await compress(data, { ...options, engine: cpu }))).toBe(0);
    expect(Buffer.compare(await decompress(file, { model, engine: lendMixing(cut, cpu) }), data)).toBe(0);
    const steps = 5;
    const bytes = randomBytes(9 * steps, 2);
    const [got, expected] = [new Uint32Array(9 * steps * 256), new Uint32Array(9 * steps * 256)];
    await cut.open(model, 9).run(bytes, steps, got);
    await cpu.open(model, 9).run(bytes, steps, expected);
    expectSame(got, expected, 9);
    cut.close();
  });
});

/** Bytes of which every stream's are often the ones that the network finds likely. */
async function likely(length: number, streams: number, of = model): Promise<Uint8Array> {
  const network = cpu.open(of, streams);
  const [steps] = streamLengths(length, streams);
  const data = new Uint8Array(length);
  const noise = randomBytes(length, 9);
  let row = new Uint8Array(streams).fill(10);
  const frequencies = new Uint32Array(streams * 256);
  for (let t = 0; t < steps; t++) {
    await network.step(row, frequencies);
    row = Uint8Array.from(row, (_, k) => {
      const own = frequencies.subarray(k * 256, (k + 1) * 256);
      const index = t * streams + k;
      return noise[index % length] < 40 ? noise[(index + 1) % length] : own.indexOf(Math.max(...own));
    });
    placeSymbols(data, streams, row.subarray(0, length - t * streams), t);
  }
  network.close();
  return data;
}
