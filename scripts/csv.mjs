/** @file The tables of docs/results: CSV without quotes. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** Rows as objects of strings by column; none where there is no file. */
export function readCsv(file) {
  if (!existsSync(file)) return [];
  const [head, ...rows] = readFileSync(file, 'utf8').trim().split('\n');
  const names = head.split(',');
  return rows.map((row) => Object.fromEntries(row.split(',').map((cell, i) => [names[i], cell])));
}

/** @param columns their names, in order, which are those of the rows' properties */
export const writeCsv = (file, columns, rows) =>
  writeFileSync(
    file,
    [columns, ...rows.map((row) => columns.map((name) => row[name]))]
      .map((cells) => `${cells.join(',')}\n`)
      .join(''),
  );
