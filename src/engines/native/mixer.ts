/** @file The mixing coder in the native addon (cpp/bindings/node/mix.cc, pipeline.cc). */
import type { MixHandle, MixKernels } from '../engine.js';
import { type NetworkHandle, networkHandle, typed } from './network.js';

/** What the addon exports: the mixing coder, with its own handle of a network. */
export interface MixAddon extends Omit<MixKernels, 'mixSteps'> {
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
  mixOpen: (...parameters) => typed(() => addon.mixOpen(...parameters)),
  mixEncode: (...parameters) => typed(() => addon.mixEncode(...parameters)),
  mixFinish: (coder) => typed(() => addon.mixFinish(coder)),
  mixDecode: (...parameters) => typed(() => addon.mixDecode(...parameters)),
  mixEnds: (coder) => typed(() => addon.mixEnds(coder)),
  mixSteps(coder, network, ...parameters) {
    const handle = networkHandle(network);
    return handle && typed(() => addon.mixSteps(coder, handle, ...parameters));
  },
  mixClose: addon.mixClose,
});
