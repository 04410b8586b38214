/** @file The pages: every file that they link to is there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith('.md'),
);

it.each(pages)('%s links to files that are there', (page) => {
  const missing: string[] = [];
  for (const [, target] of readFileSync(join(root, page), 'utf8').matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^(https?:|#)/.test(target)) continue;
    const path = resolve(root, dirname(page), target.replace(/#.*/, ''));
    if (!existsSync(path)) missing.push(relative(root, path));
  }
  expect(missing).toEqual([]);
});
