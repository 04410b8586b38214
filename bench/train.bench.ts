/**
 * @file Speed of training: bytes per second over whole steps (forward, backward, AdamW), and the rate of
 * their floating-point operations beside that of the bare inner loop of the products in the same number
 * format.
 *
 * Rates are per second of processor time of all threads, and rounds of both alternate: other programs on the
 * machine disturb the shares little. BENCH_PRESET, BENCH_BATCH and BENCH_SEGMENT choose another network or
 * step.
 */
import { availableParallelism } from 'node:os';
import { nativeAddon } from '../src/engines/native/addon.js';
import { type Architecture, PRESETS, type PresetName, SYMBOLS } from '../src/model/architecture.js';
import { initialize } from '../src/trainer/initialize.js';
import type { TrainKernels } from '../src/trainer/kernels.js';
import { nativeTraining, type TrainAddon, trainingIsas } from '../src/trainer/native.js';
import { TrainingNetwork } from '../src/trainer/network.js';
import { wasmTraining } from '../src/trainer/wasm.js';
import { randomBytes } from '../test/helpers/random-model.js';

const preset = (process.env.BENCH_PRESET ?? 'lite') as PresetName;
const batch = Number(process.env.BENCH_BATCH ?? 32);
const steps = Number(process.env.BENCH_SEGMENT ?? 128);
const arch = PRESETS[preset];
const ROUNDS = 5;

/**
 * Floating-point operations of the matrix products of one step: two per multiply-add, and each product of the
 * forward pass comes back twice, for the gradients of both factors. The first layer's input products are a
 * table with one row per symbol. Attention computes whole blocks of scores: its masked part counts, and its
 * backward pass detaches what was carried in.
 */
function operations({ width: d, layers, boom, window, attention }: Architecture): number {
  const rows = batch * steps;
  const square = d * d;
  const recurrent = 4 * square * rows * layers;
  const input = 4 * square * (rows * (layers - 1) + SYMBOLS);
  const feedForward = boom * square * rows * layers;
  const output = SYMBOLS * d * rows;
  const query = attention.length * square * rows;
  const scores = attention.length * rows * d * (2 * window + 2 * window + 2 * steps);
  return 2 * (3 * (recurrent + input + feedForward + output + query) + scores);
}

/** Processor seconds, of all threads, that a call takes, and its wall-clock seconds. */
function timed(call: () => unknown): { cpu: number; wall: number } {
  const cpu = process.cpuUsage();
  const wall = performance.now();
  call();
  const { user, system } = process.cpuUsage(cpu);
  return { cpu: (user + system) / 1e6, wall: (performance.now() - wall) / 1e3 };
}

interface Subject {
  label: string;
  kernels: TrainKernels;
  bf16: boolean;
  threads: number;
  /** operations of `repeats` bare products */
  bare?: (repeats: number) => number;
}

async function subjects(): Promise<Subject[]> {
  const list: Subject[] = [];
  const addon = nativeAddon<TrainAddon>();
  const all = availableParallelism();
  for (const isa of trainingIsas())
    for (const bf16 of isa.endsWith('bf16') ? [true, false] : [false])
      for (const threads of isa === trainingIsas()[0] && all > 1 ? [1, all] : [1])
        list.push({
          label: `${isa}, ${bf16 ? 'bfloat16' : 'float32'}`,
          ...{ kernels: nativeTraining(isa), bf16, threads },
          bare: (repeats) => addon.trainBenchmark(isa, bf16, repeats),
        });
  list.push({ label: 'wasm, float32', kernels: await wasmTraining(), bf16: false, threads: 1 });
  return list;
}

console.log(
  `\n${preset}, ${batch} sequences of ${steps} bytes; 10^9 operations per second of processor time\n`,
);
console.log('trainer                threads     KB/s     step   bare loop');
for (const { label, kernels, bf16, threads, bare } of await subjects()) {
  const network = new TrainingNetwork(arch, { batch, steps, threads, bf16 }, kernels);
  initialize(arch, network.weights, 1);
  const text = randomBytes(batch * steps, 1).map((x) => x & 31);
  const segment = { inputs: text, targets: text, resets: new Uint8Array(batch) };
  const optimizer = {
    rate: 1e-4,
    beta1: 0.9,
    beta2: 0.99,
    epsilon: 1e-8,
    decay: 0.01,
    clip: 1,
    ema: 0.99,
    momentum: 0,
  };
  let time = 0;
  const step = () => network.step(segment, { ...optimizer, time: ++time });
  step();
  // about as long as a step
  const repeats = bare ? Math.ceil((1000 * timed(step).cpu) / timed(() => bare(1000)).cpu / 4) : 0;
  let best = { cpu: Number.POSITIVE_INFINITY, wall: Number.POSITIVE_INFINITY };
  let loop = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const took = timed(step);
    best = { cpu: Math.min(best.cpu, took.cpu), wall: Math.min(best.wall, took.wall) };
    let done = 0;
    const { cpu } = timed(() => {
      done = bare?.(repeats) ?? 0;
    });
    loop = Math.max(loop, done / cpu);
  }
  const rate = operations(arch) / best.cpu;
  const cells = [
    label.padEnd(23),
    String(threads).padStart(7),
    (text.length / best.wall / 1000).toFixed(1).padStart(9),
    (rate / 1e9).toFixed(1).padStart(9),
    bare ? `${(loop / 1e9).toFixed(1).padStart(10)}  (${((100 * rate) / loop).toFixed(0)} %)` : '',
  ];
  console.log(cells.join('').trimEnd());
}
