#!/usr/bin/env node
/**
 * @file Writes the weights that lie between those of two networks of one shape, which often predict better
 * than either end of a training run (Wortsman et al. 2022, arXiv:2203.05482 and 2109.01903).
 *
 *     node scripts/average.mjs FROM TO SHARE OUT.safetensors
 *
 * FROM, TO: model or checkpoint. SHARE: 0 gives FROM, 1 gives TO. Needs dist/ (npm run build).
 */
import { writeCheckpoint } from '../dist/trainer/checkpoint.js';
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
const flat = [...a.values].flatMap(([name, value]) =>
  Array.from(value, (w, i) => w + x * (b.values.get(name)[i] - w)),
);
await writeCheckpoint(out, a.arch, Float32Array.from(flat));
