#!/usr/bin/env node
/** @file Copies what tsc does not: the WebAssembly modules. */
import { cpSync, existsSync } from 'node:fs';

for (const name of ['shacomp.wasm', 'shacomp.relaxed.wasm']) {
  const wasm = `src/engines/wasm/${name}`;
  if (existsSync(wasm)) cpSync(wasm, `dist/engines/wasm/${name}`);
}
