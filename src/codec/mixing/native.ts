/** @file The mixing coder in the native addon (src/kernels/addon_mix.cc). */
import { nativeAddon } from '../../engines/native.js';
import { type ErrorCode, ShacompError } from '../../errors.js';
import type { MixKernels } from './kernels.js';

/**
 * The addon's mixing kernels.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE if the addon does not run here
 */
export function nativeMixing(): MixKernels {
  const addon = nativeAddon<MixKernels>();
  return {
    mixBytes: addon.mixBytes,
    mixOpen(...parameters) {
      try {
        return addon.mixOpen(...parameters);
      } catch (error) {
        // its errors are plain ones with our codes
        const { code = 'ERR_OPTIONS', message } = error as { code?: ErrorCode; message: string };
        throw new ShacompError(code, message, { cause: error });
      }
    },
    mixEncode: addon.mixEncode,
    mixFinish: addon.mixFinish,
    mixDecode: addon.mixDecode,
    mixClose: addon.mixClose,
  };
}
