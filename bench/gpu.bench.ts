/**
 * @file The WebGPU engine beside the CPU's, in one run: bytes per second of known input (run), of one step at
 * a time (step), and of blocks of the network alone, encoded and decoded on the device; and what the time of
 * these goes into. BENCH_PRESETS, BENCH_STREAMS: lists, separated by commas.
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
import { type WatchedGpu, watchedGpu } from './gpu-times.js';

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

async function encode(network: CodingNetwork, kernels: StreamKernels): Promise<void> {
  const coder = kernels.encodeStreams(network, randomBytes(STEPS * network.streams, 1))!;
  await coder.advance(STEPS);
  coder.close();
}

async function decode(network: CodingNetwork, kernels: StreamKernels): Promise<void> {
  // whatever these codes are, they decode to something
  const codes = Array.from({ length: network.streams }, (_, k) => randomBytes(32 * STEPS, k));
  const coder = kernels.decodeStreams(network, codes, STEPS * network.streams)!;
  await coder.advance(STEPS);
  coder.close();
}

async function codingRow(label: string, network: CodingNetwork, kernels: StreamKernels): Promise<void> {
  const { streams } = network;
  const encoded = await fastest(STEPS, () => encode(network, kernels));
  const decoded = await fastest(STEPS, () => decode(network, kernels));
  print(label, streams, encoded * streams, decoded * streams);
}

/**
 * Shares of the time of encoding and decoding: what the calls of the device took, and the host's coders. They
 * may add up to more than all, since a host records while its device computes.
 */
async function shares(
  network: CodingNetwork,
  kernels: StreamKernels,
  watched: WatchedGpu,
): Promise<string[]> {
  let onDevice = 0;
  const odds = network.odds.bind(network);
  network.odds = async (...given) => {
    const start = performance.now();
    await odds(...given);
    onDevice += performance.now() - start;
  };
  const rows: string[] = [];
  for (const work of [encode, decode]) {
    await work(network, kernels);
    watched.take();
    onDevice = 0;
    const start = performance.now();
    await work(network, kernels);
    const all = performance.now() - start;
    const { record, upload, compute, readBack } = watched.take();
    // of a decoder the coders are on the device
    const code = work === encode ? all - onDevice : 0;
    const cells = [record, upload, compute, readBack, code].map((time) =>
      `${((100 * time) / all).toFixed(1)} %`.padStart(10),
    );
    const [name, streams] = [work.name.padEnd(20), String(network.streams).padStart(7)];
    rows.push(`  ${name} ${streams} ${`${all.toFixed(1)} ms`.padStart(12)}${cells.join('')}`);
  }
  return rows;
}

function print(label: string, streams: number, ...speeds: number[]): number[] {
  console.log(
    `${label.padEnd(22)} ${String(streams).padStart(7)} ${speeds.map((x) => x.toFixed(0).padStart(10)).join(' ')}`,
  );
  return speeds;
}

async function table(
  preset: PresetName,
  model: IntegerModel,
  watched: WatchedGpu,
  cpus: Engine[],
): Promise<void> {
  console.log(`\n${preset}, bytes per second        streams        run       step`);
  const engine = await webgpuPredictor(watched.gpu);
  const times: string[] = [];
  for (const streams of streamCounts) {
    for (const cpu of cpus) {
      const network = cpu.open(model, streams);
      await predictionRow(cpu.name, network);
      network.close();
    }
    const network = engine.open(model, streams);
    await predictionRow('webgpu', network);
    await codingRow('  encode, decode', network, engine.streams!);
    times.push(...(await shares(network, engine.streams!, watched)));
    network.close();
  }
  engine.close();
  const head = ['record', 'upload', 'compute', 'read back', 'code'].map((name) => name.padStart(10)).join('');
  console.log(`\n${preset}, shares of the time    streams ${'all'.padStart(12)}${head}\n${times.join('\n')}`);
}

const found = await testGpu();
if (!found) {
  console.log('there is no adapter here: nothing to measure');
} else {
  const watched = watchedGpu(found);
  const start = performance.now();
  const { detail, close } = await webgpuPredictor(watched.gpu);
  console.log(`${detail}; open and checked in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  close();
  const cpus = [await selectEngine('auto', { threads: 1 }), await selectEngine('wasm')];
  for (const preset of presets)
    await table(preset, randomModel({ seed: 1, preset, limit: 63 }), watched, cpus);
}
