#!/usr/bin/env node
/**
 * @file Draws a model's learning curve from what `shacomp train` printed, docs/results/curve-NAME.csv and
 * .svg.
 *
 *     node scripts/curve.mjs NAME MEGABYTES=LOG ...
 *
 * MEGABYTES: what the network had seen when the run began. What the file has from before the first of them
 * stays. Held-out values are means over files, as the run measured them; those of training are means between
 * two of these.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { readCsv, writeCsv } from './csv.mjs';
import { COLOURS, key, label, picture, polyline } from './svg.mjs';

/** Points of one run: where it was measured on held-out text, and what training text cost until then. */
function pointsOf(log, start) {
  const text = readFileSync(log, 'utf8').replaceAll('\r', '\n');
  const [, steps, bytes] = /trained (\d+) steps on (\d+) bytes/.exec(text) ?? [];
  if (!steps) throw new Error(`${log} is not the log of a run that ended`);
  const points = [];
  let costs = [];
  for (const [, step, held, bits] of text.matchAll(
    /step (\d+), (?:held out: ([\d.]+)|([\d.]+) bits per byte)/g,
  ))
    if (bits) costs.push(Number(bits));
    else if (costs.length > 0) {
      const megabytes = start + (Number(step) * (bytes / steps)) / 1e6;
      const training = costs.reduce((a, b) => a + b) / costs.length;
      points.push({ run: start, megabytes, held: Number(held), training });
      costs = [];
    }
  return points;
}

const readPoints = (file) =>
  readCsv(file).map((row) => ({
    run: Number(row.run),
    megabytes: Number(row.megabytes),
    held: Number(row.held_out),
    training: Number(row.training),
  }));

function curve(name, points) {
  const [width, height, left, top] = [640, 260, 50, 40];
  const values = points.flatMap(({ held, training }) => [held, training]);
  const [low, high] = [Math.floor(20 * Math.min(...values)) / 20, Math.ceil(20 * Math.max(...values)) / 20];
  const [first, last] = [points[0].run, points.at(-1).megabytes];
  const x = (megabytes) => (left + ((megabytes - first) / (last - first)) * width).toFixed(1);
  const y = (bits) => (top + ((high - bits) / (high - low)) * height).toFixed(1);
  const parts = [];
  for (let bits = low; bits < high + 0.01; bits += (high - low) / 4) {
    parts.push(`<path d="M${left} ${y(bits)}h${width}" stroke="#ddd"/>`);
    parts.push(label(left - 6, Number(y(bits)) + 4, bits.toFixed(3), { anchor: 'end' }));
  }
  const runs = [...new Set(points.map(({ run }) => run))];
  for (const run of runs) {
    parts.push(`<path d="M${x(run)} ${top}v${height}" stroke="#bbb" stroke-dasharray="3"/>`);
    parts.push(label(x(run), top + height + 16, `${run} MB`));
  }
  parts.push(label(left + width, top + height + 16, `${Math.round(last)} MB`, { anchor: 'end' }));
  for (const [of, at, colour, words] of [
    ['training', left + 230, COLOURS.plain, 'training text, as it is read'],
    ['held', left, COLOURS.ours, 'held-out text, mean over files'],
  ]) {
    for (const run of runs) {
      const own = points.filter((point) => point.run === run);
      parts.push(
        polyline(
          own.map((point) => [x(point.megabytes), y(point[of])]),
          colour,
        ),
      );
    }
    parts.push(key(at, 14, colour, words));
  }
  const title = `Bits per byte of ${name} while it was trained, by the megabytes it had seen`;
  return picture(left + width + 20, top + height + 30, title, parts);
}

const [name, ...runs] = process.argv.slice(2);
if (!name || runs.length === 0 || runs.some((run) => !/^\d+=./.test(run))) {
  console.error('Usage: node scripts/curve.mjs NAME MEGABYTES=LOG ...');
  process.exit(2);
}
const file = (ending) => new URL(`../docs/results/curve-${name}.${ending}`, import.meta.url);
const added = runs.flatMap((run) => {
  const [start, log] = run.split(/=(.*)/s);
  return pointsOf(log, Number(start));
});
const first = Math.min(...added.map(({ run }) => run));
const points = [
  ...readPoints(file('csv')).filter(({ run }) => run < first),
  ...added.sort((a, b) => a.megabytes - b.megabytes),
];
const rows = points.map(({ run, megabytes, held, training }) => ({
  run,
  megabytes: megabytes.toFixed(2),
  held_out: held.toFixed(4),
  training: training.toFixed(4),
}));
writeCsv(file('csv'), ['run', 'megabytes', 'held_out', 'training'], rows);
writeFileSync(file('svg'), curve(name, points));
