/**
 * The PyTorch program (training/torch) against this project's own code. The fixtures are its output
 * (training/torch/parity.py); reading them needs no PyTorch. Where a Python with PyTorch is installed its own
 * tests run too.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { referenceEngine } from '../../src/engines/reference/engine.js';
import {
  type Architecture,
  elements,
  PRESETS,
  type PresetName,
  parameters,
  SYMBOLS,
} from '../../src/model/architecture.js';
import { forward, forwardBackward, initialState } from '../../src/trainer/float-reference.js';
import { TrainingNetwork, tensorsOf } from '../../src/trainer/network.js';
import { quantize } from '../../src/trainer/quantize.js';
import { parseSafetensors } from '../../src/trainer/safetensors.js';
import { divergence, normal } from '../helpers/divergence.js';
import { rangesUpTo } from '../helpers/ranges.js';

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const fixture = (name: string) => path(`fixtures/torch/${name}`);

function readTensors(name: string) {
  const { tensors, metadata } = parseSafetensors(readFileSync(fixture(name)));
  const data = new Map([...tensors].map(([key, tensor]) => [key, tensor.data]));
  return { tensors: data, metadata };
}

/** Parameters in the order of their names. */
const sorted = (arch: Architecture) => parameters(arch).sort((a, b) => (a.name < b.name ? -1 : 1));

const largest = (x: ArrayLike<number>) => Array.from(x).reduce((a, v) => Math.max(a, Math.abs(v)), 0);
const difference = (a: ArrayLike<number>, b: ArrayLike<number>) => largest(Array.from(a, (v, k) => v - b[k]));

