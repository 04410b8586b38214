/**
 * @file The library for pages: what a bundler makes of it, how large that is, and that it keeps to a strict
 * policy.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
// @ts-expect-error a script without types
import { shippedModels } from '../scripts/shipped-models.mjs';

const root = resolve(import.meta.dirname, '..');

interface Built {
  /** bytes by brotli of all scripts that are loaded at first */
  first: number;
  /** of the worker */
  worker: number;
  /** of the WebGPU engine, fetched where there is one */
  webgpu: number;
  code: string;
  files: string[];
}

describe('the library for pages', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'shacomp-bundle-'));
    writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** What a page's bundler makes of a script that imports from the package. */
  async function bundle(source: string): Promise<Built> {
    const entry = join(folder, 'page.js');
    writeFileSync(entry, source);
    const result = await build({
      root: folder,
      configFile: false,
      logLevel: 'silent',
      resolve: {
        alias: [
          { find: /^shacomp$/, replacement: join(root, exportOf('.')) },
          { find: /^shacomp\/decoder$/, replacement: join(root, exportOf('./decoder')) },
        ],
      },
      build: { write: false, target: 'es2022', assetsInlineLimit: 0, rollupOptions: { input: entry } },
      worker: { format: 'es' },
    });
    const { output } = result as Extract<typeof result, { output: unknown }>;
    const size = (code: string | Uint8Array) => brotliCompressSync(code).length;
    const built: Built = {
      first: 0,
      worker: 0,
      webgpu: 0,
      code: '',
      files: output.map(({ fileName }) => fileName),
    };
    for (const file of output) {
      const text =
        file.type === 'chunk' ? file.code : file.fileName.endsWith('.js') ? String(file.source) : '';
      built.code += text;
      if (/worker/.test(file.fileName)) built.worker += size(text);
      else if (/webgpu/.test(file.fileName)) built.webgpu = Math.max(built.webgpu, size(text));
      else if (file.type === 'chunk' && !file.isDynamicEntry) built.first += size(text);
    }
    return built;
  }

  const exportOf = (path: string): string =>
    JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).exports[path].browser.default;

  it('has nothing of Node in it, and needs neither eval nor workers made of text', async () => {
    const { code, files } = await bundle(`import * as shacomp from 'shacomp'; globalThis.page = shacomp;`);
    expect(code).not.toMatch(/["']node:|\brequire\(|\beval\(|new Function\(|createObjectURL|process\.env/);
    for (const name of [
      /worker.*\.js$/,
      /shacomp-.*\.wasm$/,
      /relaxed.*\.wasm$/,
      /lite.*\.sharnn$/,
      /base.*\.sharnn$/,
    ])
      expect(files.filter((file) => name.test(file))).toHaveLength(1);
  });

  it('stays within its budgets: kilobytes of script, by brotli', async () => {
    const whole = await bundle(`import * as shacomp from 'shacomp'; globalThis.page = shacomp;`);
    const used = await bundle(
      `import { compress, decompress } from 'shacomp'; globalThis.page = [compress, decompress];`,
    );
    const decoder = await bundle(
      `import { decompress } from 'shacomp/decoder'; globalThis.page = decompress;`,
    );
    expect(whole.first).toBeLessThan(20_500);
    expect(used.first).toBeLessThan(8_000);
    expect(used.worker).toBeLessThan(28_000);
    expect(used.webgpu).toBeGreaterThan(1000);
    expect(used.webgpu).toBeLessThan(16_000);
    expect(decoder.first).toBeLessThan(20_000);
    expect(decoder.files.filter((file) => file.includes('worker'))).toEqual([]);
    expect(decoder.first).toBeLessThan(used.first + used.worker);
    for (const file of ['shacomp.wasm', 'shacomp.relaxed.wasm'])
      expect(brotliCompressSync(readFileSync(join(root, 'src/engines/wasm', file))).length).toBeLessThan(
        105_000,
      );
  });

  it('names the models that ship by their hashes', () => {
    // `node scripts/shipped-models.mjs` writes it anew
    expect(readFileSync(join(root, 'src/browser/shipped.ts'), 'utf8')).toBe(shippedModels());
  });
});
