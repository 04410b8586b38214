/** @file The version of this program. */
import { readFileSync } from 'node:fs';

/** From package.json, two folders above this file in `src` as in `dist`. */
export const version: string = JSON.parse(
  readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
).version;
