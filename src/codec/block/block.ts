/** @file Codes one block: drives the network's lockstep streams and the mode's symbol coder. */
import type { MixKernels, Network, StreamKernels } from '../../engines/engine.js';
import { INITIAL_BYTE, SYMBOLS } from '../../model/architecture.js';
import { placeSymbols } from '../../slices.js';
import { inPieces, type Pauses, Portions } from '../event-loop.js';
import type { CodedMode } from './modes.js';
import { PLAIN_SYMBOLS, predictRows } from './predict.js';
import { type BlockProgress, Growth } from './progress.js';
import { decodeStreams, encodeStreams } from './stream-block.js';
import { splitCodes } from './stream-table.js';
import type { Preparable, SymbolDecoder } from './symbol-coder.js';

/** Most symbols that are decoded with a network before damage is noticed. */
const DECODED_SYMBOLS = 512;

/** What coding takes beside the block. */
export interface BlockTools {
  /**
   * As many streams as the block has, in any state (they are reset); undefined in modes without a network.
   */
  network?: Network;
  /** Undefined in modes without mixing. */
  mixing?: MixKernels;
  /** Used in modes without mixing, where the engine has them. */
  kernels?: StreamKernels;
  pauses: Pauses;
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
  { network, mixing, kernels, pauses, progress }: BlockTools,
): Promise<Uint8Array | undefined> {
  const { length } = block;
  if (network && !mode.profile) {
    const coder = kernels?.encodeStreams(network, block);
    if (coder) return encodeStreams(coder, length, streams, pauses, progress);
  }
  const coder = mode.encoder({ length, streams, mixing });
  try {
    await prepare(coder, pauses);
    network?.reset();
    const growth = new Growth(streams);
    const done = await predictRows({ block, streams, network, pauses }, coder, (symbols) => {
      if (coder.length > length || growth.hopeless(symbols, coder.length)) return false;
      progress?.(symbols, coder.length);
      return true;
    });
    if (!done) return undefined;
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
  { network, mixing, kernels, pauses, progress }: BlockTools,
): Promise<Uint8Array<ArrayBuffer>> {
  if (network && kernels && !mode.profile) {
    const codes = splitCodes(payload, streams);
    const coder = kernels.decodeStreams(network, codes, length);
    const table = payload.length - codes.reduce((sum, code) => sum + code.length, 0);
    if (coder)
      return decodeStreams(coder, length, streams, pauses, (done, used) => progress?.(done, table + used));
  }
  const coder = mode.decoder(payload, { length, streams, mixing });
  try {
    await prepare(coder, pauses);
    const frequencies = new Uint32Array(network ? streams * SYMBOLS : 0);
    // as codingRows() makes them: what the streams are fed first, then the symbols
    let rows = new Uint8Array(streams + Math.min(length, 65536)).fill(INITIAL_BYTE, 0, streams);
    network?.reset();
    const portions = new Portions(pauses, streams, network ? DECODED_SYMBOLS : PLAIN_SYMBOLS);
    for (let done = 0; done < length; ) {
      const count = portions.begin(length - done);
      if (streams + done + count > rows.length) {
        const larger = new Uint8Array(streams + Math.min(length, rows.length * 2));
        larger.set(rows);
        rows = larger;
      }
      await decodeRows(coder, rows.subarray(done), streams, count, portions, network, frequencies);
      done += count;
      progress?.(done, coder.position);
      const pause = portions.end(count);
      if (pause) await pause;
    }
    coder.finish();
    const block = new Uint8Array(length);
    const place = (from: number, to: number) =>
      placeSymbols(block, streams, rows.subarray(streams + from, streams + to), from / streams);
    await inPieces(pauses, length, place, streams);
    return block;
  } finally {
    coder.close?.();
  }
}

/** Readies a coder's memory, with turns for the event loop. */
export async function prepare(coder: Preparable, pauses: Pauses): Promise<void> {
  while (coder.prepare?.() === false) {
    const pause = pauses.take();
    if (pause) await pause;
  }
}

/** Decodes `count` symbols behind the first row; that row and they are the network's input. */
async function decodeRows(
  coder: SymbolDecoder,
  rows: Uint8Array,
  streams: number,
  count: number,
  portions: Portions,
  network: Network | undefined,
  frequencies: Uint32Array,
): Promise<void> {
  if (!network) return coder.decode(rows.subarray(streams), count);
  if (coder.decodeSteps?.(network, rows, count, frequencies)) return;
  for (let at = 0; at < count; at += streams) {
    const pending = network.step(rows.subarray(at, at + streams), frequencies);
    if (pending) await pending.then(() => portions.waited());
    coder.decode(rows.subarray(at + streams), Math.min(streams, count - at), frequencies);
  }
}
