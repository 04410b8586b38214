/** @file Codes one block: drives the network's lockstep streams and the mode's symbol coder. */
import type { Network } from '../../engines/engine.js';
import { INITIAL_BYTE, SYMBOLS } from '../../model/architecture.js';
import type { Breath } from '../event-loop.js';
import type { MixKernels } from './mixing-coder.js';
import type { CodedMode } from './modes.js';
import { deinterleave, interleave, stepCount } from './slices.js';
import type { SymbolDecoder, SymbolEncoder } from './symbol-coder.js';

/** Most symbols that the encoder has the network predict at once: 4 MiB of frequencies. */
export const BATCH_SYMBOLS = 4096;

/** Symbols that are decoded with a network before damage is noticed and others get a turn: some ten milliseconds. */
const DECODED_SYMBOLS = 512;

/** Symbols coded in one go without a network: as long. */
const PLAIN_SYMBOLS = 1024;

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
  const rows = interleave(block, streams);
  const opinion = network && { network, frequencies: new Uint32Array(batch * SYMBOLS) };
  const coder = mode.encoder({ length, streams, mixing });
  try {
    network?.reset();
    for (let done = 0; done < length; ) {
      const count = Math.min(batch, length - done);
      await encodeRows(coder, rows.subarray(done), streams, count, opinion);
      done += count;
      if (coder.length > length || (done >= TRIAL_SYMBOLS && coder.length > done)) return undefined;
      progress?.(done, coder.length);
      const pause = breath.take();
      if (pause) await pause;
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
    const batch = wholeSteps(network ? DECODED_SYMBOLS : PLAIN_SYMBOLS, streams);
    const opinion = network && { network, frequencies: new Uint32Array(streams * SYMBOLS) };
    // as interleave() makes them: what the streams are fed first, then the symbols
    let rows = new Uint8Array(streams + Math.min(length, 65536)).fill(INITIAL_BYTE, 0, streams);
    network?.reset();
    for (let done = 0; done < length; ) {
      const count = Math.min(batch, length - done);
      if (streams + done + count > rows.length) {
        const larger = new Uint8Array(streams + Math.min(length, rows.length * 2));
        larger.set(rows);
        rows = larger;
      }
      await decodeRows(coder, rows.subarray(done), streams, count, opinion);
      done += count;
      progress?.(done, coder.position);
      const pause = breath.take();
      if (pause) await pause;
    }
    coder.finish();
    return deinterleave(rows.subarray(streams), length, streams);
  } finally {
    coder.close?.();
  }
}

/** The network, and room for the frequencies of the steps that it predicts at a time. */
interface Opinion {
  network: Network;
  frequencies: Uint32Array;
}

/** About that many symbols in whole steps, at least one. */
const wholeSteps = (symbols: number, streams: number) => Math.max(1, Math.floor(symbols / streams)) * streams;

/** Encodes the `count` symbols behind the first row; that row and they are the network's input. */
async function encodeRows(
  coder: SymbolEncoder,
  rows: Uint8Array,
  streams: number,
  count: number,
  opinion?: Opinion,
): Promise<void> {
  const symbols = rows.subarray(streams, streams + count);
  if (!opinion) return coder.encode(symbols);
  const { network, frequencies } = opinion;
  if (coder.encodeSteps?.(network, rows, count, frequencies)) return;
  const steps = stepCount(count, streams);
  const pending = network.run(rows.subarray(0, steps * streams), steps, frequencies);
  if (pending) await pending;
  coder.encode(symbols, frequencies);
}

/** The inverse of {@link encodeRows}: writes the symbols behind the first row. */
async function decodeRows(
  coder: SymbolDecoder,
  rows: Uint8Array,
  streams: number,
  count: number,
  opinion?: Opinion,
): Promise<void> {
  if (!opinion) return coder.decode(rows.subarray(streams), count);
  const { network, frequencies } = opinion;
  if (coder.decodeSteps?.(network, rows, count, frequencies)) return;
  for (let at = 0; at < count; at += streams) {
    const pending = network.step(rows.subarray(at, at + streams), frequencies);
    if (pending) await pending;
    coder.decode(rows.subarray(at + streams), Math.min(streams, count - at), frequencies);
  }
}
