/** @file The training kernels against the float64 reference: every gradient, every instruction set. */
import { describe, expect, it } from 'vitest';
import { type Architecture, elements, parameters } from '../../src/model/architecture.js';
import { forwardBackward, initialState } from '../../src/trainer/float-reference.js';
import type { Segment, TrainKernels } from '../../src/trainer/kernels.js';
import { nativeTraining, trainingIsas } from '../../src/trainer/native.js';
import { TrainingNetwork, tensorsOf } from '../../src/trainer/network.js';
import { wasmTraining } from '../../src/trainer/wasm.js';
import { randomSource } from '../helpers/random-model.js';

/**
 * Relative error of a gradient tensor: float32 sums; bfloat16 has 8 bits, and errors add up through the
 * layers.
 */
const FLOAT_TOLERANCE = 3e-5;
const BF16_TOLERANCE = 3e-2;

interface Case {
  arch: Architecture;
  batch: number;
  steps: number;
  threads: number;
  /** which sequences start cold, per segment */
  resets: number[][];
}

const CASES: Record<string, Case> = {
  'memory of two segments, resets, uneven shares': {
    arch: { width: 64, layers: 3, boom: 4, window: 192, attention: [0, 2] },
    ...{ batch: 3, steps: 64, threads: 2 },
    resets: [
      [1, 1, 1],
      [0, 1, 0],
      [0, 0, 0],
      [1, 0, 0],
    ],
  },
  'a window that is the segment, a width of two panels': {
    arch: { width: 128, layers: 2, boom: 1, window: 64, attention: [1] },
    ...{ batch: 1, steps: 64, threads: 1 },
    resets: [[1], [0]],
  },
  'no attention, three threads': {
    arch: { width: 64, layers: 1, boom: 2, window: 130, attention: [] },
    ...{ batch: 5, steps: 128, threads: 3 },
    resets: [
      [1, 1, 1, 1, 1],
      [0, 0, 0, 1, 0],
    ],
  },
};

/** Weights that make every part of the network matter, in the order of `parameters`. */
function randomWeights(arch: Architecture): Float32Array {
  const random = randomSource(7);
  const values = parameters(arch).flatMap(({ name, shape }) =>
    Array.from({ length: elements(shape) }, () => {
      const centre = name.includes('norm') && name.endsWith('weight') ? 1 : 0;
      return centre + (random() - 0.5) * (shape.length === 2 ? 0.4 : 0.6);
    }),
  );
  return Float32Array.from(values);
}

/** What the reference says of a case, segment by segment. */
function expected({ arch, batch, steps, resets }: Case) {
  const random = randomSource(8);
  const weights = randomWeights(arch);
  const params = tensorsOf(arch, weights);
  let state = initialState(arch, batch);
  const segments = resets.map((cold) => {
    const bytes = () => Uint8Array.from({ length: batch * steps }, () => 97 + Math.floor(random() * 20));
    const segment: Segment = { inputs: bytes(), targets: bytes(), resets: Uint8Array.from(cold) };
    const stepMajor = (x: Uint8Array) => x.map((_, i) => x[(i % batch) * steps + Math.floor(i / batch)]);
    const {
      loss,
      gradients,
      state: next,
    } = forwardBackward(
      arch,
      params,
      {
        B: batch,
        T: steps,
        inputs: stepMajor(segment.inputs),
        targets: stepMajor(segment.targets),
        resets: cold,
      },
      state,
      arch.window - steps,
    );
    state = next;
    return { segment, loss, gradients };
  });
  return { weights, segments };
}

const references = Object.entries(CASES).map(([name, run]) => ({ name, run, reference: expected(run) }));

const length = (x: Float32Array | Float64Array) => {
  let squares = 0;
  for (const v of x) squares += v * v;
  return Math.sqrt(squares);
};

/** Relative error of a vector. */
const errorOf = (ours: Float32Array, theirs: Float64Array) =>
  length(theirs.map((x, i) => x - ours[i])) / length(theirs);

/** A matrix [d][d] of norm 1 after five steps of the Newton-Schulz iteration of Muon. */
function orthogonal(matrix: Float64Array, d: number): Float64Array {
  const product = (a: Float64Array, b: (row: number, column: number) => number) =>
    a.map((_, i) => {
      let sum = 0;
      for (let k = 0; k < d; k++) sum += a[i - (i % d) + k] * b(k, i % d);
      return sum;
    });
  let x = matrix.map((v) => v / length(matrix));
  for (let step = 0; step < 5; step++) {
    const square = product(x, (k, column) => x[column * d + k]);
    const fourth = product(square, (k, column) => square[k * d + column]);
    const polynomial = square.map((v, i) => -4.775 * v + 2.0315 * fourth[i]);
    const cubic = product(polynomial, (k, column) => x[k * d + column]);
    x = x.map((v, i) => 3.4445 * v + cubic[i]);
  }
  return x;
}

