/**
 * @file The one loop that runs a network over a block whose symbols are known: to encode, to try, to measure.
 */
import type { Network } from '../../engines/engine.js';
import { SYMBOLS } from '../../model/architecture.js';
import { codingRows, stepCount } from '../../slices.js';
import { type Pauses, Portions, wholeSteps } from '../event-loop.js';
import type { SymbolSink } from './symbol-coder.js';

/** Most symbols that a network predicts at once: 4 MiB of frequencies. */
export const BATCH_SYMBOLS = 4096;

/** Most symbols handed on at once without a network. */
export const PLAIN_SYMBOLS = 1024;

/** Steps of a block, and what predicts them. */
export interface Rows {
  block: Uint8Array;
  streams: number;
  /** the first step, default 0, and the step to end before, default the block's end */
  from?: number;
  to?: number;
  /** of as many streams, at the state before the first step; undefined where nothing predicts */
  network?: Network;
  pauses: Pauses;
}

/**
 * Predicts the symbols of a block and hands them on with their frequencies, a batch of steps after the other.
 * Batches are always the same; they are cut into portions that are short on this machine.
 * @param after called after each batch with the number of symbols done; false ends the loop
 * @returns whether all symbols were done
 * @throws the reason of the signal that `pauses` watches
 */
export async function predictRows(
  { block, streams, from = 0, to = stepCount(block.length, streams), network, pauses }: Rows,
  sink: SymbolSink,
  after: (done: number) => boolean = () => true,
): Promise<boolean> {
  const count = Math.min(to * streams, block.length) - from * streams;
  const most = network ? BATCH_SYMBOLS : PLAIN_SYMBOLS;
  const batch = Math.min(wholeSteps(most, streams), (to - from) * streams);
  const frequencies = network && new Uint32Array(batch * SYMBOLS);
  const portions = new Portions(pauses, streams, most);
  for (let start = 0; start < count; start += batch) {
    const end = Math.min(start + batch, count);
    const first = from + start / streams;
    const rows = codingRows(block, streams, first, first + stepCount(end - start, streams));
    for (let done = start; done < end; ) {
      const n = portions.begin(end - done);
      const part = rows.subarray(done - start);
      const symbols = part.subarray(streams, streams + n);
      if (!network || !frequencies) {
        sink.encode(symbols);
      } else if (!sink.encodeSteps?.(network, part, n, frequencies)) {
        const steps = stepCount(n, streams);
        const pending = network.run(part.subarray(0, steps * streams), steps, frequencies);
        if (pending) await pending.then(() => portions.waited());
        sink.encode(symbols, frequencies);
      }
      done += n;
      const pause = portions.end(n);
      if (pause) await pause;
    }
    if (!after(end)) return false;
  }
  return true;
}
