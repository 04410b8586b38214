/** @file Which implementation of the mixing coder goes with an engine. All give the same bits. */

import type { MixKernels } from '../codec/block/mixing-coder.js';
import type { EngineName } from './engine.js';

/**
 * The mixing kernels of an engine.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE
 */
export async function mixKernels(engine: EngineName): Promise<MixKernels> {
  if (engine === 'native') return (await import('./native/mixer.js')).nativeMixing();
  if (engine === 'wasm') return (await import('./wasm/mixer.js')).wasmMixing();
  return (await import('./reference/mixer.js')).referenceMixing;
}
