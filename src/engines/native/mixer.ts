/** @file The mixing coder in the native addon (cpp/bindings/node/mix.cc, pipeline.cc). */

import type { MixHandle, MixKernels } from '../../codec/block/mixing-coder.js';
import { type NetworkHandle, nativeAddon, networkHandle } from './engine.js';

/** What the addon exports: the kernels, with its own handle of a network. */
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

/**
 * The addon's mixing kernels.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE if the addon does not run here
 */
export function nativeMixing(): MixKernels {
  const addon = nativeAddon<MixAddon>();
  return {
    mixBytes: addon.mixBytes,
    mixOpen: addon.mixOpen,
    mixEncode: addon.mixEncode,
    mixFinish: addon.mixFinish,
    mixDecode: addon.mixDecode,
    mixEnds: addon.mixEnds,
    mixSteps(coder, network, ...parameters) {
      const handle = networkHandle(network);
      return handle && addon.mixSteps(coder, handle, ...parameters);
    },
    mixClose: addon.mixClose,
  };
}
