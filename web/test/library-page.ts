/** @file A page that has the library as `globalThis.library`, as a bundler makes it. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'vite';
import { afterAll } from 'vitest';
import { root } from './browser.js';

type Library = typeof import('../../src/browser/index.js');
declare global {
  var library: Library;
}

/** Builds the page, for the tests of a file. @returns the folder with it */
export async function libraryPage(): Promise<string> {
  mkdirSync(join(root, 'build'), { recursive: true });
  const folder = mkdtempSync(join(root, 'build/library-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(
    join(folder, 'index.html'),
    '<!doctype html><html lang="en"><title>x</title><link rel="icon" href="data:,"><script type="module" src="page.js"></script></html>',
  );
  writeFileSync(
    join(folder, 'page.js'),
    `import * as library from '${join(root, 'dist/browser/index.js')}';\nglobalThis.library = library;\n`,
  );
  const dist = join(folder, 'dist');
  await build({
    root: folder,
    base: './',
    configFile: false,
    logLevel: 'silent',
    build: { outDir: dist, target: 'es2022', assetsInlineLimit: 0 },
    worker: { format: 'es' },
  });
  return dist;
}
