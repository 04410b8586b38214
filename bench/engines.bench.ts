/**
 * @file Speed of the engines on one model: bytes per second by step and by run, and the rate of the int8
 * products beside that of a bare micro-kernel in the same run. Every number is the fastest of many samples.
 */
import { Bench } from 'tinybench';
import type { Engine } from '../src/engines/engine.js';
import { nativeAddon } from '../src/engines/native/addon.js';
import { nativeEngine, nativeIsas } from '../src/engines/native/engine.js';
import { type NativeNetwork, packed } from '../src/engines/native/network.js';
import { referenceEngine } from '../src/engines/reference/engine.js';
import { wasmEngine } from '../src/engines/wasm/engine.js';
import { hasRelaxedSimd } from '../src/engines/wasm/simd.js';
import { type PresetName, SYMBOLS } from '../src/model/architecture.js';
import type { IntegerModel } from '../src/model/sharnn.js';
import { wasmModule } from '../src/node/wasm-module.js';
import { randomBytes, randomModel } from '../test/helpers/random-model.js';

const preset = (process.env.BENCH_PRESET ?? 'lite') as PresetName;
/** By bits of the weights. The engines' table is of 7. */
const models = new Map(
  [8, 7, 6].map((bits) => [bits, randomModel({ seed: 1, preset, limit: 2 ** (bits - 1) - 1 })]),
);
const model = models.get(7) as IntegerModel;
const { window, width } = model.architecture;

/** Seconds of the fastest call. */
async function fastest(name: string, call: () => unknown, time = 500): Promise<number> {
  const bench = new Bench({ time, warmupTime: 50 }).add(name, call);
  await bench.run();
  const [{ result }] = bench.tasks;
  if (!('latency' in result)) throw new Error(`${name}: ${result.state}`);
  return result.latency.min / 1000;
}

const fixed = (x: number, digits = 1) => x.toFixed(digits).padStart(9);

/** Bytes per second with a full attention window. */
async function speeds(
  label: string,
  engine: Engine,
  streams: number,
): Promise<{ step: number; run: number }> {
  const network = engine.open(model, streams);
  const steps = streams === 1 ? 64 : 16;
  const bytes = randomBytes(steps * streams, 1);
  const frequencies = new Uint32Array(steps * streams * SYMBOLS);
  for (let t = 0; t < window; t += steps) await network.run(bytes, steps, frequencies);
  let t = 0;
  const step = await fastest(`${label} step`, () => {
    t = (t + 1) % steps;
    return network.step(bytes.subarray(t * streams), frequencies);
  });
  const run = await fastest(`${label} run`, () => network.run(bytes, steps, frequencies));
  network.close();
  return { step: streams / step, run: (steps * streams) / run };
}

async function engineTable(): Promise<void> {
  const engines: [string, Engine, number[]][] = [];
  for (const isa of nativeIsas())
    engines.push([`native ${isa}`, nativeEngine({ isa, threads: 1 }), [1, 16, 64]]);
  engines.push(['native, all threads', nativeEngine(), [1, 16, 64]]);
  for (const [label, engine] of await wasmEngines()) engines.push([label, engine, [1, 16, 64]]);
  engines.push(['reference', referenceEngine, [1]]);

  console.log(
    `\n${preset}, weights of 7 bits, KB/s (and how many times the reference's step on one stream)\n`,
  );
  console.log('engine                streams     step                 run');
  const rows: { label: string; streams: number; step: number; run: number }[] = [];
  for (const [label, engine, batches] of engines.reverse())
    for (const streams of batches) {
      const row = { label, streams, ...(await speeds(label, engine, streams)) };
      rows.push(row);
      const ratio = (x: number) => `(${(x / rows[0].step).toFixed(0)}x)`.padStart(8);
      console.log(
        `${label.padEnd(22)}${String(streams).padStart(7)}${fixed(row.step / 1000)} ${ratio(row.step)}` +
          `${fixed(row.run / 1000)} ${ratio(row.run)}`,
      );
    }
}

/** What the engines offer the benchmark. */
interface Products {
  productName(): string;
  benchmarkDot(repeats: number): number;
  benchmarkProduct(columns: number, repeats: number): void;
}

/**
 * Multiply-adds per second of the recurrent matrix (4d x d) against its kernel's bare loop, for weights of 8,
 * 7 and 6 bits.
 */
async function productTable(): Promise<void> {
  console.log(
    `\nint8 products of ${4 * width} x ${width}, 10^9 multiply-adds/s (share of the bare micro-kernel)\n`,
  );
  const DOTS = 20_000;
  const print = async (label: string, bits: number, products: Products) => {
    const name = `${label.padEnd(19)} ${bits} bits  ${products.productName()}`;
    const dot = () => products.benchmarkDot(DOTS);
    const bare = dot() / (await fastest(`${name} bare`, dot, 300)) / 1e9;
    const cells: string[] = [];
    for (const columns of [1, 4, 16, 64]) {
      const repeats = Math.ceil(64 / columns);
      const seconds = await fastest(
        `${name} ${columns}`,
        () => products.benchmarkProduct(columns, repeats),
        300,
      );
      const rate = (4 * width * width * columns * repeats) / seconds / 1e9;
      cells.push(`${columns}: ${rate.toFixed(0)} (${((100 * rate) / bare).toFixed(0)} %)`.padEnd(14));
    }
    console.log(`${name.padEnd(56)} bare ${bare.toFixed(0).padStart(4)}   columns ${cells.join(' ')}`);
  };
  const addon = nativeAddon<NativeNetwork>();
  for (const isa of nativeIsas()) {
    if (isa === 'baseline' && process.arch === 'x64') continue; // no micro-kernel: the compiler's own loops
    for (const [bits, narrow] of models) {
      const weights = packed(addon, narrow, isa);
      await print(`native ${isa}`, bits, {
        productName: () => addon.productName(weights),
        benchmarkDot: (repeats) => addon.benchmarkDot(weights, repeats),
        benchmarkProduct: (columns, repeats) => addon.benchmarkProduct(weights, columns, repeats),
      });
    }
  }
  for (const [label, engine] of await wasmEngines())
    for (const [bits, narrow] of models)
      await print(label, bits, engine.open(narrow, 1) as unknown as Products);
}

/** Both WebAssembly modules, where the host takes them. */
async function wasmEngines(): Promise<[string, Engine][]> {
  const list: [string, Engine][] = [['wasm', await wasmEngine(await wasmModule('plain'))]];
  if (hasRelaxedSimd()) list.push(['wasm, relaxed SIMD', await wasmEngine(await wasmModule('relaxed'))]);
  return list;
}

await productTable();
await engineTable();
