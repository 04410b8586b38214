/**
 * @file Blocks of the network alone by the native engine: bytes per second over 1 to 4096 streams on one
 * thread and on two, how much of that time the products take at the rate of their bare kernel, and what the
 * streams cost. `BENCH_MODELS=lite` leaves out `base`.
 *
 * Speeds: blocks are coded several times in the same short portions, the settings in turns; the fastest time
 * of every portion counts. Costs: the payload of the same text, beside that of one stream.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { encodeBlock } from '../src/codec/block/block.js';
import { codedMode } from '../src/codec/block/modes.js';
import { Pauses } from '../src/codec/event-loop.js';
import type { Engine, Network, StreamCoder } from '../src/engines/engine.js';
import { nativeAddon } from '../src/engines/native/addon.js';
import { nativeEngine, nativeIsas } from '../src/engines/native/engine.js';
import { type NativeNetwork, packed } from '../src/engines/native/network.js';
import { SYMBOLS } from '../src/model/architecture.js';
import { type IntegerModel, parseModel } from '../src/model/sharnn.js';
import { stepCount } from '../src/slices.js';

const STREAMS = [1, 4, 16, 64, 256, 1024, 4096];
const REPEATS = 4;
/** Symbols of a portion, about. */
const PORTION = 2048;

const docs = new URL('../docs/', import.meta.url);
const text = Buffer.concat(
  readdirSync(docs)
    .filter((name) => name.endsWith('.md'))
    .map((name) => readFileSync(new URL(name, docs))),
);
const textOf = (length: number) => Buffer.alloc(length, text);

/** Multiply-adds of the matrices for one byte; attention's walk through its memory is not counted. */
function multiplyAdds({ width: d, layers, boom, attention }: IntegerModel['architecture']): number {
  // the first layer's input product is a table
  return (8 * layers - 4) * d * d + attention.length * d * d + layers * boom * d * d + SYMBOLS * d;
}

/** Multiply-adds per second of the bare kernel, in the first cache, on one thread. */
function bareRate(model: IntegerModel): number {
  const addon = nativeAddon<NativeNetwork>();
  const weights = packed(addon, model, nativeIsas()[0]);
  let best = 0;
  for (let i = 0; i < 200; i++) {
    const start = performance.now();
    const done = addon.benchmarkDot(weights, 20_000);
    best = Math.max(best, (1000 * done) / (performance.now() - start));
  }
  return best;
}

/** Shortest times of the portions of a block, in ms. */
class Portions {
  readonly #times: number[] = [];

  /** Takes a coder through the block. */
  async run(coder: StreamCoder<unknown>, steps: number, streams: number): Promise<void> {
    const call = Math.max(1, Math.floor(PORTION / streams));
    for (let done = 0, i = 0; done < steps; done += call, i++) {
      const start = performance.now();
      await coder.advance(Math.min(call, steps - done));
      const took = performance.now() - start;
      this.#times[i] = Math.min(this.#times[i] ?? took, took);
    }
  }

  get total(): number {
    return this.#times.reduce((sum, time) => sum + time, 0);
  }
}

interface Setting {
  engine: Engine;
  network: Network;
  encoding: Portions;
  decoding: Portions;
}

async function measure(name: string, model: IntegerModel, largest: number): Promise<void> {
  const bare = bareRate(model);
  const products = multiplyAdds(model.architecture) / bare;
  console.log(
    `\n${name}: KB/s by one thread and by two; "products" is the share of one thread's time that the products would take at the bare rate, ` +
      `${(bare / 1e9).toFixed(0)} 10^9 multiply-adds/s\n\n` +
      'streams   bytes    encode 1   products   encode 2           decode 1   products   decode 2           cost',
  );
  const sample = textOf(largest);
  let single: number | undefined;
  for (const streams of STREAMS) {
    const block = textOf(Math.min(largest, Math.max(2 ** 14, streams * 4096)));
    const { length } = block;
    const steps = stepCount(length, streams);
    const settings = [1, 2].map((threads): Setting => {
      const engine = nativeEngine({ threads });
      const network = engine.open(model, streams);
      return { engine, network, encoding: new Portions(), decoding: new Portions() };
    });
    for (let i = 0; i < REPEATS; i++)
      for (const { engine, network, encoding, decoding } of settings) {
        const encoder = engine.streams!.encodeStreams(network, block)!;
        await encoding.run(encoder, steps, streams);
        const codes = await encoder.finish();
        encoder.close();
        if (!codes) continue;
        const decoder = engine.streams!.decodeStreams(network, codes, length)!;
        await decoding.run(decoder, steps, streams);
        if (Buffer.compare((await decoder.finish())!, block) !== 0) throw new Error('other bytes came back');
        decoder.close();
      }
    const [{ engine, network }] = settings;
    const tools = { network, kernels: engine.streams, pauses: new Pauses() };
    const payload = await encodeBlock(sample, streams, codedMode('network'), tools);
    single ??= payload?.length;
    for (const setting of settings) setting.network.close();
    const cells = (['encoding', 'decoding'] as const).map((what) => {
      const [one, two] = settings.map((setting) => setting[what].total);
      return (
        `${(length / one).toFixed(1).padStart(9)}${((products * length * 1e5) / one).toFixed(0).padStart(9)} %` +
        `${(length / two).toFixed(1).padStart(10)} (${(one / two).toFixed(2)}x)`
      );
    });
    const cost = payload && single ? `+${(100 * (payload.length / single - 1)).toFixed(2)} %` : 'stored';
    console.log(
      `${String(streams).padStart(7)}${String(length).padStart(8)} ${cells.join('  ')} ${cost.padStart(10)}`,
    );
  }
}

for (const [name, largest] of [
  ['lite', 2 ** 19],
  ['base', 2 ** 17],
] as const) {
  if (!(process.env.BENCH_MODELS ?? name).includes(name)) continue;
  const file = readFileSync(new URL(`../models/${name}.sharnn`, import.meta.url));
  await measure(name, parseModel(file), largest);
}
