#!/usr/bin/env node
/**
 * @file Writes src/browser/shipped.ts, which names the models of models/ by their hash: a page fetches them
 * by URL.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** The file's text. The URLs are written out, since bundlers look for them as they stand. */
export function shippedModels() {
  const entries = readdirSync(path.join(root, 'models'))
    .filter((name) => name.endsWith('.sharnn'))
    .sort()
    .reverse()
    .map((file) => {
      const bytes = readFileSync(path.join(root, 'models', file));
      const id = createHash('sha256').update(bytes).digest('hex');
      return `  {
    name: '${path.basename(file, '.sharnn')}',
    id: '${id}',
    bytes: ${bytes.length},
    url: () => new URL('../../models/${file}', import.meta.url),
  },
`;
    });
  return `/** @file The models that ship, for pages. Written by scripts/shipped-models.mjs. */

/** A model that a page can fetch. */
export interface ShippedModel {
  readonly name: string;
  /** SHA-256 of its file, in hexadecimal */
  readonly id: string;
  /** of its file */
  readonly bytes: number;
  url(): URL;
}

export const SHIPPED: readonly ShippedModel[] = [
${entries.join('')}];
`;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  writeFileSync(path.join(root, 'src/browser/shipped.ts'), shippedModels());
