import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { nativeAddonPath } from '../src/engines/native/addon.js';
import { nativeEngine } from '../src/engines/native/engine.js';
import { SYMBOLS } from '../src/model/architecture.js';
import { modelImage, parseModel } from '../src/model/sharnn.js';
import { nativeTraining } from '../src/trainer/native.js';
import { TrainingNetwork } from '../src/trainer/network.js';
import { candidates } from './helpers/conformance.js';
import { randomBytes } from './helpers/random-model.js';

const TINY = fileURLToPath(new URL('../fixtures/tiny.sharnn', import.meta.url));
const native = (await candidates()).some(({ label }) => label.startsWith('native'));
const threads = () => readdirSync('/proc/self/task').length;

/** What a thread of JavaScript does with the addon: some steps with a network that it leaves open. */
const WORKER = `
  const { workerData: { path, file, streams, steps, rounds }, parentPort } = require('node:worker_threads');
  const { createHash } = require('node:crypto');
  const addon = require(path);
  const network = addon.openNetwork(addon.packModel(file, addon.networkIsas()[0]), streams, 64);
  const bytes = Uint8Array.from({ length: streams * steps }, (_, i) => (i * 7) & 255);
  const frequencies = new Uint32Array(bytes.length * 256);
  const sums = new Set();
  for (let i = 0; i < rounds; i++) {
    addon.resetNetwork(network);
    addon.runNetwork(network, bytes, steps, frequencies);
    sums.add(createHash('sha256').update(frequencies).digest('hex'));
  }
  parentPort.postMessage([...sums]);
`;
function work(streams: number, steps: number, rounds: number): Promise<string[]> {
  const workerData = {
    path: nativeAddonPath(),
    file: modelImage(parseModel(readFileSync(TINY))),
    streams,
    steps,
    rounds,
  };
  const worker = new Worker(WORKER, { eval: true, workerData });
  return new Promise((resolve, reject) => {
    let sums: string[] = [];
    worker.on('message', (message) => (sums = message));
    worker.on('error', reject);
    worker.on('exit', () => resolve(sums));
  });
}

describe.skipIf(!native || process.platform !== 'linux')('threads of the native engine', async () => {
  const model = parseModel(readFileSync(TINY));
  // Node's own threads are started by their first work
  await Promise.all(Array.from({ length: 8 }, () => readFile(TINY)));
  const helpers = availableParallelism() - 1;

  it('are no more than there are processors, whatever the number of streams and networks', () => {
    const before = threads();
    const engine = nativeEngine({ threads: 64 });
    const open = Array.from({ length: 63 }, (_, i) => {
      const network = engine.open(model, i + 1);
      network.run(new Uint8Array(4 * (i + 1)), 4, new Uint32Array(4 * (i + 1) * SYMBOLS));
      expect(threads()).toBeLessThanOrEqual(before + helpers);
      return network;
    });
    for (const network of open) network.close();
    expect(threads()).toBe(before);
  });

  it('end with the last network, and are there again for the next', () => {
    const before = threads();
    const engine = nativeEngine();
    for (let i = 0; i < 20; i++) {
      const networks = [engine.open(model, 8), engine.open(model, 3)];
      expect(threads()).toBe(before + Math.min(helpers, 8));
      networks[0].close();
      networks[1].run(new Uint8Array(30), 10, new Uint32Array(30 * SYMBOLS));
      networks[1].close();
      expect(threads()).toBe(before);
    }
  });

  it('end with each step of a training', () => {
    const before = threads();
    const { architecture } = model;
    const network = new TrainingNetwork(
      architecture,
      { batch: 4, steps: 64, threads: 4, bf16: false },
      nativeTraining(),
    );
    const resets = new Uint8Array(4).fill(1);
    network.evaluate({ inputs: randomBytes(256, 1), targets: randomBytes(256, 2), resets }, false, true);
    expect(threads()).toBe(before);
  });

  it('serve several threads of JavaScript, and end with these, networks left open included', async () => {
    const streams = 9;
    const steps = 20;
    const network = nativeEngine({ threads: 1 }).open(model, streams);
    const bytes = Uint8Array.from({ length: streams * steps }, (_, i) => (i * 7) & 255);
    const frequencies = new Uint32Array(bytes.length * SYMBOLS);
    network.run(bytes, steps, frequencies);
    network.close();
    const expected = createHash('sha256').update(frequencies).digest('hex');
    const before = threads();
    const sums = await Promise.all(Array.from({ length: 4 }, () => work(streams, steps, 200)));
    expect(sums).toEqual(Array(4).fill([expected]));
    // threads of workers end a moment after their exit is told
    await expect.poll(threads, { timeout: 5000 }).toBeLessThanOrEqual(before);
  });
});
