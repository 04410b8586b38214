/** From an integer model back to floats. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { referenceEngine } from '../../src/engines/reference/engine.js';
import { type Architecture, parameters, SYMBOLS } from '../../src/model/architecture.js';
import { parseModel } from '../../src/model/sharnn.js';
import { readCheckpoint } from '../../src/trainer/checkpoint.js';
import { dequantize } from '../../src/trainer/dequantize.js';
import { forward, initialState, inputsOf } from '../../src/trainer/float-reference.js';
import { initialize } from '../../src/trainer/initialize.js';
import { tensorsOf } from '../../src/trainer/network.js';
import { quantize } from '../../src/trainer/quantize.js';
import { activationRanges } from '../../src/trainer/ranges.js';
import { divergence, normal } from '../helpers/divergence.js';
import { randomSource } from '../helpers/random-model.js';

/** Mean divergence in bits of the integer network from a float one, and the bits of the text. */
function compare(model: ReturnType<typeof parseModel>, values: Map<string, Float32Array>, text: Uint8Array) {
  const { architecture: arch } = model;
  const T = text.length;
  const inputs = inputsOf(text);
  const { logits } = forward(arch, values, { B: 1, T, inputs, targets: text }, initialState(arch, 1));
  const frequencies = new Uint32Array(T * SYMBOLS);
  referenceEngine.open(model, 1).run(inputs, T, frequencies);
  let sum = 0;
  for (let t = 0; t < T; t++) {
    const row = [t * SYMBOLS, (t + 1) * SYMBOLS] as const;
    const float = normal(Array.from(logits.subarray(...row), Math.exp));
    sum += divergence(float, normal(frequencies.subarray(...row)));
  }
  return sum / T;
}

const text = new Uint8Array(readFileSync(new URL('../../LICENSE', import.meta.url)).subarray(0, 400));

describe('a float network made of an integer model', () => {
  it('predicts what the model does', () => {
    const model = parseModel(readFileSync(new URL('../../fixtures/tiny.sharnn', import.meta.url)));
    const { arch, values } = dequantize(model);
    expect(arch).toEqual({ ...model.architecture, attention: [...model.architecture.attention] });
    for (const { name, shape } of parameters(arch)) {
      expect(values.get(name)?.length, name).toBe(shape.reduce((a, b) => a * b));
      expect(values.get(name)?.every(Number.isFinite), name).toBe(true);
    }
    expect(compare(model, values, text)).toBeLessThan(0.004);
  });

  it('is what scripts/average.mjs makes of a model and itself', async () => {
    const tiny = new URL('../../fixtures/tiny.sharnn', import.meta.url);
    const path = fileURLToPath(tiny);
    const folder = mkdtempSync(join(tmpdir(), 'shacomp-average-'));
    try {
      const out = join(folder, 'between.safetensors');
      const script = fileURLToPath(new URL('../../scripts/average.mjs', import.meta.url));
      execFileSync(process.execPath, [script, path, path, '0.5', out]);
      const { values } = dequantize(parseModel(readFileSync(tiny)));
      const { values: written } = await readCheckpoint(out);
      for (const [name, value] of values) expect(written.get(name), name).toEqual(value);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('does so whatever gates, gains and biases were folded', async () => {
    const arch: Architecture = { width: 64, layers: 2, boom: 2, window: 64, attention: [0, 1] };
    const random = randomSource(5);
    const flat = new Float32Array(
      parameters(arch).reduce((n, { shape }) => n + shape.reduce((a, b) => a * b), 0),
    );
    initialize(arch, flat, 1);
    const values = tensorsOf(arch, flat);
    for (const [name, value] of values) {
      const spread = /norm_.*weight$/.test(name) ? 0.5 : /gate/.test(name) ? 2 : /bias$/.test(name) ? 0.2 : 0;
      for (let i = 0; i < value.length; i++) value[i] += spread * (2 * random() - 1);
    }
    // a gain of about 0, a shut gate, rows of the embedding that no text has reached
    (values.get('layers.0.norm_mid.weight') as Float32Array)[3] = 1e-5;
    (values.get('layers.1.attention.gate_value') as Float32Array).fill(-9, 0, 8);
    (values.get('embedding.weight') as Float32Array).fill(1e-3, 5 * 64, 5 * 64 + 1);
    const ranges = await activationRanges(arch, values, [text]);
    const model = quantize(arch, values, 'm', ranges, { bits: 8 });
    const before = compare(model, values, text);
    expect(compare(model, dequantize(model).values, text)).toBeLessThan(before + 0.002);
  });
});
