/** @file Which implementation of the mixing coder goes with an engine. All give the same bits. */
import type { EngineName } from '../../engines/engine.js';
import type { MixKernels } from './kernels.js';

/**
 * The mixing kernels of an engine.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE
 */
export async function mixKernels(engine: EngineName): Promise<MixKernels> {
  if (engine === 'native') return (await import('./native.js')).nativeMixing();
  if (engine === 'wasm') return (await import('./wasm.js')).wasmMixing();
  return (await import('./reference.js')).referenceMixing;
}
