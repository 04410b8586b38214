#!/usr/bin/env node
/**
 * @file Compresses every file of a folder at some levels and keeps the sizes: docs/results/sizes.csv, the
 * tables of docs/results.md and a picture. Every file is decompressed and compared. Sizes of other
 * compressors come from docs/results/peers.csv.
 *
 *     node scripts/results.mjs FOLDER [--levels 1,6,9]   measures, writes all three, prints what changed
 *     node scripts/results.mjs FOLDER --check            measures and says which sizes differ; exit code 1
 *                                                        if one does
 *     node scripts/results.mjs                           makes tables and picture from the sizes at hand
 *     node scripts/results.mjs --fixtures [--check]      the same with fixtures/sizes at every level: seconds
 *
 * Needs dist/ (npm run build).
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { compress, decompress } from '../dist/index.js';
import { readCsv, writeCsv } from './csv.mjs';
import { COLOURS, key, label, picture } from './svg.mjs';

const url = (name) => new URL(`../docs/${name}`, import.meta.url);
const SIZES = url('results/sizes.csv');
/** Small files, whose sizes a test asserts as well. */
const FIXTURES = new URL('../fixtures/sizes/', import.meta.url);
const PEERS = url('results/peers.csv');
const PAGE = url('results.md');
const PICTURE = url('results/bits-per-byte.svg');
/** Compressors that have a column. */
const COLUMNS = ['xz -9e', 'PPMd', 'zpaq -m5', 'lpaq8', 'paq8px -8'];

const table = (rows, key) => {
  const found = new Map();
  for (const row of rows) {
    if (!found.has(row.file)) found.set(row.file, new Map());
    found.get(row.file).set(String(row[key]), Number(row.coded ?? row.bytes));
  }
  return found;
};

