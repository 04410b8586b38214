import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { compress, decompress } from '../src/index.js';

const folder = new URL('../fixtures/sizes/', import.meta.url);
const rows = readFileSync(new URL('sizes.csv', folder), 'utf8')
  .trim()
  .split('\n')
  .slice(1)
  .map((line) => line.split(','))
  .map(([file, bytes, level, coded]) => ({ file, bytes: +bytes, level: +level, coded: +coded }));

const levels = [1, 2, 3, 4, 5, 6, 7, 8, 9];

describe('the files in fixtures/sizes', () => {
  it('are all in the table, at every level', () => {
    const files = readdirSync(folder).filter((name) => name !== 'README.md' && name !== 'sizes.csv');
    expect(rows.map(({ file, level }) => `${file} ${level}`).sort()).toEqual(
      files.flatMap((file) => levels.map((level) => `${file} ${level}`)).sort(),
    );
  });

  // where a size has changed on purpose: node scripts/results.mjs --fixtures
  it.each(levels)('have the sizes at level %i that the table says', async (level) => {
    const expected: string[] = [];
    const actual: string[] = [];
    for (const row of rows.filter((r) => r.level === level)) {
      const bytes = new Uint8Array(readFileSync(new URL(row.file, folder)));
      const file = await compress(bytes, { level });
      expected.push(`${row.file}: ${row.bytes} to ${row.coded}`);
      actual.push(`${row.file}: ${bytes.length} to ${file.length}`);
      // every mode occurs at these
      if (level === 3 || level === 4) expect(await decompress(file)).toEqual(bytes);
    }
    expect(actual).toEqual(expected);
  });
});
