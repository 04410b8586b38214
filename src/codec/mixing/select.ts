/** @file Which implementation of the mixing coder goes with an engine. All give the same bits. */
import type { EngineName } from '../../engines/engine.js';
import type { MixKernels } from './kernels.js';

/**
 * The mixing kernels of an engine. The reference engine borrows the WebAssembly ones.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE
 */
export async function mixKernels(engine: EngineName): Promise<MixKernels> {
  return engine === 'native'
    ? (await import('./native.js')).nativeMixing()
    : (await import('./wasm.js')).wasmMixing();
}
