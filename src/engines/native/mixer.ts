/** @file The mixing coder in the native addon (cpp/bindings/node/mix.cc, pipeline.cc). */
import type { MixHandle, MixKernels } from '../engine.js';
import { type NetworkHandle, networkHandle } from './network.js';

/** What the addon exports: the mixing coder, with its own handle of a network. */
export interface MixAddon extends Omit<MixKernels, 'mixEncode' | 'mixSteps'> {
  mixEncode(
    coder: MixHandle,
    symbols: Uint8Array,
    frequencies?: Uint32Array,
    odds?: Uint16Array,
    likeliest?: Uint8Array,
    chances?: Uint16Array,
  ): number;
  mixSteps(
    coder: MixHandle,
    network: NetworkHandle,
    rows: Uint8Array,
    count: number,
    frequencies: Uint32Array,
    /** that many of the network's threads, however they get on; for tests and benchmarks */
    threads?: number,
  ): number;
}

/** The addon's mixing coder. It and a network of the addon work at the same time (`mixSteps`). */
export const mixingOf = (addon: MixAddon): MixKernels => ({
  mixBytes: addon.mixBytes,
  mixOpen: addon.mixOpen,
  mixPrepare: addon.mixPrepare,
  mixEncode: (coder, symbols, frequencies, odds, likeliest) =>
    addon.mixEncode(coder, symbols, frequencies, odds, likeliest?.symbols, likeliest?.chances),
  mixFinish: addon.mixFinish,
  mixDecode: addon.mixDecode,
  mixEnds: addon.mixEnds,
  mixClose: addon.mixClose,
  mixSteps(coder, network, ...parameters) {
    const handle = networkHandle(network);
    return handle && addon.mixSteps(coder, handle, ...parameters);
  },
});
