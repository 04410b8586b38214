#!/usr/bin/env node
/**
 * @file What rounding costs a model (docs/model.md, section 3.3), by real coding: the integer network's cost
 * of whole streams beside the float network's.
 *
 *     node scripts/rounding-loss.mjs MODEL.sharnn [CHECKPOINT.safetensors] FILE... [--length 61440]
 *
 * Prints a table: a row per file, of which the first --length bytes are one stream from the cold state, and
 * the loss by position. Without a checkpoint the float network has the model's own rounded weights: what the
 * activations lose. Needs a build.
 */
import { openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { selectEngine } from '../dist/node/engines.js';
import { readModelFile } from '../dist/node/models.js';
import { readCheckpoint } from '../dist/trainer/checkpoint.js';
import { dequantize } from '../dist/trainer/dequantize.js';
import { percent, roundingLoss, total } from '../dist/trainer/rounding-loss.js';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { length: { type: 'string', default: '61440' } },
});
const [path, ...rest] = positionals;
const [checkpoint] = rest.filter((file) => file.endsWith('.safetensors'));
const files = rest.filter((file) => file !== checkpoint);

function head(file) {
  const bytes = new Uint8Array(Number(options.length));
  return bytes.subarray(0, readSync(openSync(file, 'r'), bytes, 0, bytes.length, 0));
}

const model = await readModelFile(path);
const { arch, values } = checkpoint ? await readCheckpoint(checkpoint) : dequantize(model);
const engine = await selectEngine('auto');
const texts = files.map((file) => ({ path: file, text: head(file) }));
const { texts: found } = await roundingLoss(arch, values, model, engine, texts);

const ends = [...new Set(found.flatMap(({ positions }) => positions.map(({ end }) => end)))].sort(
  (a, b) => a - b,
);
const starts = [0, ...ends.slice(0, -1)];
const columns = ends.map((end, i) => (end === Infinity ? `${starts[i]} -` : `${starts[i]} - ${end}`));
const each = ({ bytes }, bits) => (bits / bytes).toFixed(4);
const loss = (bits) => (bits ? percent(bits).toFixed(2) : '');
const row = (name, text, positions) =>
  console.log(
    `| ${[name, text.bytes, each(text, text.float), each(text, text.integer), loss(text), ...ends.map((end) => loss(positions.find((part) => part.end === end)))].join(' | ')} |`,
  );
console.log(`| ${basename(path)} | bytes | float | integer | loss, % | ${columns.join(' | ')} |`);
console.log(`|---|${'---:|'.repeat(4 + ends.length)}`);
for (const text of found) row(basename(text.path), text, text.positions);
const ofPosition = (end) => found.flatMap(({ positions }) => positions.filter((part) => part.end === end));
row(
  'all',
  total(found),
  ends.map((end) => ({ end, ...total(ofPosition(end)) })),
);
