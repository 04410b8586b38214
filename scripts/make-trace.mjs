#!/usr/bin/env node
/**
 * @file Writes fixtures/trace: a model and every named value of some steps of the reference network. Run
 * after `npm run build`. Needs fixtures/tiny.sharnn. The numbers change only if the network or its file
 * format does.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { formatTrace, traceReference } from '../dist/engines/reference/trace.js';
import { loadModel } from '../dist/index.js';
import { encodeModel, parseModel } from '../dist/model/sharnn.js';

const folder = new URL('../fixtures/trace/', import.meta.url);
const tiny = await loadModel(new URL('../fixtures/tiny.sharnn', import.meta.url));

/** Twice the numbers, the second time from the last row to the first. */
const mirrored = (array, row = 1) => {
  const out = new array.constructor(2 * array.length);
  out.set(array);
  for (let at = 0; at < array.length; at += row)
    out.set(array.subarray(at, at + row), 2 * array.length - at - row);
  return out;
};

// few positions and more than one chunk: the ring wraps within a few steps, and chunks are summed
const { width } = tiny.architecture;
const model = parseModel(
  encodeModel({
    ...tiny,
    name: 'trace',
    architecture: { ...tiny.architecture, window: 3, boom: 2 },
    layers: tiny.layers.map((layer) => ({
      ...layer,
      boom: {
        ...layer.boom,
        weight: mirrored(layer.boom.weight, width),
        multiplier: mirrored(layer.boom.multiplier),
      },
      boomBias: mirrored(layer.boomBias),
    })),
  }),
);

// every stream begins with a line feed
const streams = ['\nThe n', '\nIt wa'];
const bytes = Uint8Array.from({ length: 5 * streams.length }, (_, k) =>
  streams[k % streams.length].charCodeAt(k / streams.length),
);

mkdirSync(folder, { recursive: true });
writeFileSync(new URL('model.sharnn', folder), model.bytes);
const sites = traceReference(model, streams.length, bytes);
writeFileSync(new URL('trace.txt', folder), formatTrace(sites));
console.log(`${sites.length} sites in fixtures/trace`);
