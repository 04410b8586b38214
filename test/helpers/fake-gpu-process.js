/** @file Stands for the process with the GPU: the reference on its other end, and ends as its environment says. */
import { openReferenceNetwork } from '../../dist/engines/reference/network.js';
import { parseModel } from '../../dist/model/sharnn.js';

const { FAKE_GPU } = process.env;
const report = {
  name: 'a device of the tests',
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

function answer({ ask, model, file, network, streams, bytes, steps }) {
  if (ask === 'start' && FAKE_GPU === 'crash at start') process.kill(process.pid, 'SIGKILL');
  if (ask === 'start') return report;
  if (ask === 'model') models.set(model, parseModel(file));
  if (ask === 'open') {
    if (FAKE_GPU === 'no room')
      throw Object.assign(new Error('a device of the tests has no room'), { code: 'ERR_MEMORY_LIMIT' });
    networks.set(network, openReferenceNetwork(models.get(model), streams));
  }
  if (ask === 'run') {
    if (++runs === 3 && FAKE_GPU === 'crash at the third run') process.kill(process.pid, 'SIGSEGV');
    if (runs === 3 && FAKE_GPU === 'lost at the third run') throw new Error('the device was lost');
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