const same = (a: Float32Array, b: Float32Array) => a.every((x, i) => Object.is(x, b[i]));

const GRADIENT_ONLY = {
  rate: -1,
  beta1: 0.9,
  beta2: 0.99,
  epsilon: 0,
  decay: 0,
  clip: 0,
  ema: 0,
  momentum: 0,
  time: 1,
};

interface Candidate {
  label: string;
  kernels: TrainKernels;
  bf16: boolean;
}

function natives(): Candidate[] {
  let isas: string[];
  try {
    isas = trainingIsas();
  } catch {
    return [];
  }
  const float = isas.map((isa) => ({ label: isa, kernels: nativeTraining(isa), bf16: false }));
  const bf16 = isas
    .filter((isa) => isa.endsWith('bf16'))
    .map((isa) => ({ label: `${isa}, bfloat16 products`, kernels: nativeTraining(isa), bf16: true }));
  return [...float, ...bf16];
}

const candidates = [...natives(), { label: 'wasm', kernels: await wasmTraining(), bf16: false }];

describe.each(candidates)('$label', ({ label, kernels, bf16 }) => {
  const open = ({ arch, batch, steps, threads }: Case) =>
    new TrainingNetwork(arch, { batch, steps, threads, bf16 }, kernels);

  it.each(references)('has the gradients of the reference: $name', ({ run, reference }) => {
    const network = open(run);
    expect(network.detail).toContain(bf16 ? 'bfloat16' : 'float32');
    network.weights.set(reference.weights);
    const tolerance = bf16 ? BF16_TOLERANCE : FLOAT_TOLERANCE;
    for (const { segment, loss, gradients } of reference.segments) {
      const result = network.step(segment, GRADIENT_ONLY);
      expect(Math.abs(result.loss / loss - 1)).toBeLessThan(tolerance);
      for (const [name, gradient] of tensorsOf(run.arch, network.gradient)) {
        const theirs = gradients.get(name) as Float64Array;
        expect(length(theirs), name).toBeGreaterThan(0);
        expect(errorOf(gradient, theirs), name).toBeLessThan(tolerance);
      }
      expect(result.norm).toBeCloseTo(length(network.gradient), 5);
    }
    expect(same(network.weights, reference.weights)).toBe(true);
  });

  it('measures the same loss without training, whatever was trained meanwhile', () => {
    const { run, reference } = references[0];
    const network = open(run);
    network.ema.set(reference.weights);
    network.weights.set(reference.weights.map((x) => x / 2));
    for (const { segment, loss } of reference.segments) {
      const nats = network.evaluate(segment, true, true).reduce((a, b) => a + b, 0);
      expect(Math.abs(nats / run.batch / run.steps / loss - 1)).toBeLessThan(bf16 ? 1e-2 : 1e-5);
      network.step({ ...segment, resets: segment.resets.map((x) => 1 - x) }, GRADIENT_ONLY);
    }
  });

  it('updates as AdamW says', () => {
    const { run, reference } = references[2];
    const network = open(run);
    network.weights.set(reference.weights);
    network.ema.set(reference.weights);
    const options = {
      rate: 0.01,
      beta1: 0.8,
      beta2: 0.95,
      epsilon: 1e-6,
      decay: 0.3,
      clip: 0.05,
      ema: 0.9,
      momentum: 0,
    };
    const { rate, beta1, beta2 } = options;
    let { weights, ema, m, v } = {
      weights: Float64Array.from(network.weights),
      ema: Float64Array.from(network.ema),
      m: new Float64Array(network.m.length),
      v: new Float64Array(network.v.length),
    };
    const matrix = parameters(run.arch).flatMap(({ shape }) =>
      new Array<boolean>(elements(shape)).fill(shape.length === 2),
    );
    reference.segments.forEach(({ segment }, n) => {
      const { norm } = network.step(segment, { ...options, time: n + 1 });
      expect(norm).toBeGreaterThan(options.clip);
      const g = Float64Array.from(network.gradient, (x) => (x * options.clip) / norm);
      m = m.map((x, i) => beta1 * x + (1 - beta1) * g[i]);
      v = v.map((x, i) => beta2 * x + (1 - beta2) * g[i] ** 2);
      weights = weights.map((w, i) => {
        const first = m[i] / (1 - beta1 ** (n + 1));
        const second = v[i] / (1 - beta2 ** (n + 1));
        const kept = matrix[i] ? w * (1 - rate * options.decay) : w;
        return kept - (rate * first) / (Math.sqrt(second) + options.epsilon);
      });
      ema = ema.map((x, i) => options.ema * x + (1 - options.ema) * weights[i]);
    });
    const largest = (x: Float64Array) => x.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const difference = (a: Float32Array, b: Float64Array) => largest(b.map((x, i) => x - a[i]));
    expect(difference(network.weights, weights)).toBeLessThan(1e-5);
    expect(difference(network.ema, ema)).toBeLessThan(1e-5);
    expect(difference(network.m, m)).toBeLessThan(1e-5 * largest(m));
    expect(difference(network.v, v)).toBeLessThan(1e-5 * largest(v));
  });

  it('steps the matrices of layers as Muon says, all else as AdamW', () => {
    const { run, reference } = references[2];
    const options = { ...GRADIENT_ONLY, rate: 0.01, epsilon: 1e-6, decay: 0.3, momentum: 0.8 };
    const stepped = (momentum: number) => {
      const network = open(run);
      network.weights.set(reference.weights);
      network.step(reference.segments[0].segment, { ...options, momentum });
      return { moved: tensorsOf(run.arch, network.weights), gradient: tensorsOf(run.arch, network.gradient) };
    };
    const { moved, gradient } = stepped(options.momentum);
    const adamw = stepped(0).moved;
    const before = tensorsOf(run.arch, reference.weights as Float32Array);
    const d = run.arch.width;
    for (const { name, shape } of parameters(run.arch)) {
      const weights = moved.get(name) as Float32Array;
      if (!/^layers\.\d\.(lstm|boom|attention\.query)\.weight/.test(name)) {
        expect(same(weights, adamw.get(name) as Float32Array), name).toBe(true);
        continue;
      }
      for (let at = 0; at < elements(shape); at += d * d) {
        const part = (x: Float32Array) => Float64Array.from(x.subarray(at, at + d * d));
        const slope = orthogonal(part(gradient.get(name) as Float32Array), d);
        const old = part(before.get(name) as Float32Array);
        const step = slope.map((x) => x * options.rate * 0.2 * Math.sqrt(d));
        const found = part(weights).map((x, i) => old[i] * (1 - options.rate * options.decay) - x);
        expect(errorOf(Float32Array.from(found), step), name).toBeLessThan(bf16 ? 0.05 : 1e-3);
      }
    }
  });

  it('leaves the weights alone when a gradient is no number', () => {
    const { run, reference } = references[1];
    const network = open(run);
    for (const { name } of parameters(run.arch).filter((p) => /norm_\w+\.weight$/.test(p.name))) {
      network.weights.set(reference.weights);
      const tensor = tensorsOf(run.arch, network.weights).get(name) as Float32Array;
      tensor.fill(3e38); // products overflow
      const before = network.weights.slice();
      const { loss, norm } = network.step(reference.segments[0].segment, { ...GRADIENT_ONLY, rate: 1 });
      expect(Number.isFinite(loss) && norm < 1e30, name).toBe(false);
      expect(same(network.weights, before), name).toBe(true);
    }
  });

  it.skipIf(label === 'wasm')('gives the same gradient whatever the number of threads', () => {
    const { run, reference } = references[2];
    const gradients = [1, 2, 4, 5, 9].map((threads) => {
      const network = open({ ...run, threads });
      network.weights.set(reference.weights);
      for (const { segment } of reference.segments) network.step(segment, GRADIENT_ONLY);
      return network.gradient;
    });
    for (const gradient of gradients.slice(1))
      expect(errorOf(gradient, Float64Array.from(gradients[0]))).toBeLessThan(bf16 ? 1e-2 : 1e-5);
  });
});

