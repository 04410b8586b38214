/**
 * @file The WebGPU engine beside the CPU's, in one run: bytes per second of known input (run), of one step at
 * a time (step), and of blocks of the network alone, encoded and decoded on the device. BENCH_PRESETS,
 * BENCH_STREAMS: lists, separated by commas.
 *
 * On a software adapter, which is said, the figures are of a processor that plays a GPU, and tell nothing of
 * GPUs.
 */
import type { Engine, Network, StreamKernels } from '../src/engines/engine.js';
import { webgpuPredictor } from '../src/engines/webgpu/engine.js';
import type { CodingNetwork } from '../src/engines/webgpu/streams.js';
import { type PresetName, SYMBOLS } from '../src/model/architecture.js';
import type { IntegerModel } from '../src/model/sharnn.js';
import { selectEngine } from '../src/node/engines.js';
import { randomBytes, randomModel } from '../test/helpers/random-model.js';
import { testGpu } from '../test/helpers/webgpu.js';

const presets = (process.env.BENCH_PRESETS ?? 'lite,base').split(',') as PresetName[];
const streamCounts = (process.env.BENCH_STREAMS ?? '1,16,256').split(',').map(Number);
/** Steps of a measurement, of which there are three; the fastest counts. */
const STEPS = 16;

/** Steps per second of the fastest of three calls. */
async function fastest(steps: number, call: () => unknown): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 3; i++) {
    const start = performance.now();
    await call();
    best = Math.min(best, performance.now() - start);
  }
  return (1000 * steps) / best;
}

async function predictionRow(label: string, network: Network): Promise<number[]> {
  const { streams } = network;
  const bytes = randomBytes(STEPS * streams, 1);
  const frequencies = new Uint32Array(STEPS * streams * SYMBOLS);
  const run = await fastest(STEPS, () => network.run(bytes, STEPS, frequencies));
  const step = await fastest(STEPS, async () => {
    for (let t = 0; t < STEPS; t++) await network.step(bytes.subarray(t * streams), frequencies);
  });
  network.reset();
  return print(label, streams, run * streams, step * streams);
}

async function codingRow(label: string, network: CodingNetwork, kernels: StreamKernels): Promise<void> {
  const { streams } = network;
  const block = randomBytes(STEPS * streams, 1);
  const encode = await fastest(STEPS, async () => {
    const coder = kernels.encodeStreams(network, block)!;
    await coder.advance(STEPS);
    coder.close();
  });
  // whatever these codes are, they decode to something
  const codes = Array.from({ length: streams }, (_, k) => randomBytes(32 * STEPS, k));
  const decode = await fastest(STEPS, async () => {
    const coder = kernels.decodeStreams(network, codes, block.length)!;
    await coder.advance(STEPS);
    coder.close();
  });
  print(label, streams, encode * streams, decode * streams);
}

function print(label: string, streams: number, ...speeds: number[]): number[] {
  console.log(
    `${label.padEnd(22)} ${String(streams).padStart(7)} ${speeds.map((x) => x.toFixed(0).padStart(10)).join(' ')}`,
  );
  return speeds;
}

async function table(preset: PresetName, model: IntegerModel, gpu: GPU, cpus: Engine[]): Promise<void> {
  console.log(`\n${preset}, bytes per second        streams        run       step`);
  const engine = await webgpuPredictor(gpu);
  for (const streams of streamCounts) {
    for (const cpu of cpus) {
      const network = cpu.open(model, streams);
      await predictionRow(cpu.name, network);
      network.close();
    }
    const network = engine.open(model, streams);
    await predictionRow('webgpu', network);
    await codingRow('  encode, decode', network, engine.streams!);
    network.close();
  }
  engine.close();
}

const gpu = await testGpu();
if (!gpu) {
  console.log('there is no adapter here: nothing to measure');
} else {
  const start = performance.now();
  const { detail, close } = await webgpuPredictor(gpu);
  console.log(`${detail}; open and checked in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  close();
  const cpus = [await selectEngine('auto', { threads: 1 }), await selectEngine('wasm')];
  for (const preset of presets) await table(preset, randomModel({ seed: 1, preset, limit: 63 }), gpu, cpus);
}
