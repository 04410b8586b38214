/** @file A mixing coder that codes nothing: its payload has the length that a test wants. */
import type { MixKernels } from '../../src/engines/engine.js';

export interface StubOptions {
  /**
   * bytes of payload per symbol: without the network, and where its frequencies are given, after so many
   * symbols
   */
  plain?: number;
  network?: number | ((done: number) => number);
}

/** Kernels whose coders add so many bytes to the payload for every symbol; decoders give zeros. */
export function stubMixing({ plain = 0.5, network = 0.5 }: StubOptions = {}): MixKernels {
  const coders = new WeakMap<object, { size: number; done: number; limit: number }>();
  return {
    mixBytes: () => 0,
    mixOpen(_profile, limit) {
      const coder = {};
      coders.set(coder, { size: 0, done: 0, limit });
      return coder;
    },
    mixEncode(coder, symbols, frequencies) {
      const state = coders.get(coder)!;
      const cost = typeof network === 'number' ? network : network(state.done);
      state.size += symbols.length * (frequencies ? cost : plain);
      state.done += symbols.length;
      return state.size;
    },
    mixFinish(coder) {
      const { size, limit } = coders.get(coder)!;
      return size > limit ? undefined : new Uint8Array(Math.ceil(size));
    },
    mixDecode: () => 0,
    mixEnds: () => true,
    mixClose(coder) {
      coders.delete(coder);
    },
  };
}
