/** @file How fast an engine is, measured quickly: some tenths of a second for each number of streams. */
import type { Engine, Network, StreamKernels } from '../engines/engine.js';
import { SYMBOLS } from '../model/architecture.js';
import type { Model } from '../model/model.js';
import type { Rates } from './measurements.js';

/** A measurement doubles its steps until it takes so many ms; the fastest counts. */
const MOMENT = 30;
/** Most steps of one. */
const MOST_STEPS = 4096;
/** Seconds of a step of all streams from which on an engine is too slow to be measured quickly. */
const SLOW = 0.25;
/** Most rows (streams x steps) whose frequencies are held. */
const ROWS = 4096;
/** Bytes of code for each step: more than any byte takes. */
const CODE = 16;

/** Bytes without any pattern that matters: the network's time does not depend on them. */
function someBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  // a plain loop: it runs within what is measured
  for (let i = 0; i < length; i++) bytes[i] = (i * 151 + 7) >>> 1;
  return bytes;
}

/** Bytes per second of all streams. @param call does that many steps */
async function rateOf(streams: number, call: (steps: number) => unknown): Promise<number> {
  let best = 0;
  for (let steps = 1; ; steps *= 2) {
    const start = performance.now();
    await call(steps);
    const took = performance.now() - start;
    best = Math.max(best, (1000 * steps * streams) / Math.max(took, 1e-3));
    if (took >= MOMENT || 2 * steps > MOST_STEPS) return best;
  }
}

async function runSteps(network: Network, steps: number): Promise<void> {
  const { streams } = network;
  const most = Math.max(1, Math.floor(ROWS / streams));
  const frequencies = new Uint32Array(Math.min(steps, most) * streams * SYMBOLS);
  const bytes = someBytes(Math.min(steps, most) * streams);
  network.reset();
  for (let left = steps; left > 0; left -= most) await network.run(bytes, Math.min(left, most), frequencies);
}

async function codeSteps(
  network: Network,
  kernels: StreamKernels,
  what: 'encode' | 'decode',
  steps: number,
): Promise<void> {
  const { streams } = network;
  const length = steps * streams;
  // whatever these codes are, they decode to something
  const code = someBytes(CODE * steps);
  const coder =
    what === 'encode'
      ? kernels.encodeStreams(network, someBytes(length))
      : kernels.decodeStreams(
          network,
          Array.from({ length: streams }, () => code),
          length,
        );
  try {
    await coder!.advance(steps);
  } finally {
    coder!.close();
  }
}

/**
 * How fast an engine is with a model.
 * @param streams a number of streams
 * @param loaded seconds that it took to have the engine
 * @throws ShacompError as `Engine.open`
 */
export async function measureRates(
  engine: Engine,
  model: Model,
  streams: number,
  loaded = 0,
): Promise<Rates> {
  const begin = performance.now();
  const network = engine.open(model, streams);
  try {
    const frequencies = new Uint32Array(streams * SYMBOLS);
    const bytes = someBytes(streams);
    await network.step(bytes, frequencies);
    const start = loaded + (performance.now() - begin) / 1000;
    const run = await rateOf(streams, (steps) => runSteps(network, steps));
    network.reset();
    const step = await rateOf(streams, async (steps) => {
      for (let t = 0; t < steps; t++) await network.step(bytes, frequencies);
    });
    const { streams: kernels } = engine;
    const coding = async (what: 'encode' | 'decode') =>
      kernels ? rateOf(streams, (steps) => codeSteps(network, kernels, what, steps)) : null;
    return { start, run, step, encode: await coding('encode'), decode: await coding('decode') };
  } finally {
    network.close();
  }
}

/**
 * As {@link measureRates}, for several numbers of streams, as far as the engine is quick enough.
 * @param counts numbers of streams, in any order
 */
export async function measureStreams(
  engine: Engine,
  model: Model,
  counts: readonly number[],
  loaded = 0,
): Promise<Map<number, Rates>> {
  const measured = new Map<number, Rates>();
  let fastest = Number.POSITIVE_INFINITY;
  for (const streams of [...new Set(counts)].sort((a, b) => a - b)) {
    if (streams / fastest > SLOW) break;
    const rates = await measureRates(engine, model, streams, loaded);
    measured.set(streams, rates);
    fastest = Math.min(rates.run, rates.step);
  }
  return measured;
}
