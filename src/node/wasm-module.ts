/** @file The WebAssembly modules of the package. */
import { readFile } from 'node:fs/promises';
import { wasmUnavailable } from '../engines/wasm/engine.js';
import { bestWasmModule, WASM_FILES, type WasmModuleName } from '../engines/wasm/simd.js';

const loaded: Partial<Record<WasmModuleName, Promise<WebAssembly.Module>>> = {};

/**
 * A module, compiled; read once, or again if that failed.
 * @param name default: the fastest that runs here
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE
 */
export async function wasmModule(name?: WasmModuleName): Promise<WebAssembly.Module> {
  const which = name ?? bestWasmModule();
  const reading = loaded[which] ?? read(WASM_FILES[which]);
  loaded[which] = reading;
  try {
    return await reading;
  } catch (error) {
    if (loaded[which] === reading) delete loaded[which];
    throw error;
  }
}

async function read(file: string): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(await readFile(new URL(`../engines/wasm/${file}`, import.meta.url)));
  } catch (error) {
    throw wasmUnavailable(error);
  }
}
