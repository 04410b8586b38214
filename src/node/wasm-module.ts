/** @file The WebAssembly module of the package. */
import { readFile } from 'node:fs/promises';
import { wasmUnavailable } from '../engines/wasm/engine.js';

let loaded: Promise<WebAssembly.Module> | undefined;

/** The module, compiled; read once, or again if that failed. @throws ShacompError ERR_ENGINE_UNAVAILABLE */
export async function wasmModule(): Promise<WebAssembly.Module> {
  const reading = loaded ?? read();
  loaded = reading;
  try {
    return await reading;
  } catch (error) {
    if (loaded === reading) loaded = undefined;
    throw error;
  }
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
