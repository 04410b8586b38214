/** @file Codes one block: drives the network's lockstep streams and the mode's symbol coder. */
import type { Network } from '../../engines/engine.js';
import { INITIAL_BYTE, SYMBOLS } from '../../model/architecture.js';
import { type Breath, Portions, wholeSteps } from '../event-loop.js';
import type { MixKernels } from './mixing-coder.js';
import type { CodedMode } from './modes.js';
import { codingRows, placeSymbols, stepCount } from './slices.js';
import type { SymbolDecoder, SymbolEncoder } from './symbol-coder.js';

/** Most symbols that the encoder has the network predict at once: 4 MiB of frequencies. */
export const BATCH_SYMBOLS = 4096;

/** Most symbols that are decoded with a network before damage is noticed. */
const DECODED_SYMBOLS = 512;

/** Most symbols coded in one go without a network. */
const PLAIN_SYMBOLS = 1024;

/** Bytes put in their places in one go. */
const PIECE = 2 ** 20;

/** Symbols after which a block that has grown so far is given up: hopeless data costs little time. */
const TRIAL_SYMBOLS = 65536;

/** What a block coder tells while it works: symbols done and payload bytes written or read. */
export type BlockProgress = (symbols: number, payload: number) => void;

/** What coding takes beside the block. */
export interface BlockTools {
  /** As many streams as the block has, in any state (they are reset); undefined in modes without a network. */
  network?: Network;
  /** Undefined in modes without mixing. */
  mixing?: MixKernels;
  breath: Breath;
  progress?: BlockProgress;
}

/**
 * Codes a block.
 * @returns the payload, or undefined if it would not be smaller than the block.
 */
export async function encodeBlock(
  block: Uint8Array,
  streams: number,
  mode: CodedMode,
  { network, mixing, breath, progress }: BlockTools,
): Promise<Uint8Array | undefined> {
  const { length } = block;
  const batch = Math.min(
    wholeSteps(network ? BATCH_SYMBOLS : PLAIN_SYMBOLS, streams),
    stepCount(length, streams) * streams,
  );
  const opinion = network && { network, frequencies: new Uint32Array(batch * SYMBOLS) };
  const coder = mode.encoder({ length, streams, mixing });
  try {
    network?.reset();
    const portions = new Portions(breath, streams, batch);
    for (let done = 0; done < length; ) {
      const start = done;
      const end = Math.min(start + batch, length);
      const rows = codingRows(block, streams, start / streams, stepCount(end, streams));
      // whether it has grown so far is asked at the ends of batches alone: where portions end depends on the machine
      while (done < end) {
        const count = portions.begin(end - done);
        await encodeRows(coder, rows.subarray(done - start), streams, count, portions, opinion);
        done += count;
        if (coder.length > length) return undefined;
        progress?.(done, coder.length);
        const pause = portions.end(count);
        if (pause) await pause;
      }
      if (done >= TRIAL_SYMBOLS && coder.length > done) return undefined;
    }
    const payload = coder.finish();
    return payload && payload.length < length ? payload : undefined;
  } finally {
    coder.close?.();
  }
}

/**
 * Decodes a block of `length` bytes. Memory grows with what is decoded, not with the length declared.
 * @throws ShacompError ERR_CORRUPT. Other damage gives other bytes: check the sum.
 */
export async function decodeBlock(
  payload: Uint8Array,
  length: number,
  streams: number,
  mode: CodedMode,
  { network, mixing, breath, progress }: BlockTools,
): Promise<Uint8Array<ArrayBuffer>> {
  const coder = mode.decoder(payload, { length, streams, mixing });
  try {
    const opinion = network && { network, frequencies: new Uint32Array(streams * SYMBOLS) };
    // as codingRows() makes them: what the streams are fed first, then the symbols
    let rows = new Uint8Array(streams + Math.min(length, 65536)).fill(INITIAL_BYTE, 0, streams);
    network?.reset();
    const portions = new Portions(breath, streams, network ? DECODED_SYMBOLS : PLAIN_SYMBOLS);
    for (let done = 0; done < length; ) {
      const count = portions.begin(length - done);
      if (streams + done + count > rows.length) {
        const larger = new Uint8Array(streams + Math.min(length, rows.length * 2));
        larger.set(rows);
        rows = larger;
      }
      await decodeRows(coder, rows.subarray(done), streams, count, portions, opinion);
      done += count;
      progress?.(done, coder.position);
      const pause = portions.end(count);
      if (pause) await pause;
    }
    coder.finish();
    const block = new Uint8Array(length);
    const piece = wholeSteps(PIECE, streams);
    for (let at = 0; at < length; at += piece) {
      const symbols = rows.subarray(streams + at, streams + Math.min(at + piece, length));
      placeSymbols(block, streams, symbols, at / streams);
      const pause = breath.take();
      if (pause) await pause;
    }
    return block;
  } finally {
    coder.close?.();
  }
}

/** The network, and room for the frequencies of the steps that it predicts at a time. */
interface Opinion {
  network: Network;
  frequencies: Uint32Array;
}

/** Encodes the `count` symbols behind the first row; that row and they are the network's input. */
async function encodeRows(
  coder: SymbolEncoder,
  rows: Uint8Array,
  streams: number,
  count: number,
  portions: Portions,
  opinion?: Opinion,
): Promise<void> {
  const symbols = rows.subarray(streams, streams + count);
  if (!opinion) return coder.encode(symbols);
  const { network, frequencies } = opinion;
  if (coder.encodeSteps?.(network, rows, count, frequencies)) return;
  const steps = stepCount(count, streams);
  const pending = network.run(rows.subarray(0, steps * streams), steps, frequencies);
  if (pending) await pending.then(() => portions.waited());
  coder.encode(symbols, frequencies);
}

/** The inverse of {@link encodeRows}: writes the symbols behind the first row. */
async function decodeRows(
  coder: SymbolDecoder,
  rows: Uint8Array,
  streams: number,
  count: number,
  portions: Portions,
  opinion?: Opinion,
): Promise<void> {
  if (!opinion) return coder.decode(rows.subarray(streams), count);
  const { network, frequencies } = opinion;
  if (coder.decodeSteps?.(network, rows, count, frequencies)) return;
  for (let at = 0; at < count; at += streams) {
    const pending = network.step(rows.subarray(at, at + streams), frequencies);
    if (pending) await pending.then(() => portions.waited());
    coder.decode(rows.subarray(at + streams), Math.min(streams, count - at), frequencies);
  }
}
