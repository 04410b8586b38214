/** @file Codes one block: drives the network's lockstep streams and the mode's symbol coder. */
import type { Network } from '../engines/engine.js';
import { INITIAL_BYTE } from '../model/architecture.js';
import type { Breath } from './breath.js';
import { deinterleave, interleave, stepCount } from './lockstep.js';
import type { MixKernels } from './mixing/kernels.js';
import type { CodedMode } from './modes.js';

/** Most symbols that the encoder has the network predict at once: 4 MiB of frequencies. */
export const BATCH_SYMBOLS = 4096;

/** Most symbols coded in one go without a network: some ten milliseconds. */
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
  const steps = stepCount(block.length, streams);
  const batch = Math.min(steps, Math.max(1, Math.floor((network ? BATCH_SYMBOLS : PLAIN_SYMBOLS) / streams)));
  const rows = interleave(block, streams);
  const frequencies = network ? new Uint32Array(batch * streams * 256) : undefined;
  const coder = mode.encoder({ length: block.length, streams, mixing });
  try {
    network?.reset();
    for (let step = 0; step < steps; step += batch) {
      const count = Math.min(batch, steps - step);
      if (network && frequencies) {
        const input = rows.subarray(step * streams, (step + count) * streams);
        const pending = network.run(input, count, frequencies);
        if (pending) await pending;
      }
      const done = Math.min(block.length, (step + count) * streams);
      coder.encode(rows.subarray((step + 1) * streams, streams + done), frequencies);
      if (coder.length > block.length || (done >= TRIAL_SYMBOLS && coder.length > done)) return undefined;
      progress?.(done, coder.length);
      const pause = breath.take();
      if (pause) await pause;
    }
    const payload = coder.finish();
    return payload.length < block.length ? payload : undefined;
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
    let symbols = new Uint8Array(Math.min(length, 65536));
    // without a network nothing has to be known between steps
    const batch = network ? 1 : Math.max(1, Math.floor(PLAIN_SYMBOLS / streams));
    const row = new Uint8Array(batch * streams).fill(INITIAL_BYTE);
    const frequencies = network ? new Uint32Array(streams * 256) : undefined;
    const pauseEvery = network ? Math.max(1, Math.floor(BATCH_SYMBOLS / streams / 8)) : 1;
    network?.reset();
    for (let done = 0, round = 1; done < length; round++) {
      if (network && frequencies) {
        const pending = network.step(row, frequencies);
        if (pending) await pending;
      }
      const count = Math.min(row.length, length - done);
      coder.decode(row, count, frequencies);
      if (done + count > symbols.length) {
        const larger = new Uint8Array(Math.min(length, symbols.length * 2));
        larger.set(symbols);
        symbols = larger;
      }
      symbols.set(count === row.length ? row : row.subarray(0, count), done);
      done += count;
      if (round % pauseEvery === 0) {
        progress?.(done, coder.position);
        const pause = breath.take();
        if (pause) await pause;
      }
    }
    coder.finish();
    return deinterleave(symbols, length, streams);
  } finally {
    coder.close?.();
  }
}
