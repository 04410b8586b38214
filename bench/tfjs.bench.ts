/**
 * @file The TensorFlow.js engine on its two backends without downloads beside our WebAssembly engine,
 * interleaved: bytes per second of known input, and the ratios. BENCH_PRESETS, BENCH_STREAMS: lists,
 * separated by commas. It tells nothing of TensorFlow's own library, and nothing of GPUs.
 */
import type { Network } from '../src/engines/engine.js';
import { type PresetName, SYMBOLS } from '../src/model/architecture.js';
import { selectEngine } from '../src/node/engines.js';
import { randomBytes, randomModel } from '../test/helpers/random-model.js';
import { tfjsOn } from '../test/helpers/tensorflow.js';

const presets = (process.env.BENCH_PRESETS ?? 'lite,base').split(',') as PresetName[];
const streamCounts = (process.env.BENCH_STREAMS ?? '1,16,64').split(',').map(Number);
/** Steps of a measurement, of which there are three of each engine in turn; the fastest counts. */
const STEPS = 8;

const wasm = await selectEngine('wasm');
for (const preset of presets) {
  const model = randomModel({ seed: 1, preset, limit: 63 });
  console.log(`\n${preset}, bytes per second   streams       wasm       tfjs   wasm / tfjs`);
  for (const backend of ['wasm', 'cpu'] as const) {
    const engine = await tfjsOn(backend);
    for (const streams of streamCounts) {
      const networks: Network[] = [wasm.open(model, streams), engine.open(model, streams)];
      const bytes = randomBytes(STEPS * streams, 1);
      const frequencies = new Uint32Array(STEPS * streams * SYMBOLS);
      const best = networks.map(() => Number.POSITIVE_INFINITY);
      for (let round = 0; round < 3; round++)
        for (const [i, network] of networks.entries()) {
          const start = performance.now();
          await network.run(bytes, STEPS, frequencies);
          best[i] = Math.min(best[i], performance.now() - start);
        }
      for (const network of networks) network.close();
      const [ours, theirs] = best.map((ms) => (1000 * STEPS * streams) / ms);
      const columns = [streams, ours.toFixed(0), theirs.toFixed(0)].map((x) => String(x).padStart(10));
      console.log(
        `backend ${backend.padEnd(14)}${columns.join(' ')}  ${(ours / theirs).toFixed(0).padStart(10)}`,
      );
    }
    engine.close();
  }
}
