/** @file A block through mixing kernels and back. */
import type { MixKernels } from '../../src/engines/engine.js';

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

/** The `length` symbols of a payload, decoded in uneven pieces: where a piece ends must not matter. */
export function decode(
  kernels: MixKernels,
  profile: number,
  length: number,
  streams: number,
  payload: Uint8Array,
  frequencies?: Uint32Array,
): Uint8Array {
  const coder = kernels.mixOpen(profile, length, streams, payload);
  const out = new Uint8Array(length);
  for (let at = 0, size = 1; at < length; at += size, size = (size * 7 + 1) % 61 || 1) {
    size = Math.min(size, length - at);
    kernels.mixDecode(coder, out.subarray(at, at + size), size, frequencies?.subarray(at * 256));
  }
  kernels.mixClose(coder);
  return out;
}
