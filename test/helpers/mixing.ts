/** @file A block through mixing kernels in one go. */
import type { MixKernels } from '../../src/codec/mixing/kernels.js';

/** The payload of symbols in coding order; undefined if it would be longer than they are. */
export function encode(
  kernels: MixKernels,
  profile: number,
  symbols: Uint8Array,
  streams: number,
  frequencies?: Uint32Array,
): Uint8Array | undefined {
  const coder = kernels.mixOpen(profile, symbols.length, streams);
  kernels.mixEncode(coder, symbols, frequencies);
  const payload = kernels.mixFinish(coder);
  kernels.mixClose(coder);
  return payload;
}
