import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Engine } from '../../src/engines/engine.js';
import { compress, decompress, loadModel, ShacompError } from '../../src/index.js';
import { selectEngine } from '../../src/node/engines.js';

const folder = new URL('../../fixtures/sha/', import.meta.url);
const expected: Record<string, { length?: number; sha256?: string; errors?: string[] }> = JSON.parse(
  readFileSync(new URL('expected.json', folder), 'utf8'),
);
const model = await loadModel(new URL('../../fixtures/tiny.sharnn', import.meta.url));

/** The engines that run here; only native ones may be absent. */
const engines: Engine[] = [];
for (const name of ['reference', 'wasm', 'native']) {
  const engine = await selectEngine(name).catch((error) => {
    if (name !== 'native' || error.code !== 'ERR_ENGINE_UNAVAILABLE') throw error;
  });
  if (engine) engines.push(engine);
}

const read = (name: string) => readFileSync(new URL(`${name}.sha`, folder));

it('every file has an expectation and a sentence', () => {
  const files = readdirSync(folder).filter((name) => name.endsWith('.sha'));
  expect(files.map((name) => name.slice(0, -4)).sort()).toEqual(Object.keys(expected).sort());
  const readme = readFileSync(new URL('README.md', folder), 'utf8');
  for (const name of files) expect(readme).toContain(`\`${name}\``);
});

describe.each(engines.map((engine) => [engine.name, engine] as const))('%s', (_, engine) => {
  it.each(Object.entries(expected))('%s', async (name, { length, sha256, errors }) => {
    const run = decompress(read(name), { model, engine });
    if (errors) {
      const error = await run.then(
        () => 'decoded',
        (e) => e,
      );
      expect(error).toBeInstanceOf(ShacompError);
      expect(errors).toContain(error.code);
    } else {
      const bytes = await run;
      expect(bytes.length).toBe(length);
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
    }
  });

  it.each([
    ['good-network', 'network'],
    ['good-mixing-fast', 'mixing-fast'],
    ['good-mixing-full', 'mixing-full'],
    ['good-network-mixing-fast', 'network-mixing-fast'],
  ] as const)('still writes %s', async (name, mode) => {
    const file = read(name);
    const again = await compress(await decompress(file, { model, engine }), { model, engine, mode });
    expect(Buffer.compare(again, file)).toBe(0);
  });
});
