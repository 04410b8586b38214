/** @file The WebAssembly modules in a page. */
import { wasmUnavailable } from '../engines/wasm/engine.js';
import { hasRelaxedSimd } from '../engines/wasm/simd.js';

let compiled: Promise<WebAssembly.Module> | undefined;

/** Takes the module from who has compiled it for this browser. */
export function useWasmModule(module: WebAssembly.Module): void {
  compiled = Promise.resolve(module);
}

/** The WebAssembly module for this browser; fetched and compiled once, or again if that failed. */
export async function wasmModule(): Promise<WebAssembly.Module> {
  compiled ??= fetchModule();
  try {
    return await compiled;
  } catch (error) {
    compiled = undefined;
    throw wasmUnavailable(error);
  }
}

async function fetchModule(): Promise<WebAssembly.Module> {
  // written out: bundlers look for files as they stand here
  const url = hasRelaxedSimd()
    ? new URL('../engines/wasm/shacomp.relaxed.wasm', import.meta.url)
    : new URL('../engines/wasm/shacomp.wasm', import.meta.url);
  const response = await fetch(url);
  if (!response.ok) throw new Error(`the server says ${response.status} to ${url.href}`);
  // compileStreaming wants a type that not every server sends
  return WebAssembly.compile(await response.arrayBuffer());
}
