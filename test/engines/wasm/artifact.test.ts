import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
// @ts-expect-error a script without types
import { ARTIFACTS, SECTION, sourcesHash } from '../../../scripts/build-wasm.mjs';
import { hasRelaxedSimd } from '../../../src/engines/wasm/simd.js';

const artifacts = ARTIFACTS as { file: string; simd: string }[];
const compile = (file: string) =>
  WebAssembly.compile(readFileSync(new URL(`../../../${file}`, import.meta.url)));

describe.each(artifacts)('$file', (artifact) => {
  const possible = artifact.simd === 'SIMD' || hasRelaxedSimd();
  it.skipIf(!possible)('was built from the sources beside it (else: npm run build:wasm)', async () => {
    const sections = WebAssembly.Module.customSections(await compile(artifact.file), SECTION);
    expect(sections.map((s) => Buffer.from(s).toString('hex'))).toEqual([
      sourcesHash(artifact).toString('hex'),
    ]);
  });

  it.skipIf(!possible)('asks nothing of its host', async () => {
    expect(WebAssembly.Module.imports(await compile(artifact.file))).toEqual([]);
  });
});
