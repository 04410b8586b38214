import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
// @ts-expect-error a script without types
import { SECTION, sourcesHash } from '../scripts/build-wasm.mjs';

it('the committed WebAssembly module was built from the sources beside it (else: npm run build:wasm)', async () => {
  const bytes = readFileSync(new URL('../src/engines/wasm/shacomp.wasm', import.meta.url));
  const sections = WebAssembly.Module.customSections(await WebAssembly.compile(bytes), SECTION);
  expect(sections.map((s) => Buffer.from(s).toString('hex'))).toEqual([sourcesHash().toString('hex')]);
});

it('asks nothing of its host', async () => {
  const bytes = readFileSync(new URL('../src/engines/wasm/shacomp.wasm', import.meta.url));
  expect(WebAssembly.Module.imports(await WebAssembly.compile(bytes))).toEqual([]);
});