describe('PyTorch fixtures', () => {
  it.each(Object.keys(PRESETS) as PresetName[])('%s has the same parameters', (preset) => {
    const theirs = JSON.parse(readFileSync(fixture('parameters.json'), 'utf8'))[preset];
    expect(theirs).toEqual(sorted(PRESETS[preset]).map((p) => [p.name, p.shape]));
  });

  describe('logits, loss and gradients of a small network', () => {
    const { tensors, metadata } = readTensors('gradients.safetensors');
    const arch: Architecture = JSON.parse(metadata.architecture);
    const bytes = (name: string) => tensors.get(name) as Uint8Array;
    const floats = (name: string) => tensors.get(name) as Float32Array;
    const B = bytes('resets').length;
    const T = bytes('inputs').length / B;
    const carry = Number(metadata.carry);
    const params = new Map(parameters(arch).map((p) => [p.name, floats(`parameters/${p.name}`)]));
    const first = { B, T, inputs: bytes('first/inputs'), targets: bytes('first/targets') };
    const { state } = forward(arch, params, first, initialState(arch, B), carry);
    const segment = { B, T, inputs: bytes('inputs'), targets: bytes('targets'), resets: bytes('resets') };
    const ours = forwardBackward(arch, params, segment, state, carry);

    it('agree on logits and loss within float32', () => {
      expect(difference(ours.logits, floats('logits'))).toBeLessThan(1e-5);
      expect(ours.loss).toBeCloseTo(floats('loss')[0], 5);
    });

    // float32 sums of some hundred terms: errors of a few 1e-7 of the largest gradient.
    it.each(parameters(arch).map((p) => p.name))('agree on the gradient of %s', (name) => {
      const theirs = floats(`gradients/${name}`);
      expect(largest(theirs)).toBeGreaterThan(0);
      expect(difference(ours.gradients.get(name) as Float64Array, theirs)).toBeLessThan(
        1e-5 * largest(theirs) + 1e-8,
      );
    });
  });

  it.each([
    ['AdamW', 'training', 0],
    ['Muon', 'training-muon', 0.95],
  ])('the C++ trainer follows the same run of %s, step by step', (_, run, momentum) => {
    const { tensors, metadata } = readTensors(`${run}.safetensors`);
    const arch: Architecture = JSON.parse(metadata.architecture);
    const { T, B, steps, lr, decay, clip } = JSON.parse(metadata.options);
    const text = tensors.get('text') as Uint8Array;
    const losses = tensors.get('losses') as Float32Array;
    const products = tensors.get('products') as Float32Array;
    const network = new TrainingNetwork(arch, { batch: B, steps: T, threads: 2, bf16: false });
    for (const [name, value] of tensorsOf(arch, network.weights))
      value.set(formulaParameters(arch).get(name) as Float32Array);
    for (let n = 0; n < steps; n++) {
      const bytes = (from: number) =>
        Uint8Array.from({ length: B * T }, (_, i) => text[(n * T + (i % T) + from) * B + Math.floor(i / T)]);
      const resets = (tensors.get('resets') as Uint8Array).slice(n * B, (n + 1) * B);
      const { loss } = network.step(
        { inputs: bytes(0), targets: bytes(1), resets },
        { rate: lr, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay, clip, ema: 0, momentum, time: n + 1 },
      );
      expect(Math.abs(loss - losses[n])).toBeLessThan(1e-4 * losses[n]);
    }
    expect(losses[steps - 1]).toBeLessThan(0.8 * losses[0]);
    // The norm of every gradient and its products with two directions. Errors have grown over ten steps.
    const gradients = tensorsOf(arch, network.gradient);
    sorted(arch).forEach(({ name }, p) => {
      const gradient = gradients.get(name) as Float32Array;
      const [norm, ...expected] = products.subarray(3 * p, 3 * p + 3);
      expect(Math.abs(Math.hypot(...gradient) - norm)).toBeLessThan(1e-2 * norm);
      [400, 401].forEach((seed, i) => {
        const product = gradient.reduce((sum, g, k) => sum + g * uniform(seed, k), 0);
        expect(Math.abs(product - expected[i])).toBeLessThan(1e-2 * norm);
      });
    });
  });

  describe('a network rounded as the integer network rounds', () => {
    const { tensors, metadata } = readTensors('rounding.safetensors');
    const arch: Architecture = JSON.parse(metadata.architecture);
    const inputs = tensors.get('inputs') as Uint8Array;
    const B = Number(metadata.streams);
    const T = inputs.length / B;
    const params = formulaParameters(arch);
    const frequencies = new Uint32Array(T * B * SYMBOLS);
    const model = quantize(arch, params, 'formula', rangesUpTo(arch, 16));
    referenceEngine.open(model, B).run(inputs, T, frequencies);
    const exact = forward(arch, params, { B, T, inputs, targets: inputs }, initialState(arch, B)).logits;

    /**
     * Of every stream: divergence, bits per byte, of the integer network from the distribution of some
     * logits.
     */
    const divergences = (logits: ArrayLike<number>, t: number) =>
      Array.from({ length: B }, (_, b) => {
        const at = (t * B + b) * SYMBOLS;
        const p = Array.from({ length: SYMBOLS }, (_, k) => Math.exp(logits[at + k]));
        return divergence(normal(p), normal(frequencies.subarray(at, at + SYMBOLS)));
      });

    // A number that falls on the other side of a rounding boundary makes the two differ, and this happens in
    // most streams. Where it does not happen they are equal, which they never are if any rounding that
    // matters is left out.
    it.each([0, 1])('computes what the integer network does, unlike the float network: step %i', (t) => {
      const equal = (bits: number) => bits < 1e-5;
      const float = divergences(exact, t);
      expect(Math.max(...float)).toBeLessThan(0.05); // the parameters are those that the program used
      expect(float.filter(equal)).toHaveLength(0);
      expect(
        divergences(tensors.get('logits') as Float32Array, t).filter(equal).length,
      ).toBeGreaterThanOrEqual(4);
    });
  });
});

/** `uniform` in training/torch/parity.py: a number in [-1, 1). */
function uniform(seed: number, i: number): number {
  let x = (i + seed * 1000003) >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return ((x ^ (x >>> 16)) >>> 0) / 2 ** 31 - 1;
}

/** The parameters of `formula_parameters` in training/torch/parity.py. */
function formulaParameters(arch: Architecture): Map<string, Float32Array> {
  return new Map(
    sorted(arch).map(({ name, shape }, seed) => {
      const value = (u: number) => {
        if (name.includes('norm') && name.endsWith('weight')) return 1 + 0.3 * u;
        if (name === 'embedding.weight') return 0.35 * u;
        return shape.length === 2 ? u * (1.7 / shape[1] ** 0.5) : 0.4 * u;
      };
      return [name, Float32Array.from({ length: elements(shape) }, (_, i) => value(uniform(seed, i)))];
    }),
  );
}

/** A Python with PyTorch, if there is one. */
const python = [process.env.SHACOMP_PYTHON, 'python3', '/usr/bin/python3'].find(
  (command) => command && spawnSync(command, ['-c', 'import torch']).status === 0,
);

describe.skipIf(!python)('PyTorch program', () => {
  it('passes its own tests', () => {
    const { status, stderr } = spawnSync(python as string, ['-m', 'unittest', '-q'], {
      cwd: path('training/torch'),
      encoding: 'utf8',
    });
    expect(stderr).toContain('OK');
    expect(status).toBe(0);
  }, 300_000);
});
