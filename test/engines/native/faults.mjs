/**
 * Run by test/engines/native/faults.test.ts in a process of its own, with faults.c preloaded: tells what the
 * native engine holds for networks and coders of many shapes, or what comes of each of its requests to the
 * system being refused.
 *
 *   node --expose-gc faults.mjs CONTROL (measure|refuse) MODEL...
 */
import { openSync, readFileSync, readSync, writeSync } from 'node:fs';
import { nativeEngine, nativeIsas } from '../../../dist/engines/native/engine.js';
import { compress, decompress, loadModel, ShacompError } from '../../../dist/index.js';
import { nativeTraining } from '../../../dist/trainer/native.js';
import { TrainingNetwork } from '../../../dist/trainer/network.js';

const [control, task, ...models] = process.argv.slice(2);
const fd = openSync(control, 'r+');
const tell = (...words) => writeSync(fd, BigInt64Array.from(words.map(BigInt)), 0, 8 * words.length, 0);
const ask = (word) => {
  const answer = new BigInt64Array(1);
  readSync(fd, answer, 0, 8, 8 * word);
  return Number(answer[0]);
};
const refused = () => ask(3);
const live = () => ask(4);

/** Has objects that nobody needs finalized. */
async function settled() {
  for (let i = 0; i < 4; i++) {
    globalThis.gc();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function measure() {
  tell(1);
  const networks = [];
  const coders = [];
  for (const path of models) {
    const model = await loadModel(path);
    for (const isa of nativeIsas())
      for (const threads of [1, 2]) {
        const engine = nativeEngine({ isa, threads });
        engine.open(model, 1).close();
        for (const streams of [1, 2, 7, 64, 65, 500]) {
          const before = live();
          const network = engine.open(model, streams);
          const held = live() - before;
          network.run(new Uint8Array(3 * streams), 3, new Uint32Array(3 * streams * 256));
          const ran = live() - before;
          network.close();
          const stated = engine.memory(model.architecture, streams);
          networks.push({
            shape: model.architecture,
            isa,
            threads,
            streams,
            stated,
            held,
            ran,
            left: live() - before,
          });
        }
      }
  }
  const mixing = nativeEngine().mixing;
  for (const profile of [0, 1])
    for (const length of [1, 1000, 100_000, 5_000_000])
      for (const payload of [undefined, new Uint8Array(length)]) {
        const before = live();
        const coder = mixing.mixOpen(profile, length, 3, payload);
        const held = live() - before;
        mixing.mixClose(coder);
        const stated = mixing.mixBytes(profile, length, 3) + (payload?.length ?? 0);
        coders.push({ profile, length, stated, held, left: live() - before });
      }
  return { networks, coders };
}

async function refuse() {
  const bytes = new Uint8Array(readFileSync(models[0]));
  const data = Buffer.from('the quick brown fox jumps over the lazy dog. '.repeat(40));
  const same = (a, b) => {
    if (Buffer.compare(a, b) !== 0) throw new Error('other bytes came back');
  };
  const mixing = nativeEngine().mixing;
  const files = {};
  for (const mode of ['network', 'mixing-fast', 'network-mixing-fast'])
    files[mode] = await compress(data, { model: bytes, mode, engine: 'native' });
  const tasks = {
    'a network': async () => {
      const model = await loadModel(bytes);
      const engine = nativeEngine({ threads: 2 });
      const network = engine.open(model, 5);
      try {
        network.run(new Uint8Array(50), 10, new Uint32Array(50 * 256));
        network.reset();
      } finally {
        network.close();
      }
    },
    'a coder': async () => {
      const encoder = mixing.mixOpen(0, data.length, 1);
      try {
        mixing.mixEncode(encoder, data);
        const payload = mixing.mixFinish(encoder);
        const decoder = mixing.mixOpen(0, data.length, 1, payload);
        try {
          const decoded = Buffer.alloc(data.length);
          mixing.mixDecode(decoder, decoded, data.length);
          same(decoded, data);
        } finally {
          mixing.mixClose(decoder);
        }
      } finally {
        mixing.mixClose(encoder);
      }
    },
    'a training': async () => {
      const { architecture } = await loadModel(bytes);
      const options = { batch: 2, steps: 64, threads: 2, bf16: false };
      const network = new TrainingNetwork(architecture, options, nativeTraining());
      const segment = {
        inputs: new Uint8Array(128),
        targets: new Uint8Array(128),
        resets: new Uint8Array(2).fill(1),
      };
      const rates = {
        rate: 0.001,
        beta1: 0.9,
        beta2: 0.99,
        epsilon: 1e-8,
        decay: 0,
        clip: 1,
        ema: 0.99,
        momentum: 0,
      };
      network.step(segment, { ...rates, time: 1 });
      network.evaluate(segment, false, true);
    },
  };
  for (const mode of Object.keys(files)) {
    const options = { model: bytes, mode, engine: 'native' };
    tasks[`compression, ${mode}`] = async () =>
      same(await decompress(await compress(data, options), { model: bytes, engine: 'native' }), data);
    tasks[`decompression, ${mode}`] = async () =>
      same(await decompress(files[mode], { model: bytes, engine: 'native' }), data);
  }
  const report = {};
  for (const [name, run] of Object.entries(tasks)) {
    tell(1);
    await run(); // what is made once is made now
    await settled();
    const before = live();
    const outcomes = { refused: 0, typed: 0, done: 0, wrong: [] };
    for (const sticky of [0, 1])
      for (let countdown = 0; ; countdown++) {
        tell(2, countdown, sticky, 0);
        let outcome = 'done';
        try {
          await run();
        } catch (error) {
          outcome =
            error instanceof ShacompError && error.code === 'ERR_MEMORY_LIMIT' ? 'typed' : `${error.stack}`;
        }
        const hit = refused() > 0;
        tell(1);
        if (outcome === 'done' || (outcome === 'typed' && hit)) outcomes[outcome]++;
        else outcomes.wrong.push(outcome);
        if (!hit) break;
        outcomes.refused++;
        if (countdown > 1000) throw new Error('no end');
      }
    await run(); // all is as before
    await settled();
    report[name] = { ...outcomes, leaked: live() - before };
  }
  return report;
}

console.log(JSON.stringify(await (task === 'measure' ? measure() : refuse())));
