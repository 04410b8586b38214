/**
 * @file Stands for the process with the GPU: the reference on its other end, and ends as its environment
 * says.
 */
import { decodeSymbol, symbolOdds } from '../../dist/codec/block/network-coder.js';
import { openReferenceNetwork } from '../../dist/engines/reference/network.js';
import { parseModel } from '../../dist/model/sharnn.js';
import { RangeDecoder } from '../../dist/range-coder.js';

const { FAKE_GPU } = process.env;
const report = {
  name: 'a device of the tests',
  device: 'a device of the tests',
  driver: 'its driver',
  software: false,
  dot: 'plain',
  sharing: 'together',
  maxStorageBufferBindingSize: 2 ** 27,
  maxBufferSize: 2 ** 28,
  matrices: [],
};
const models = new Map();
const networks = new Map();
let runs = 0;

/** The coders of a network, and what its next step is fed. */
const decoders = new Map();

function decode(network, steps) {
  const state = decoders.get(network);
  const { coders, symbols } = state;
  const rows = [];
  for (let t = 0; t < steps; t++, state.done++) {
    const frequencies = new Uint32Array(coders.length * 256);
    networks.get(network).step(state.row, frequencies);
    state.row = Uint8Array.from(coders, (coder, k) =>
      state.done < symbols[k] ? decodeSymbol(coder, frequencies, k * 256) : 10,
    );
    rows.push(...state.row);
  }
  return { rows: Uint8Array.from(rows), used: coders.reduce((sum, { position }) => sum + position, 0) };
}

function odds(network, rows, steps) {
  const { streams } = networks.get(network);
  const frequencies = new Uint32Array(steps * streams * 256);
  networks.get(network).run(rows, steps, frequencies);
  const result = new Uint16Array(steps * streams * 8);
  for (let i = 0; i < steps * streams; i++)
    symbolOdds(rows[i + streams], frequencies, i * 256, result.subarray(8 * i, 8 * i + 8));
  return result;
}

function answer({ ask, model, file, network, streams, bytes, steps, rows, codes, symbols }) {
  if (ask === 'start' && FAKE_GPU === 'crash at start') process.kill(process.pid, 'SIGKILL');
  if (ask === 'start' || ask === 'describe') return report;
  if (ask === 'model') models.set(model, parseModel(file));
  if (ask === 'open') {
    if (FAKE_GPU === 'no room')
      throw Object.assign(new Error('a device of the tests has no room'), { code: 'ERR_MEMORY_LIMIT' });
    networks.set(network, openReferenceNetwork(models.get(model), streams));
  }
  if (['run', 'odds', 'decode'].includes(ask)) {
    if (FAKE_GPU === `crash at run ${++runs}`) process.kill(process.pid, 'SIGSEGV');
    if (FAKE_GPU === `lost at run ${runs}`) throw new Error('the device was lost');
  }
  if (ask === 'odds') return odds(network, rows, steps);
  if (ask === 'decode') return decode(network, steps);
  if (ask === 'startDecoding') {
    networks.get(network).reset();
    const coders = codes.map((code) => new RangeDecoder(code));
    decoders.set(network, { coders, symbols, done: 0, row: new Uint8Array(coders.length).fill(10) });
  }
  if (ask === 'ends') return decoders.get(network).coders.every((coder) => coder.ends());
  if (ask === 'run') {
    const frequencies = new Uint32Array(bytes.length * 256);
    networks.get(network).run(bytes, steps, frequencies);
    return frequencies;
  }
  if (ask === 'reset') networks.get(network).reset();
  return undefined;
}

process.on('message', ({ id, ...message }) => {
  try {
    process.send({ id, value: answer(message) });
  } catch ({ code, message: text }) {
    process.send({ id, error: { code, message: text } });
  }
});
process.on('disconnect', () => process.exit());
