/** @file What rounding costs: the integer network beside the float one it was made from, on the same text. */
import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import type { Engine } from '../engines/engine.js';
import { type Architecture, INITIAL_BYTE, SYMBOLS } from '../model/architecture.js';
import type { Model } from '../model/model.js';
import { fill } from './checkpoint.js';
import { cost } from './cross-entropy.js';
import { TrainingNetwork } from './network.js';
import { type ActivationRanges, rangesOf } from './ranges.js';

/** Bytes of a segment of the float network here. */
const SEGMENT = 64;

/** Ends of the parts of a stream that are told apart: a loss that grows with the position shows there. */
const POSITIONS = [512, 2048, 8192, 20480, 40960, 2 ** 17, 2 ** 19, Number.POSITIVE_INFINITY];

/** What some bytes cost both networks, in bits. */
export interface Bits {
  bytes: number;
  float: number;
  integer: number;
}

export interface TextLoss extends Bits {
  path: string;
  /** the same by position in the stream: up to `end` bytes from its start */
  positions: (Bits & { end: number })[];
}

export interface RoundingLoss {
  texts: TextLoss[];
  /** how large the float network's activations became */
  ranges: ActivationRanges;
}

/** Relative loss of the integer network, in percent. */
export const percent = ({ float, integer }: Bits): number => 100 * (integer / float - 1);

/** Sum of some costs. */
export const total = (parts: readonly Bits[]): Bits =>
  parts.reduce(
    (a, b) => ({ bytes: a.bytes + b.bytes, float: a.float + b.float, integer: a.integer + b.integer }),
    { bytes: 0, float: 0, integer: 0 },
  );

/**
 * Costs of some texts, each as one stream from the cold state, in both networks. Text beyond whole segments
 * of 64 bytes is left out.
 *
 * The float network sees up to 63 positions fewer at the start of a segment than the integer one, whose
 * window never shrinks (docs/training.md, section 2): a small negative loss is no mistake.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE where nothing trains
 */
export async function roundingLoss(
  arch: Architecture,
  values: ReadonlyMap<string, Float32Array>,
  model: Model,
  engine: Engine,
  texts: readonly { path: string; text: Uint8Array }[],
  threads = availableParallelism(),
  onProgress?: (share: number) => void,
): Promise<RoundingLoss> {
  const S = texts.length;
  const lengths = texts.map(({ text }) => Math.floor(text.length / SEGMENT) * SEGMENT);
  const float = await TrainingNetwork.open(arch, { batch: S, steps: SEGMENT, threads, bf16: false });
  fill(arch, values, float.weights);
  const integer = engine.open(model, S);
  const found = texts.map(
    ({ path }): TextLoss => ({
      ...{ path, bytes: 0, float: 0, integer: 0 },
      positions: POSITIONS.map((end) => ({ end, bytes: 0, float: 0, integer: 0 })),
    }),
  );
  try {
    const frequencies = new Uint32Array(SEGMENT * S * SYMBOLS);
    const interleaved = new Uint8Array(SEGMENT * S);
    const longest = Math.max(...lengths);
    for (let at = 0; at < longest; at += SEGMENT) {
      const inputs = new Uint8Array(S * SEGMENT);
      const targets = new Uint8Array(S * SEGMENT);
      texts.forEach(({ text }, s) => {
        if (lengths[s] === 0) return;
        // a text that is over begins again, and no longer counts
        const from = at % lengths[s];
        targets.set(text.subarray(from, from + SEGMENT), s * SEGMENT);
        inputs.set(text.subarray(from, from + SEGMENT - 1), s * SEGMENT + 1);
        inputs[s * SEGMENT] = from === 0 ? INITIAL_BYTE : text[from - 1];
        for (let t = 0; t < SEGMENT; t++) interleaved[t * S + s] = inputs[s * SEGMENT + t];
      });
      const resets = new Uint8Array(S).fill(at === 0 ? 1 : 0);
      const nats = float.evaluate({ inputs, targets, resets }, false, at === 0);
      const pending = integer.run(interleaved, SEGMENT, frequencies);
      if (pending) await pending;
      found.forEach((text, s) => {
        if (at >= lengths[s]) return;
        let bits = 0;
        for (let t = 0; t < SEGMENT; t++)
          bits += cost(frequencies, (t * S + s) * SYMBOLS, targets[s * SEGMENT + t]);
        for (const sum of [text, text.positions[POSITIONS.findIndex((end) => at < end)]]) {
          sum.bytes += SEGMENT;
          sum.float += nats[s] / Math.LN2;
          sum.integer += bits;
        }
      });
      onProgress?.((at + SEGMENT) / longest);
      await setImmediate();
    }
  } finally {
    integer.close();
  }
  for (const text of found) text.positions = text.positions.filter(({ bytes }) => bytes > 0);
  return { texts: found.filter(({ bytes }) => bytes > 0), ranges: rangesOf(arch, float.ranges) };
}
