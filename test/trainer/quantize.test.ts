import { describe, expect, it } from 'vitest';
import { referenceEngine } from '../../src/engines/reference/engine.js';
import { type Architecture, elements, PRESETS, parameters, SYMBOLS } from '../../src/model/architecture.js';
import { Compensation } from '../../src/trainer/compensate.js';
import { forward, initialState, inputsOf } from '../../src/trainer/float-reference.js';
import { beyond, quantize } from '../../src/trainer/quantize.js';
import { activationRanges } from '../../src/trainer/ranges.js';
import { percent, roundingLoss, total } from '../../src/trainer/rounding-loss.js';
import { randomSource } from '../helpers/random-model.js';
import { rangesUpTo } from '../helpers/ranges.js';

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

/**
 * Kullback-Leibler divergence, bits per byte, of the integer network's distributions from the float
 * network's.
 */
function divergence(
  arch: Architecture,
  params: Map<string, Float32Array>,
  bits: 6 | 7 | 8,
  ranges = rangesUpTo(arch, 4),
) {
  const inputs = inputsOf(TEXT);
  const steps = TEXT.length;
  const { logits } = forward(arch, params, { B: 1, T: steps, inputs, targets: TEXT }, initialState(arch, 1));
  const network = referenceEngine.open(quantize(arch, params, 'random', ranges, { bits }), 1);
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

  // With weights of this size the divergence is a few thousandths of a bit, the noise of 8-bit numbers. A
  // fold that is wrong, a scale that is off by a factor of two or a swapped gate costs 0.1 bit or more.
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
      const { mean, largest } = divergence(arch, randomParameters(arch, seed, sharpness), 8);
      expect(mean).toBeLessThan(0.008);
      expect(largest).toBeLessThan(0.15);
    }
  });

  it('follows it more closely with more bits, and with ranges that fit', () => {
    const params = randomParameters(oneLayer, 3);
    const [six, seven, eight] = ([6, 7, 8] as const).map((bits) => divergence(oneLayer, params, bits).mean);
    expect(seven).toBeLessThan(six);
    expect(eight).toBeLessThan(seven);
    expect(divergence(oneLayer, params, 8, rangesUpTo(oneLayer, 16)).mean).toBeGreaterThan(2 * eight);
    expect(divergence(oneLayer, params, 8, rangesUpTo(oneLayer, 0.5)).mean).toBeGreaterThan(2 * eight);
  });
});

