/** @file What a float network thinks a text costs: what its quantized form is measured against. */
import { setImmediate } from 'node:timers/promises';
import { type Architecture, INITIAL_BYTE } from '../model/architecture.js';
import { streamsOf } from '../model/cross-entropy.js';
import { fill } from './checkpoint.js';
import { TrainingNetwork } from './network.js';

/** Bytes of a training segment. */
const SEGMENT = 64;

/** The longest start of a text whose streams are whole segments long. */
export function wholeSegments(text: Uint8Array): Uint8Array {
  const streams = streamsOf(text.length);
  return text.subarray(0, streams * SEGMENT * Math.floor(text.length / streams / SEGMENT));
}

/**
 * Bits that a float network gives to a text, cut into streams as `crossEntropy` cuts it for the integer network.
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
  const network = new TrainingNetwork(arch, { batch: streams, steps: SEGMENT, threads, bf16: false });
  fill(arch, values, network.weights);
  const inputs = new Uint8Array(streams * SEGMENT);
  const targets = new Uint8Array(streams * SEGMENT);
  let nats = 0;
  for (let at = 0; at < length; at += SEGMENT) {
    for (let s = 0; s < streams; s++) {
      const begin = s * length + at;
      targets.set(text.subarray(begin, begin + SEGMENT), s * SEGMENT);
      inputs.set(text.subarray(begin, begin + SEGMENT - 1), s * SEGMENT + 1);
      inputs[s * SEGMENT] = at === 0 ? INITIAL_BYTE : text[begin - 1];
    }
    const resets = new Uint8Array(streams).fill(at === 0 ? 1 : 0);
    for (const loss of network.evaluate({ inputs, targets, resets }, false, at === 0)) nats += loss;
    await setImmediate();
  }
  return nats / Math.LN2;
}