describe('a training network', () => {
  const arch: Architecture = { width: 64, layers: 1, boom: 1, window: 128, attention: [0] };
  const good = { batch: 2, steps: 64, threads: 1, bf16: false };

  it.each([
    [{ batch: 0 }, 'batch'],
    [{ batch: 1.5 }, 'batch'],
    [{ batch: 4097 }, 'batch'],
    [{ steps: 0 }, 'segment'],
    [{ steps: 65 }, 'segment'],
    [{ steps: 192 }, 'segment'],
    [{ threads: 0 }, 'threads'],
    [{ threads: Number.NaN }, 'threads'],
  ])('refuses %o', async (options, word) => {
    const opening = TrainingNetwork.open(arch, { ...good, ...options });
    await expect(opening).rejects.toMatchObject({
      code: 'ERR_OPTIONS',
      message: expect.stringContaining(word),
    });
  });

  it('refuses impossible and too large shapes', async () => {
    const open = (shape: Partial<Architecture>, options = {}) =>
      TrainingNetwork.open({ ...arch, ...shape }, { ...good, ...options });
    await expect(open({ width: 65 })).rejects.toMatchObject({ code: 'ERR_MODEL_INVALID' });
    await expect(open({ window: 129 })).rejects.toMatchObject({ code: 'ERR_OPTIONS' });
    await expect(
      open({ width: 1024, layers: 16, boom: 8, window: 8192 }, { batch: 4096, steps: 8192 }),
    ).rejects.toMatchObject({ code: 'ERR_MEMORY_LIMIT' });
  });

  it('refuses an instruction set that is none', () => {
    if (natives().length === 0) return;
    expect(() => nativeTraining('mmx')).toThrow(expect.objectContaining({ code: 'ERR_OPTIONS' }));
  });
});
