import { describe, expect, it } from 'vitest';
import { referenceEngine } from '../src/engines/reference/engine.js';
import { type Architecture, elements, PRESETS, parameters, SYMBOLS } from '../src/model/architecture.js';
import type { IntegerModel } from '../src/model/sharnn.js';
import { forward, initialState, inputsOf } from '../src/trainer/float-reference.js';
import { calibrate, quantize, uniformShifts } from '../src/trainer/quantize.js';
import { randomSource } from './helpers/random-model.js';

const TEXT = new TextEncoder().encode(
  Array.from({ length: 12 }, (_, i) => `${i}: the quick brown fox jumps over ${i * i} lazy dogs;\n`).join(''),
);

/** Normal numbers of the size that training gives. `sharpness` is the query norm's gain. */
function randomParameters(arch: Architecture, seed: number, sharpness = 1): Map<string, Float32Array> {
  const random = randomSource(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const distribution = (name: string, shape: number[]): [center: number, deviation: number] => {
    if (name === 'embedding.weight') return [0, 0.2];
    if (shape.length === 2) return [0, 1 / Math.sqrt(arch.width)];
    if (name.endsWith('norm_query.weight')) return [sharpness, 0.2];
    if (name.includes('norm_') && name.endsWith('weight')) return [1, 0.2];
    return [0, name.includes('gate_') ? 1 : 0.2];
  };
  return new Map(
    parameters(arch).map(({ name, shape }) => {
      const [center, deviation] = distribution(name, shape);
      return [name, Float32Array.from({ length: elements(shape) }, () => center + deviation * normal())];
    }),
  );
}

/** Kullback-Leibler divergence, bits per byte, of the integer network's distributions from the float network's. */
function divergence(arch: Architecture, params: Map<string, Float32Array>, shift: number) {
  const inputs = inputsOf(TEXT);
  const steps = TEXT.length;
  const { logits } = forward(arch, params, { B: 1, T: steps, inputs, targets: TEXT }, initialState(arch, 1));
  const network = referenceEngine.open(quantize(arch, params, 'random', uniformShifts(arch, shift)), 1);
  const frequencies = new Uint32Array(steps * SYMBOLS);
  network.run(inputs, steps, frequencies);
  let sum = 0;
  let largest = 0;
  for (let t = 0; t < steps; t++) {
    const z = logits.subarray(t * SYMBOLS, (t + 1) * SYMBOLS);
    const f = frequencies.subarray(t * SYMBOLS, (t + 1) * SYMBOLS);
    const top = z.reduce((a, b) => Math.max(a, b));
    const e = z.map((v) => Math.exp(v - top));
    const totalE = e.reduce((a, b) => a + b);
    const totalF = f.reduce((a, b) => a + b);
    const bits = e.reduce((s, v, k) => s + (v / totalE) * Math.log2(v / totalE / (f[k] / totalF)), 0);
    sum += bits;
    largest = Math.max(largest, bits);
  }
  return { mean: sum / steps, largest };
}

describe('quantized network against the float network', () => {
  const oneLayer: Architecture = { ...PRESETS.tiny, layers: 1 };

  // With 5 fractional bits and weights of this size the divergence is a few thousandths of a bit, the noise of 8-bit
  // numbers. A fold that is wrong, a scale that is off by a factor of two or a swapped gate costs 0.1 bit or more.
  it.each<[string, Architecture, number]>([
    ['the tiny preset', PRESETS.tiny, 1],
    ['one layer', oneLayer, 1],
    ['no attention', { ...PRESETS.tiny, attention: [] }, 1],
    ['sharp attention', oneLayer, 20],
    ['a window longer than 1024', { ...oneLayer, window: 2048 }, 4],
    ['a window of one position', { ...oneLayer, window: 1 }, 1],
    [
      'attention everywhere, boom of 4',
      { width: 64, layers: 3, boom: 4, window: 40, attention: [0, 1, 2] },
      4,
    ],
  ])('follows it: %s', (_, arch, sharpness) => {
    for (const seed of [1, 2]) {
      const { mean, largest } = divergence(arch, randomParameters(arch, seed, sharpness), 5);
      expect(mean).toBeLessThan(0.008);
      expect(largest).toBeLessThan(0.15);
    }
  });

  it('follows it more closely with more fractional bits, as long as the values fit', () => {
    const params = randomParameters(oneLayer, 3);
    const three = divergence(oneLayer, params, 3).mean;
    const four = divergence(oneLayer, params, 4).mean;
    const five = divergence(oneLayer, params, 5).mean;
    expect(four).toBeLessThan(three);
    expect(five).toBeLessThan(four);
  });
});

describe('calibrate', () => {
  it('never ends worse than the default shifts', async () => {
    const arch: Architecture = { width: 64, layers: 1, boom: 1, window: 16, attention: [0] };
    const params = randomParameters(arch, 4);
    const text = TEXT.subarray(0, 200);
    const found = await calibrate(arch, params, 'random', text, referenceEngine);
    const frequencies = new Uint32Array(text.length * SYMBOLS);
    const bits = (model: IntegerModel) => {
      referenceEngine.open(model, 1).run(inputsOf(text), text.length, frequencies);
      let sum = 0;
      for (let t = 0; t < text.length; t++) {
        const f = frequencies.subarray(t * SYMBOLS, (t + 1) * SYMBOLS);
        sum += Math.log2(f.reduce((a, b) => a + b) / f[text[t]]);
      }
      return sum / text.length;
    };
    expect(found.bitsPerByte).toBeCloseTo(bits(found.model), 6);
    expect(found.bitsPerByte).toBeLessThanOrEqual(bits(quantize(arch, params, 'random')));
  });
});

describe('quantize', () => {
  it.each([
    ['is missing', (p: Map<string, Float32Array>) => p.delete('norm_final.bias')],
    ['has the wrong shape', (p: Map<string, Float32Array>) => p.set('output.bias', new Float32Array(3))],
    [
      'has a value that is not a number',
      (p: Map<string, Float32Array>) => p.get('output.bias')?.fill(Number.NaN),
    ],
  ])('refuses a checkpoint where a parameter %s', (_, spoil) => {
    const params = randomParameters(PRESETS.tiny, 5);
    spoil(params);
    expect(() => quantize(PRESETS.tiny, params, 'spoilt')).toThrow(
      expect.objectContaining({ code: 'ERR_CHECKPOINT_INVALID' }),
    );
  });

  it('makes a valid model of parameters that are zero or very large', () => {
    for (const value of [0, 1e6, -1e6]) {
      const params = new Map(
        parameters(PRESETS.tiny).map((p) => [p.name, new Float32Array(elements(p.shape)).fill(value)]),
      );
      const model = quantize(PRESETS.tiny, params, 'extreme');
      const frequencies = new Uint32Array(SYMBOLS);
      referenceEngine.open(model, 1).step(Uint8Array.of(65), frequencies);
      expect(Math.min(...frequencies)).toBeGreaterThan(0);
    }
  });
});
