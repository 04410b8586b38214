/** @file The library in Deno: that it works there, with the engines that Deno has. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { compress } from '../src/index.js';

const root = resolve(import.meta.dirname, '..');
const hasDeno = spawnSync('deno', ['--version']).status === 0;
if (!hasDeno) console.warn('tests in Deno are SKIPPED: there is no deno in PATH');

const text = 'Every engine writes the same file, and so does every runtime.\n'.repeat(40);

describe.skipIf(!hasDeno)('in Deno', () => {
  // in the package's own folder: its dependencies are found there
  mkdirSync(join(root, 'build'), { recursive: true });
  const folder = mkdtempSync(join(root, 'build/deno-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const library = pathToFileURL(join(root, 'dist/index.js')).href;
  const script = join(folder, 'run.mjs');
  writeFileSync(
    script,
    `import { compress, decompress, engines } from ${JSON.stringify(library)};
const text = new TextEncoder().encode(${JSON.stringify(text)});
const results = {};
for (const engine of (await engines()).filter(({ name, available }) => available && name !== 'webgpu')) {
  // the reference is slow
  const part = engine.name === 'reference' ? text.subarray(0, 500) : text;
  const file = await compress(part, { engine: engine.name });
  const back = await decompress(file, { engine: engine.name });
  results[engine.name] = { file: [...file], same: String(back) === String(part) };
}
console.log(JSON.stringify(results));
`,
  );

  it('the library codes to the bytes of Node, with every engine that runs there', async () => {
    const { stdout } = await promisify(execFile)(
      'deno',
      ['run', '--allow-all', '--node-modules-dir=manual', script],
      {
        cwd: root,
        maxBuffer: 2 ** 24,
      },
    );
    const results = JSON.parse(stdout) as Record<string, { file: number[]; same: boolean }>;
    expect(Object.keys(results)).toEqual(expect.arrayContaining(['wasm', 'reference']));
    for (const [engine, { file, same }] of Object.entries(results)) {
      const part = text.slice(0, engine === 'reference' ? 500 : undefined);
      const expected = await compress(Buffer.from(part));
      expect([engine, same, Buffer.from(file).equals(expected)]).toEqual([engine, true, true]);
    }
  });
});
