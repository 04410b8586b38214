/** @file The engines that inputs are run on; what they give must be the same. */
import { nativeEngine, nativeIsas } from '../../dist/engines/native/engine.js';
import { selectEngine } from '../../dist/node/engines.js';

/**
 * Fast engines first: the native one, if it runs here, with threads and for every instruction set;
 * WebAssembly.
 */
export async function fastEngines() {
  const engines = [];
  try {
    engines.push(nativeEngine({ threads: 3 }));
    for (const isa of nativeIsas()) engines.push(nativeEngine({ isa, threads: 1 }));
  } catch (error) {
    if (error.code !== 'ERR_ENGINE_UNAVAILABLE') throw error;
  }
  engines.push(await selectEngine('wasm'));
  return engines;
}

export { referenceEngine } from '../../dist/engines/reference/engine.js';
