#!/usr/bin/env node
/**
 * @file Size and speed of every level and of the other compressors that `shacomp bench` finds, of one file in
 * one run: docs/results/speed.csv and .svg.
 *
 *     node scripts/speed.mjs FILE [--time 1]
 *     node scripts/speed.mjs              draws the picture again from the numbers at hand
 *
 * --time: seconds for which a measurement is repeated; the best time counts. Needs dist/ (npm run build).
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readCsv, writeCsv } from './csv.mjs';
import { COLOURS, key, label, picture, polyline } from './svg.mjs';

const CSV = new URL('../docs/results/speed.csv', import.meta.url);
const SVG = new URL('../docs/results/speed.svg', import.meta.url);
const PROGRAM = fileURLToPath(new URL('../bin/shacomp.js', import.meta.url));
const COLUMNS = ['compressor', 'settings', 'bytes', 'coded', 'compress_s', 'decompress_s'];
const LEVELS = [1, 2, 3, 4, 5, 6, 7, 8, 9];

/** What `shacomp bench` measures of a file, a row of the table each. */
function bench(file, time, options) {
  const wanted = ['bench', file, '--json', '--time', time, ...options];
  const { compressors, files } = JSON.parse(execFileSync(process.execPath, [PROGRAM, ...wanted]));
  return files[0].measurements.map((m) => ({
    compressor: m.compressor,
    settings: compressors.find(({ name }) => name === m.compressor).settings.split(',')[0],
    bytes: m.bytes,
    coded: m.compressedBytes,
    compress_s: m.compressSeconds,
    decompress_s: m.decompressSeconds,
  }));
}

function measure(file, time) {
  const others = bench(file, time, ['--level', '1']).filter(({ compressor }) => compressor !== 'shacomp');
  return [
    ...LEVELS.flatMap((level) => bench(file, time, ['--level', String(level), '--only', 'shacomp'])),
    ...others,
  ];
}

const read = () =>
  readCsv(CSV).map(({ compressor, settings, ...numbers }) => ({
    compressor,
    settings,
    ...Object.fromEntries(Object.entries(numbers).map(([name, cell]) => [name, Number(cell)])),
  }));

/** Bits per byte against the speed of decompressing, which has a logarithmic axis. */
function draw(rows) {
  const [width, height, left, top] = [680, 320, 50, 40];
  const bits = (row) => (8 * row.coded) / row.bytes;
  const speed = (row) => row.bytes / row.decompress_s / 1e3;
  const values = rows.map(bits);
  const [low, high] = [Math.floor(5 * Math.min(...values)) / 5, Math.ceil(5 * Math.max(...values)) / 5];
  const decades = rows.map((row) => Math.log10(speed(row)));
  const [slow, fast] = [Math.floor(Math.min(...decades)), Math.ceil(Math.max(...decades))];
  const x = (kilobytes) => (left + ((Math.log10(kilobytes) - slow) / (fast - slow)) * width).toFixed(1);
  const y = (b) => (top + ((high - b) / (high - low)) * height).toFixed(1);
  const parts = [label(left, 30, 'bits per byte, smaller is better')];
  for (let b = low; b < high + 0.01; b += 0.2) {
    parts.push(`<path d="M${left} ${y(b)}h${width}" stroke="#ddd"/>`);
    parts.push(label(left - 6, Number(y(b)) + 4, b.toFixed(1), { anchor: 'end' }));
  }
  for (let d = slow; d <= fast; d++) {
    const words = d < 3 ? `${10 ** d} KB/s` : `${10 ** (d - 3)} MB/s`;
    parts.push(`<path d="M${x(10 ** d)} ${top}v${height}" stroke="#ddd"/>`);
    parts.push(label(x(10 ** d), top + height + 16, words, { anchor: 'middle' }));
  }
  const ours = rows.filter(({ compressor }) => compressor === 'shacomp');
  // levels that make the same of so small a file are one point; names above and below in turns
  const points = [...new Map(ours.map((row) => [row.coded, row])).values()];
  parts.push(
    polyline(
      points.map((row) => [x(speed(row)), y(bits(row))]),
      COLOURS.ours,
    ),
  );
  const mark = (row, colour, words, below = false) => {
    const [at, height] = [x(speed(row)), y(bits(row))];
    parts.push(`<circle cx="${at}" cy="${height}" r="3.5" fill="${colour}"/>`);
    parts.push(label(at, Number(height) + (below ? 15 : -7), words, { size: 10, anchor: 'middle' }));
  };
  points.forEach((row, i) => {
    const same = ours.filter(({ coded }) => coded === row.coded);
    const names = same.map(({ settings }) => settings.replace('level ', '-'));
    mark(row, COLOURS.ours, names.join(', '), i % 2 === 1);
  });
  for (const row of rows.filter((row) => !ours.includes(row)))
    mark(row, COLOURS.other, `${row.compressor} ${row.settings}`);
  parts.push(key(left + 220, 21, COLOURS.ours, 'shacomp by level'));
  parts.push(key(left + 350, 21, COLOURS.other, 'others, decompressing'));
  const title = 'Bits per byte of a text against the speed of decompressing it';
  return picture(left + width + 30, top + height + 30, title, parts);
}

const { values, positionals } = parseArgs({
  options: { time: { type: 'string', default: '1' } },
  allowPositionals: true,
});
if (positionals.length > 1) {
  console.error('Usage: node scripts/speed.mjs [FILE] [--time SECONDS]');
  process.exit(2);
}
const rows = positionals.length ? measure(positionals[0], values.time) : read();
const rounded = ({ compress_s, decompress_s, ...row }) => ({
  ...row,
  compress_s: compress_s.toPrecision(4),
  decompress_s: decompress_s.toPrecision(4),
});
writeCsv(CSV, COLUMNS, rows.map(rounded));
writeFileSync(SVG, draw(rows));
for (const { settings, compressor, ...row } of rows)
  console.log(
    `| ${compressor}, ${settings} | ${row.coded} | ${((8 * row.coded) / row.bytes).toFixed(3)} | ${(row.bytes / row.compress_s / 1e3).toPrecision(3)} | ${(row.bytes / row.decompress_s / 1e3).toPrecision(3)} |`,
  );
