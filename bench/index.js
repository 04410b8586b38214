#!/usr/bin/env node
/** @file Runs bench/*.bench.ts, or those named: `npm run bench -- engines`. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const folder = fileURLToPath(new URL('.', import.meta.url));
const wanted = process.argv.slice(2);
const all = readdirSync(folder)
  .filter((f) => f.endsWith('.bench.ts'))
  .map((f) => f.slice(0, -'.bench.ts'.length));
const unknown = wanted.find((name) => !all.includes(name));
if (unknown) {
  console.error(`there is no benchmark "${unknown}"; there are ${all.join(', ')}`);
  process.exit(2);
}
for (const name of wanted.length > 0 ? wanted : all) await runnerImport(`${folder}${name}.bench.ts`);
