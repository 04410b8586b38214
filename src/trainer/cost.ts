/** @file What a text costs by a float network's predictions. */
import { setImmediate } from 'node:timers/promises';
import { type Architecture, INITIAL_BYTE } from '../model/architecture.js';
import { fill } from './checkpoint.js';
import { streamsOf } from './cross-entropy.js';
import type { HeldOut } from './data.js';
import { TrainingNetwork } from './network.js';

/** Bytes of a training segment in {@link floatCrossEntropy}. */
const SEGMENT = 64;

/** What a text costs. */
export interface Cost {
  nats: number;
  bytes: number;
}

/**
 * What the text of every held-out file costs by the network's predictions; every piece starts cold. The state
 * of a training run is left alone.
 * @param heldOut pieces that are whole segments long
 * @param ema with the averaged weights
 * @returns by path; null if `signal` fired
 */
export async function costs(
  network: TrainingNetwork,
  heldOut: readonly HeldOut[],
  ema: boolean,
  signal?: AbortSignal,
): Promise<Map<string, Cost> | null> {
  const { batch, steps } = network.options;
  const jobs = heldOut.flatMap(({ path, pieces }) => pieces.map((piece) => ({ path, piece })));
  const totals = new Map<string, Cost>();
  let prepare = true;
  for (let first = 0; first < jobs.length; first += batch) {
    const group = jobs.slice(first, first + batch);
    const longest = Math.max(...group.map(({ piece }) => piece.length));
    for (let at = 0; at < longest; at += steps) {
      if (signal?.aborted) return null;
      const inputs = new Uint8Array(batch * steps);
      const targets = new Uint8Array(batch * steps);
      const resets = new Uint8Array(batch).fill(at === 0 ? 1 : 0);
      group.forEach(({ piece }, b) => {
        if (at >= piece.length) return;
        targets.set(piece.subarray(at, at + steps), b * steps);
        inputs.set(piece.subarray(at, at + steps - 1), b * steps + 1);
        inputs[b * steps] = at === 0 ? INITIAL_BYTE : piece[at - 1];
      });
      const losses = network.evaluate({ inputs, targets, resets }, ema, prepare);
      prepare = false;
      group.forEach(({ path, piece }, b) => {
        if (at >= piece.length) return;
        const { nats, bytes } = totals.get(path) ?? { nats: 0, bytes: 0 };
        totals.set(path, { nats: nats + losses[b], bytes: bytes + steps });
      });
      await setImmediate();
    }
  }
  return totals;
}

/** The longest start of a text whose streams are whole segments long. */
export function wholeSegments(text: Uint8Array): Uint8Array {
  const streams = streamsOf(text.length);
  return text.subarray(0, streams * SEGMENT * Math.floor(text.length / streams / SEGMENT));
}

/**
 * Bits that a float network gives to a text, cut into streams as `crossEntropy` cuts it for the integer
 * network: what a quantized network is measured against.
 * @param text from {@link wholeSegments}
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE where nothing trains here
 */
export async function floatCrossEntropy(
  arch: Architecture,
  values: ReadonlyMap<string, Float32Array>,
  text: Uint8Array,
  threads: number,
): Promise<number> {
  const streams = streamsOf(text.length);
  const length = text.length / streams;
  const network = await TrainingNetwork.open(arch, { batch: streams, steps: SEGMENT, threads, bf16: false });
  fill(arch, values, network.weights);
  const pieces = Array.from({ length: streams }, (_, s) => text.subarray(s * length, (s + 1) * length));
  const totals = await costs(network, [{ path: '', pieces }], false);
  return (totals?.get('')?.nats ?? 0) / Math.LN2;
}
