/**
 * @file Blocks whose streams are independent, coded by the addon's threads (cpp/bindings/node/streams.cc).
 */
import type { StreamCoder, StreamKernels } from '../engine.js';
import { typedError } from './errors.js';
import { type NetworkHandle, networkHandle } from './network.js';

type CoderHandle = { readonly streamCoder: unique symbol };

/** What the addon exports. Arguments as {@link StreamKernels} has them, codes one behind the other. */
export interface StreamsAddon {
  streamBytes(length: number, streams: number, threads: number): number;
  encodeStreams(network: NetworkHandle, block: Uint8Array): CoderHandle;
  decodeStreams(network: NetworkHandle, codes: Uint8Array, lengths: Uint32Array, length: number): CoderHandle;
  advanceStreams(coder: CoderHandle, steps: number): Promise<number>;
  /** @param lengths receives those of the codes, where a block was encoded */
  finishStreams(coder: CoderHandle, lengths?: Uint32Array): ArrayBuffer | undefined;
  closeStreams(coder: CoderHandle): void;
}

function coderOf<Result>(
  addon: StreamsAddon,
  handle: CoderHandle,
  finish: (coder: CoderHandle) => Result,
): StreamCoder<NonNullable<Result>> {
  return {
    advance: (steps) =>
      addon.advanceStreams(handle, steps).catch((error) => {
        throw typedError(error);
      }),
    finish: () => finish(handle) ?? undefined,
    close: () => addon.closeStreams(handle),
  };
}

/** Parts of a buffer, one behind the other. */
function cut(buffer: ArrayBuffer, lengths: Uint32Array): Uint8Array[] {
  let at = 0;
  return Array.from(lengths, (length) => {
    at += length;
    return new Uint8Array(buffer, at - length, length);
  });
}

/** The addon's coding of blocks with a network of its own, by the network's threads. */
export const streamsOf = (addon: StreamsAddon, threads: number): StreamKernels => ({
  streamBytes: (length, streams) => addon.streamBytes(length, streams, threads),
  encodeStreams(network, block) {
    const handle = networkHandle(network);
    if (!handle) return undefined;
    const { streams } = network;
    return coderOf(addon, addon.encodeStreams(handle, block), (coder) => {
      const lengths = new Uint32Array(streams);
      const codes = addon.finishStreams(coder, lengths);
      return codes && cut(codes, lengths);
    });
  },
  decodeStreams(network, codes, length) {
    const handle = networkHandle(network);
    if (!handle) return undefined;
    const lengths = Uint32Array.from(codes, (code) => code.length);
    const whole = new Uint8Array(lengths.reduce((sum, n) => sum + n, 0));
    let at = 0;
    for (const code of codes) {
      whole.set(code, at);
      at += code.length;
    }
    return coderOf(addon, addon.decodeStreams(handle, whole, lengths, length), (coder) => {
      const block = addon.finishStreams(coder);
      return block && new Uint8Array(block);
    });
  },
});
