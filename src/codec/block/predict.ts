/** @file The one loop that runs a network over the rows of a block whose symbols are known: to encode, to try, to measure. */
import type { Network } from '../../engines/engine.js';
import { SYMBOLS } from '../../model/architecture.js';
import type { Breath } from '../event-loop.js';
import { stepCount } from './slices.js';
import type { SymbolSink } from './symbol-coder.js';

/** Most symbols that a network predicts at once: 4 MiB of frequencies. */
export const BATCH_SYMBOLS = 4096;

/** Symbols handed on at a time without a network: some ten milliseconds of mixing. */
export const PLAIN_SYMBOLS = 1024;

/** About that many symbols in whole steps, at least one. */
export const wholeSteps = (symbols: number, streams: number): number =>
  Math.max(1, Math.floor(symbols / streams)) * streams;

/** A part of a block in coding order, as `interleave` makes it, and what predicts it. */
export interface Rows {
  /** one row of `streams` bytes, the network's first input, and behind it the symbols */
  rows: Uint8Array;
  streams: number;
  /** symbols; whole steps, except at the end of the block */
  count: number;
  /** of as many streams, at the state before the first row; undefined where nothing predicts */
  network?: Network;
  breath: Breath;
}

/**
 * Predicts symbols, a batch of steps at a time, and hands them on with their frequencies.
 * @param after called after each batch with the number of symbols done; false ends the loop
 * @returns whether all symbols were done
 * @throws the reason of the signal that `breath` watches
 */
export async function predictRows(
  { rows, streams, count, network, breath }: Rows,
  sink: SymbolSink,
  after: (done: number) => boolean = () => true,
): Promise<boolean> {
  const batch = Math.min(
    wholeSteps(network ? BATCH_SYMBOLS : PLAIN_SYMBOLS, streams),
    stepCount(count, streams) * streams,
  );
  const frequencies = network && new Uint32Array(batch * SYMBOLS);
  for (let done = 0; done < count; ) {
    const n = Math.min(batch, count - done);
    const part = rows.subarray(done);
    const symbols = part.subarray(streams, streams + n);
    if (!network || !frequencies) {
      sink.encode(symbols);
    } else if (!sink.encodeSteps?.(network, part, n, frequencies)) {
      const steps = stepCount(n, streams);
      const pending = network.run(part.subarray(0, steps * streams), steps, frequencies);
      if (pending) await pending;
      sink.encode(symbols, frequencies);
    }
    done += n;
    if (!after(done)) return false;
    const pause = breath.take();
    if (pause) await pause;
  }
  return true;
}
