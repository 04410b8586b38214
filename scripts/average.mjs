#!/usr/bin/env node
/**
 * @file Writes the weights that lie between those of two networks of one shape, which often predict better
 * than either end of a training run (Wortsman et al. 2022, arXiv:2203.05482 and 2109.01903).
 *
 *     node scripts/average.mjs FROM TO SHARE OUT.safetensors
 *
 * FROM, TO: model or checkpoint. SHARE: 0 gives FROM, 1 gives TO. Needs dist/ (npm run build).
 */
import { parameterCount } from '../dist/model/architecture.js';
import { fill, writeCheckpoint } from '../dist/trainer/checkpoint.js';
import { readStart } from '../dist/trainer/start.js';

const [from, to, share, out] = process.argv.slice(2);
const x = Number(share);
if (!out || !(x >= 0 && x <= 1)) {
  console.error('Usage: node scripts/average.mjs FROM TO SHARE OUT.safetensors (SHARE from 0 to 1)');
  process.exit(2);
}
const [a, b] = [await readStart(from), await readStart(to)];
if (JSON.stringify(a.arch) !== JSON.stringify(b.arch)) {
  console.error(`${from} and ${to} have other shapes`);
  process.exit(1);
}
const between = (from, to) => from.map((w, i) => w + x * (to[i] - w));
const values = new Map([...a.values].map(([name, w]) => [name, between(w, b.values.get(name))]));
const flat = new Float32Array(parameterCount(a.arch));
fill(a.arch, values, flat);
await writeCheckpoint(out, a.arch, flat);