describe('calibration', () => {
  const arch: Architecture = { width: 64, layers: 2, boom: 2, window: 64, attention: [0] };
  const params = randomParameters(arch, 4);
  const texts = [TEXT.subarray(0, 256), TEXT.subarray(100, 356)];

  it('finds the largest magnitude of every channel', async () => {
    const ranges = await activationRanges(arch, params, texts, 2);
    const { layers, output } = ranges;
    for (const vector of [
      layers[0].memory,
      layers[0].query,
      layers[0].boom,
      layers[1].start,
      layers[1].boom,
      output,
    ]) {
      expect(Math.min(...vector)).toBeGreaterThan(0.5);
      expect(Math.max(...vector)).toBeLessThan(8);
    }
    expect([...layers[0].start, ...layers[1].memory].every((x) => x === 0)).toBe(true);
    expect(layers[1].attentionReach).toBe(0);
    for (const { outputReach, boomReach, cellReach } of layers)
      for (const reach of [outputReach, boomReach, cellReach]) expect(reach).toBeGreaterThan(0.5);
    // the same whatever the threads, and no less on more text
    expect(await activationRanges(arch, params, texts, 1)).toEqual({ ...ranges, moments: expect.anything() });
    const one = await activationRanges(arch, params, texts.slice(0, 1), 1);
    expect(one.output.every((x, k) => x <= output[k])).toBe(true);
    expect(beyond(ranges, one)).toEqual(new Map());
    expect([...beyond(one, ranges).keys()]).toContain('layer 0 boom');
  });

  it('finds the second moments of the inputs of products', async () => {
    const { moments } = await activationRanges(arch, params, texts, 2);
    if (!moments) throw new Error('no moments');
    const d = arch.width;
    const { layers, output, bytes } = moments;
    const trace = (moment: Float32Array) =>
      moment.reduce((sum, x, i) => sum + (i % (d + 1) === 0 ? x : 0), 0);
    for (const moment of [layers[0].memory, layers[0].boom, layers[1].start, layers[1].boom, output]) {
      // a normalized vector has a mean square of 1
      expect(trace(moment) / d).toBeCloseTo(1, 3);
      for (const [i, x] of moment.entries())
        expect(moment[(i % d) * d + Math.floor(i / d)]).toBeCloseTo(x, 5);
    }
    expect(trace(layers[0].start) + trace(layers[1].memory)).toBe(0);
    expect(trace(layers[0].hidden) / d).toBeGreaterThan(0.01);
    expect(trace(layers[0].hidden) / d).toBeLessThan(1);
    expect(bytes.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
    expect(bytes[32]).toBeGreaterThan(0.05);
  });

  it('measures what rounding costs, by text and by position', async () => {
    const ranges = await activationRanges(arch, params, texts, 1);
    const model = quantize(arch, params, 'random', ranges);
    const long = new Uint8Array(1000).map((_, i) => TEXT[i % TEXT.length]);
    const named = [
      { path: 'long', text: long },
      { path: 'short', text: TEXT.subarray(0, 100) },
    ];
    const loss = await roundingLoss(arch, params, model, referenceEngine, named, 1);
    expect(loss.texts.map(({ path, bytes }) => [path, bytes])).toEqual([
      ['long', 960],
      ['short', 64],
    ]);
    const [text] = loss.texts;
    expect(text.positions.map(({ end, bytes }) => [end, bytes])).toEqual([
      [512, 512],
      [2048, 448],
    ]);
    expect(total(text.positions).integer).toBeCloseTo(text.integer, 6);
    expect(Math.abs(percent(text))).toBeLessThan(1);
    // what the network really assigns to the text
    const frequencies = new Uint32Array(960 * SYMBOLS);
    referenceEngine.open(model, 1).run(inputsOf(long).subarray(0, 960), 960, frequencies);
    let bits = 0;
    for (let t = 0; t < 960; t++) {
      const f = frequencies.subarray(t * SYMBOLS, (t + 1) * SYMBOLS);
      bits += Math.log2(f.reduce((a, b) => a + b) / f[long[t]]);
    }
    expect(text.integer).toBeCloseTo(bits, 4);
  });
});

describe('rounding with compensation', () => {
  const d = 64;
  const random = randomSource(8);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const mixed = Array.from({ length: d }, () => Array.from({ length: 12 }, normal));
  /** inputs that go together: 12 causes, a little noise */
  const inputs = Array.from({ length: 400 }, () => {
    const causes = Array.from({ length: 12 }, normal);
    return mixed.map((row) => 20 * row.reduce((sum, x, i) => sum + x * causes[i], 0.3 * normal()));
  });
  const moment = new Float64Array(d * d).map((_, i) =>
    inputs.reduce((sum, x) => sum + (x[Math.floor(i / d)] * x[i % d]) / inputs.length, 0),
  );
  const weights = Array.from({ length: 5 }, () => Float64Array.from({ length: d }, normal));
  const step = 3 / 15;
  const error = (rounded: Int8Array[]) =>
    rounded.reduce(
      (sum, row, r) =>
        sum +
        inputs.reduce(
          (s, x) => s + x.reduce((e, v, k) => e + v * (weights[r][k] - step * row[k]), 0) ** 2,
          0,
        ),
      0,
    );

  it('makes products far more exact than rounding each weight by itself', () => {
    const rounded = weights.map(() => new Int8Array(d));
    new Compensation(moment, d).round(weights, new Array(5).fill(step), 15, rounded);
    const plain = weights.map((row) =>
      Int8Array.from(row, (w) => Math.max(-15, Math.min(15, Math.round(w / step)))),
    );
    expect(error(rounded)).toBeLessThan(0.3 * error(plain));
    expect(Math.max(...rounded.flatMap((row) => [...row].map(Math.abs)))).toBeLessThanOrEqual(15);
  });

  it('rounds to nearest where inputs have nothing to do with each other', () => {
    const identity = new Float64Array(d * d).map((_, i) => (i % (d + 1) === 0 ? 100 : 0));
    const rounded = [new Int8Array(d)];
    new Compensation(identity, d).round(weights.slice(0, 1), [step], 15, rounded);
    expect(rounded[0]).toEqual(Int8Array.from(weights[0], (w) => Math.round(w / step)));
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
    expect(() => quantize(PRESETS.tiny, params, 'spoilt', rangesUpTo(PRESETS.tiny, 4))).toThrow(
      expect.objectContaining({ code: 'ERR_CHECKPOINT_INVALID' }),
    );
  });

  it('makes a valid model of parameters that are zero', () => {
    const params = new Map(
      parameters(PRESETS.tiny).map((p) => [p.name, new Float32Array(elements(p.shape))]),
    );
    const model = quantize(PRESETS.tiny, params, 'zero', rangesUpTo(PRESETS.tiny, 0));
    const frequencies = new Uint32Array(SYMBOLS);
    referenceEngine.open(model, 1).step(Uint8Array.of(65), frequencies);
    expect(Math.min(...frequencies)).toBeGreaterThan(0);
  });

  it.each(['layers.0.lstm.weight_hh', 'layers.1.norm_residual.weight', 'output.bias', 'layers.0.boom.bias'])(
    'refuses constants that do not fit instead of clipping them: %s',
    (name) => {
      const params = randomParameters(PRESETS.tiny, 5);
      params.get(name)?.fill(1e6);
      expect(() => quantize(PRESETS.tiny, params, 'large', rangesUpTo(PRESETS.tiny, 4))).toThrow(
        expect.objectContaining({
          code: 'ERR_CHECKPOINT_INVALID',
          message: expect.stringContaining('too large'),
        }),
      );
    },
  );

  it('keeps gains of 30 and more, which the format has room for', () => {
    const params = randomParameters(PRESETS.tiny, 6);
    (params.get('layers.1.norm_residual.weight') as Float32Array)[3] = 40;
    const { residual } = quantize(PRESETS.tiny, params, 'gain', rangesUpTo(PRESETS.tiny, 4)).layers[1];
    expect(residual.gain[3] / 2 ** residual.shift).toBeCloseTo(40, 2);
  });

  it.each([
    [6, 31],
    [7, 63],
    [8, 127],
  ] as const)('makes weights of %i bits: up to %i', (bits, limit) => {
    const params = randomParameters(PRESETS.tiny, 7);
    const model = quantize(PRESETS.tiny, params, 'bits', rangesUpTo(PRESETS.tiny, 4), { bits });
    const most = (w: Int8Array) => w.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    for (const { weight } of [model.layers[0].inputWeight, model.layers[1].boom, model.output])
      expect(most(weight)).toBe(limit);
  });
});
