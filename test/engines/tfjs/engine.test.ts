import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lendMixing } from '../../../src/engines/list.js';
import { tfjsPredictor } from '../../../src/engines/tfjs/engine.js';
import type { TensorFlow } from '../../../src/engines/tfjs/tensorflow.js';
import { compress, decompress } from '../../../src/index.js';
import { PRESETS, SYMBOLS } from '../../../src/model/architecture.js';
import { selectEngine } from '../../../src/node/engines.js';
import { Case } from '../../helpers/conformance.js';
import { small } from '../../helpers/network-suite.js';
import { randomBytes, randomModel } from '../../helpers/random-model.js';
import { tensors, tf, tfjsOn } from '../../helpers/tensorflow.js';

const fixtures = join(import.meta.dirname, '../../../fixtures');
const golden: Record<string, { length?: number; sha256?: string; errors?: string[] }> = JSON.parse(
  readFileSync(join(fixtures, 'sha/expected.json'), 'utf8'),
);
const cpu = await selectEngine('wasm');

describe('the TensorFlow.js engine', () => {
  it('leaves no tensor behind: none by steps, by runs, resets and closed networks', async () => {
    (await tfjsOn('wasm')).close();
    const before = tensors();
    const engine = await tfjsOn('wasm');
    // positions of the window move from tensor to tensor: counted where the same number has gathered
    const network = engine.open(small, 3);
    const advance = (steps: number) =>
      network.run(randomBytes(3 * steps, 1), steps, new Uint32Array(3 * steps * SYMBOLS));
    advance(24);
    const open = tensors();
    for (let step = 0; step < 36; step++) advance(1);
    expect(tensors()).toBe(open);
    network.reset();
    advance(24);
    expect(tensors()).toBe(open);
    network.close();
    const idle = tensors();
    for (const model of [randomModel({ seed: 1 }), small]) {
      const other = engine.open(model, 2);
      other.run(randomBytes(10, 2), 5, new Uint32Array(10 * SYMBOLS));
      other.close();
    }
    expect(tensors()).toBe(idle);
    engine.close();
    expect(tensors()).toBe(before);
  });

  it('uploads a model once, however many networks run it', async () => {
    const engine = await tfjsOn('wasm');
    const first = engine.open(small, 1);
    const before = tensors();
    const second = engine.open(small, 2);
    expect(tensors()).toBe(before);
    first.close();
    new Case(small, 2, 3).check(lendMixing(engine, cpu));
    second.close();
    engine.close();
  });

  it('says how much memory a network takes', async () => {
    const engine = await tfjsOn('wasm');
    expect(engine.memory(PRESETS.paper, 64)).toBeGreaterThan(64 * 4 * 4 * 5000 * 1024);
    expect(() => engine.memory(PRESETS.paper, 0)).toThrow(expect.objectContaining({ code: 'ERR_OPTIONS' }));
    engine.close();
  });

  it.each([
    'good-network',
    'good-streams',
    'good-network-mixing-fast',
    'bad-flipped-payload',
    'bad-stream-tail',
    'bad-sum',
  ])('decodes, or refuses, the golden file %s as every engine', async (name) => {
    const predictor = await tfjsOn('wasm');
    const engine = lendMixing(predictor, cpu);
    const file = readFileSync(join(fixtures, `sha/${name}.sha`));
    const model = readFileSync(join(fixtures, 'tiny.sharnn'));
    const { length, sha256, errors } = golden[name];
    const decoded = await decompress(file, { model, engine }).then(
      (data) => ({ length: data.length, sha256: createHash('sha256').update(data).digest('hex') }),
      ({ code }) => ({ refused: errors?.includes(code) }),
    );
    expect(decoded).toEqual(errors ? { refused: true } : { length, sha256 });
    predictor.close();
  });

  it('writes the file that the other engines write', async () => {
    const predictor = await tfjsOn('wasm');
    const data = randomBytes(400, 3).map((x) => x & 15);
    const options = { model: small, mode: 'network', streams: 5 } as const;
    const file = await compress(data, { ...options, engine: lendMixing(predictor, cpu) });
    expect(Buffer.compare(file, await compress(data, { ...options, engine: cpu }))).toBe(0);
    predictor.close();
  });

  it('refuses a backend that computes wrong numbers, in one line, and leaves none of its tensors', async () => {
    await tfjsOn('wasm').then((engine) => engine.close());
    const before = tensors();
    // as one that rounds where it has too few bits
    const coarse: TensorFlow = {
      ...tf,
      floor: (x) => tf.floor(tf.add(x, tf.tensor(Float32Array.of(1 / 256), [], 'float32'))),
    };
    await expect(tfjsPredictor(coarse, 'Abacus')).rejects.toMatchObject({
      code: 'ERR_ENGINE_UNAVAILABLE',
      message:
        'the TensorFlow.js engine does not run here: Abacus, backend wasm computes wrong numbers; use another backend or engine',
    });
    expect(tensors()).toBe(before);
  });

  it('says in one line what a backend fails with', async () => {
    const failing: TensorFlow = {
      ...tf,
      matMul: () => {
        throw new Error('OOM when allocating\nat length');
      },
    };
    await expect(tfjsPredictor(failing)).rejects.toMatchObject({
      code: 'ERR_ENGINE_UNAVAILABLE',
      message: 'the TensorFlow.js engine does not run here: TensorFlow.js failed: OOM when allocating',
    });
  });
});
