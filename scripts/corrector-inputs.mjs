#!/usr/bin/env node
/**
 * @file Writes what the mixer's corrector sees of files, for training/torch/corrector.py to fit it to.
 *
 *     node scripts/corrector-inputs.mjs -o OUT [--model NAME] [--length 30000] FILE...
 *
 * Of every file the first --length bytes are coded as one stream by the reference, which takes its time (a
 * second per KB or so); --model: with that network, which should not have been trained on the text. A row per
 * bit, int16: the inputs, the categories, the bit. Of bytes beyond the first 16384 one in four is written.
 * Needs dist/ (npm run build).
 */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { mixingExamples } from '../dist/engines/reference/mixer.js';
import { selectEngine } from '../dist/node/engines.js';
import { loadModel } from '../dist/node/models.js';

const WHOLE = 16384;
const SHARE = 4;

const { values, positionals } = parseArgs({
  options: {
    output: { type: 'string', short: 'o' },
    model: { type: 'string' },
    length: { type: 'string', default: '30000' },
  },
  allowPositionals: true,
});
if (!values.output || positionals.length === 0) {
  console.error('Usage: node scripts/corrector-inputs.mjs -o OUT [--model NAME] [--length N] FILE...');
  process.exit(2);
}

/** The network's frequencies of every byte of a text, as one stream from the cold state. */
async function frequenciesOf(text, model, engine) {
  const network = engine.open(model, 1);
  const frequencies = new Uint32Array(text.length * 256);
  await network.run(Uint8Array.of(0x0a, ...text.subarray(0, -1)), text.length, frequencies);
  network.close();
  return frequencies;
}

const model = values.model && (await loadModel(values.model));
const engine = model && (await selectEngine('auto'));
const out = openSync(values.output, 'w');
for (const file of positionals) {
  const text = new Uint8Array(readFileSync(file).subarray(0, Number(values.length)));
  if (text.length === 0) continue;
  const rows = [];
  let bits = 0;
  mixingExamples(text, model && (await frequenciesOf(text, model, engine)), (inputs, categories, bit) => {
    const at = bits++ >> 3;
    if (at < WHOLE || at % SHARE === 0) rows.push(...inputs, ...categories, bit);
  });
  writeSync(out, new Uint8Array(Int16Array.from(rows).buffer));
  console.log(`${file}: ${text.length} bytes`);
}
closeSync(out);
