/** @file What a network's predictions cost, without coding. */
import { predictRows } from '../codec/block/predict.js';
import type { SymbolSink } from '../codec/block/symbol-coder.js';
import { Pauses } from '../codec/event-loop.js';
import type { Engine } from '../engines/engine.js';
import { SYMBOLS } from '../model/architecture.js';
import type { Model } from '../model/model.js';

/** Length of the streams that a text is cut into: long enough that cold starts hardly count. */
const STREAM_LENGTH = 4096;

/** Number of lockstep streams that a text of `length` bytes is cut into. */
export const streamsOf = (length: number): number =>
  Math.max(1, Math.min(64, Math.floor(length / STREAM_LENGTH)));

/** Sums -log2 of the probability of every symbol. */
export class CrossEntropy implements SymbolSink {
  bits = 0;

  encode(symbols: Uint8Array, frequencies: Uint32Array): void {
    for (let i = 0; i < symbols.length; i++) this.bits += cost(frequencies, i * SYMBOLS, symbols[i]);
  }
}

/**
 * Bits that the model gives to `text`, cut into lockstep streams that all start cold.
 * @returns the sum of -log2 of the probability of every byte
 */
export async function crossEntropy(engine: Engine, model: Model, text: Uint8Array): Promise<number> {
  const streams = streamsOf(text.length);
  const network = engine.open(model, streams);
  const sum = new CrossEntropy();
  try {
    await predictRows({ block: text, streams, network, pauses: new Pauses() }, sum);
    return sum.bits;
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
