import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { describe, expect, it } from 'vitest';
import { tfjsPredictor, type TfjsPredictor } from '../../../src/engines/tfjs/engine.js';
import { selectEngine } from '../../../src/node/engines.js';
import { Case } from '../../helpers/conformance.js';
import { randomModel } from '../../helpers/random-model.js';
const shape = (width: number, layers: number, boom: number, window: number, attention: number[]) => ({ width, layers, boom, window, attention });
const fast = await selectEngine('wasm');
tf.enableProdMode();
describe.each(['wasm', 'cpu'])('%s', (backend) => {
  let e: TfjsPredictor;
  it('opens', async () => { await tf.setBackend(backend); const t=performance.now(); e = await tfjsPredictor(tf as never); console.log(e.detail, performance.now()-t); });
  const cases: [string, () => Case][] = [
    ['small', () => new Case(randomModel({ seed: 4, architecture: shape(64, 2, 2, 12, [1]) }), 3, 40, fast)],
    ['lite', () => new Case(randomModel({ seed: 4, preset: 'lite' }), 2, 10, fast)],
    ...(['signs', 'ones', 'hostile'] as const).flatMap((extreme) => [1, 2, 3].map((seed): [string, () => Case] => [`${extreme} ${seed}`, () => new Case(randomModel({ seed, extreme, architecture: shape(64, 2, 8, 20, [0, 1]) }), 2, 60, fast)])),
    ['513', () => new Case(randomModel({ seed: 6, architecture: shape(64, 1, 1, 513, [0]), extreme: 'signs' }), 1, 600, fast, new Uint8Array(600).fill(65))],
  ];
  it.each(cases)('%s', (_, make) => { const c = make(); void c.expected; const t = performance.now(); const before = tf.memory().numTensors; c.check({ ...e, mixing: fast.mixing } as never); console.log(backend, _, ((performance.now() - t)/c.steps).toFixed(2), 'ms/step', tf.memory().numTensors - before); });
});
