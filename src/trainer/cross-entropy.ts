/** @file What a network thinks a text costs, without coding it. */
import { Breath, Portions } from '../codec/event-loop.js';
import type { Engine } from '../engines/engine.js';
import { INITIAL_BYTE, SYMBOLS } from '../model/architecture.js';
import type { IntegerModel } from '../model/sharnn.js';

/** Length of the streams that a text is cut into: long enough that cold starts hardly count. */
const STREAM_LENGTH = 4096;

/** Most symbols that the network predicts at once. */
const MOST_SYMBOLS = 1024;

/** Number of lockstep streams that a text of `length` bytes is cut into. */
export const streamsOf = (length: number): number =>
  Math.max(1, Math.min(64, Math.floor(length / STREAM_LENGTH)));

/**
 * Bits that the model gives to `text`, cut into equal lockstep streams that all start cold.
 * @returns the sum of -log2 of the probability of every byte
 */
export async function crossEntropy(engine: Engine, model: IntegerModel, text: Uint8Array): Promise<number> {
  const streams = streamsOf(text.length);
  const steps = Math.ceil(text.length / streams);
  const network = engine.open(model, streams);
  try {
    const portions = new Portions(new Breath(), streams, MOST_SYMBOLS);
    const input = new Uint8Array(portions.most);
    const frequencies = new Uint32Array(portions.most * SYMBOLS);
    let bits = 0;
    for (let t = 0, count: number; t < steps; t += count) {
      count = portions.begin((steps - t) * streams) / streams;
      for (let i = 0; i < count; i++)
        for (let s = 0; s < streams; s++)
          input[i * streams + s] = t + i === 0 ? INITIAL_BYTE : (text[s * steps + t + i - 1] ?? INITIAL_BYTE);
      const pending = network.run(input, count, frequencies);
      if (pending) await pending.then(() => portions.waited());
      for (let i = 0; i < count; i++)
        for (let s = 0; s < streams; s++) {
          const at = s * steps + t + i;
          if (at >= text.length) continue;
          bits += cost(frequencies, (i * streams + s) * SYMBOLS, text[at]);
        }
      await portions.end(count * streams);
    }
    return bits;
  } finally {
    network.close();
  }
}

/** -log2 of the probability of `symbol` under the 256 frequencies at `offset`. */
export function cost(frequencies: Uint32Array, offset: number, symbol: number): number {
  let total = 0;
  for (let k = 0; k < SYMBOLS; k++) total += frequencies[offset + k];
  return Math.log2(total / frequencies[offset + symbol]);
}
