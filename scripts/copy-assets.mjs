#!/usr/bin/env node
/** @file Copies what tsc does not: the WebAssembly module. */
import { cpSync, existsSync } from 'node:fs';

const wasm = 'src/engines/wasm/shacomp.wasm';
if (existsSync(wasm)) cpSync(wasm, 'dist/engines/wasm/shacomp.wasm');
