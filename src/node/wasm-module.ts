/** @file The WebAssembly module of the package. */
import { readFile } from 'node:fs/promises';
import { wasmUnavailable } from '../engines/wasm/engine.js';

let loaded: Promise<WebAssembly.Module> | undefined;

/** The module, compiled; read once. @throws ShacompError ERR_ENGINE_UNAVAILABLE */
export function wasmModule(): Promise<WebAssembly.Module> {
  loaded ??= read();
  return loaded;
}

async function read(): Promise<WebAssembly.Module> {
  try {
    return await WebAssembly.compile(
      await readFile(new URL('../engines/wasm/shacomp.wasm', import.meta.url)),
    );
  } catch (error) {
    throw wasmUnavailable(error);
  }
}
