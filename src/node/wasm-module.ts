/** @file The WebAssembly modules of the package. */
import { readFile } from 'node:fs/promises';
import { wasmUnavailable } from '../engines/wasm/engine.js';
import { bestWasmModule, WASM_FILES, type WasmModuleName } from '../engines/wasm/simd.js';
import { onceEach } from '../once.js';

const compiled = onceEach(async (name: WasmModuleName): Promise<WebAssembly.Module> => {
  try {
    const file = new URL(`../engines/wasm/${WASM_FILES[name]}`, import.meta.url);
    return await WebAssembly.compile(await readFile(file));
  } catch (error) {
    throw wasmUnavailable(error);
  }
});

/**
 * A module, compiled; read once, or again if that failed.
 * @param name default: the fastest that runs here
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE
 */
export const wasmModule = async (name?: WasmModuleName): Promise<WebAssembly.Module> =>
  compiled(name ?? bestWasmModule());