async function measure(folder, levels) {
  const rows = [];
  for (const file of readdirSync(folder).sort()) {
    if (/SHA256SUMS|README\.md|sizes\.csv/.test(file)) continue;
    const bytes = new Uint8Array(readFileSync(path.join(folder, file)));
    for (const level of levels) {
      const coded = await compress(bytes, { level });
      const back = await decompress(coded);
      if (Buffer.compare(back, bytes) !== 0) throw new Error(`${file} at level ${level} comes back changed`);
      rows.push({ file, bytes: bytes.length, level, coded: coded.length });
      if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${file} -${level}: ${coded.length}`);
    }
  }
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  return rows;
}

const comma = (n) => (n === undefined ? '' : String(n).replace(/\B(?=(\d{3})+$)/g, ','));

/** Files in the order of their peers' table, then the others. */
function order(ours, peers) {
  const known = [...peers.keys()].filter((file) => ours.has(file));
  return [...known, ...[...ours.keys()].filter((file) => !peers.has(file))];
}

function sizesTable(rows, ours, peers, levels) {
  const size = new Map(rows.map((row) => [row.file, Number(row.bytes)]));
  const lines = [
    `| file | bytes | ${COLUMNS.join(' | ')} | ${levels.map((l) => `-${l}`).join(' | ')} |`,
    `|---|${'---:|'.repeat(1 + COLUMNS.length + levels.length)}`,
  ];
  const totals = Array(COLUMNS.length + levels.length).fill(0);
  for (const file of order(ours, peers)) {
    const cells = [
      ...COLUMNS.map((c) => peers.get(file)?.get(c)),
      ...levels.map((l) => ours.get(file).get(String(l))),
    ];
    const least = Math.min(...cells.filter((c) => c !== undefined));
    for (const [i, c] of cells.entries()) totals[i] += c ?? Number.NaN;
    const shown = cells.map((c) => (c === least ? `**${comma(c)}**` : comma(c)));
    lines.push(`| ${file} | ${comma(size.get(file))} | ${shown.join(' | ')} |`);
  }
  const all = [...size.values()].reduce((a, b) => a + b, 0);
  const sums = totals.map((t) => (Number.isNaN(t) ? '' : comma(t)));
  lines.push(`| **all** | ${comma(all)} | ${sums.join(' | ')} |`);
  return lines.join('\n');
}

/** Files where the best level is larger than the best peer that was measured, the worst first. */
function lossesTable(ours, peers) {
  const losses = [];
  for (const [file, levels] of ours) {
    const others = [...(peers.get(file) ?? [])].sort((a, b) => a[1] - b[1]);
    const best = Math.min(...levels.values());
    if (others.length && others[0][1] < best)
      losses.push({ file, best, peer: others[0][0], bytes: others[0][1] });
  }
  losses.sort((a, b) => b.best / b.bytes - a.best / a.bytes);
  if (losses.length === 0) return 'On none of the files was a measured compressor smaller.';
  const rows = losses.map(
    ({ file, best, peer, bytes }) =>
      `| ${file} | ${comma(best)} | ${peer} | ${comma(bytes)} | ${bytes ? `${(100 * (best / bytes - 1)).toFixed(1)} %` : ''} |`,
  );
  return ['| file | shacomp | best peer | bytes | larger by |', '|---|---:|---|---:|---:|', ...rows].join(
    '\n',
  );
}

/** Bars of bits per byte for text files: xz, the best peer, and our best level. */
function bars(rows, ours, peers) {
  const size = new Map(rows.map((row) => [row.file, Number(row.bytes)]));
  const files = order(ours, peers).filter((file) => size.get(file) > 1000 && peers.has(file));
  const bits = (file, n) => (8 * n) / size.get(file);
  const shown = files.filter((file) => {
    const xz = bits(file, peers.get(file).get('xz -9e'));
    return xz > 0.01 && xz < 4;
  });
  const left = 190;
  const scale = 160;
  const step = 34;
  const height = 70 + shown.length * step;
  const bar = (y, value, colour) =>
    `<rect x="${left}" y="${y}" width="${(value * scale).toFixed(1)}" height="8" fill="${colour}"/>` +
    label((left + value * scale + 5).toFixed(1), y + 7.5, value.toFixed(3), { size: 9 });
  const groups = shown.map((file, i) => {
    const y = 56 + i * step;
    const others = [...peers.get(file).values()];
    const best = Math.min(...ours.get(file).values());
    return (
      label(left - 8, y + 16, file, { anchor: 'end' }) +
      bar(y, bits(file, peers.get(file).get('xz -9e')), COLOURS.plain) +
      bar(y + 9, bits(file, Math.min(...others)), COLOURS.other) +
      bar(y + 18, bits(file, best), COLOURS.ours)
    );
  });
  const legend = [
    ['xz -9e', COLOURS.plain],
    ['best of the other compressors', COLOURS.other],
    ['shacomp, best level', COLOURS.ours],
  ].map(([name, colour], i) => key(left + i * 190, 26, colour, name));
  const title =
    'Bits per byte of text files: xz, the best of the other compressors, shacomp at its best level';
  const scaleName = label(left, 16, 'bits per byte, smaller is better', { size: 12 });
  return picture(860, height, title, [scaleName, ...legend, ...groups]);
}

/** Puts text between the page's markers. */
function place(page, name, text) {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < 0) throw new Error(`docs/results.md has no place for ${name}`);
  return `${page.slice(0, from + begin.length)}\n${text}\n${page.slice(to)}`;
}

/** Says which sizes are others than before. @returns their number */
function compare(rows, before) {
  const old = table(before, 'level');
  let changed = 0;
  for (const { file, level, coded } of rows) {
    const was = old.get(file)?.get(String(level));
    if (was === Number(coded)) continue;
    changed++;
    const by = was ? ` (${(100 * (coded / was - 1)).toFixed(2)} %)` : '';
    console.log(`${file} -${level}: ${was ?? 'not measured'} -> ${coded}${by}`);
  }
  return changed;
}

const { values, positionals } = parseArgs({
  options: {
    levels: { type: 'string' },
    check: { type: 'boolean', default: false },
    fixtures: { type: 'boolean', default: false },
  },
  allowPositionals: true,
});
const folder = values.fixtures ? fileURLToPath(FIXTURES) : positionals[0];
const sizes = values.fixtures ? new URL('sizes.csv', FIXTURES) : SIZES;
const wanted = values.levels ?? (values.fixtures ? '1,2,3,4,5,6,7,8,9' : '1,6,9');
const before = readCsv(sizes);
const rows = folder ? await measure(folder, wanted.split(',').map(Number)) : before;
const changed = compare(rows, before);
if (values.check) process.exit(changed ? 1 : 0);
writeCsv(sizes, ['file', 'bytes', 'level', 'coded'], rows);
if (values.fixtures) process.exit();
const ours = table(rows, 'level');
const peers = table(readCsv(PEERS), 'compressor');
const levels = [...new Set(rows.map((row) => String(row.level)))].sort();
let page = readFileSync(PAGE, 'utf8');
page = place(page, 'sizes', sizesTable(rows, ours, peers, levels));
page = place(page, 'losses', lossesTable(ours, peers));
writeFileSync(PAGE, page);
writeFileSync(PICTURE, bars(rows, ours, peers));
