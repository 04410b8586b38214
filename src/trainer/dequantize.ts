/**
 * @file The float network of an integer model: to train on from a `.sharnn` file, without the checkpoint it
 * was made of.
 *
 * What `quantize.ts` folded stays folded where a norm's gain of 1 says the same. Two foldings have to be
 * undone, since the float network uses a parameter twice: the embedding is the first layer's input and the
 * softmax's matrix, and a position of the memory is key and value. The gates' openness and the scale of what
 * is only normalized cannot be known from the integer model; they are chosen such that the gates are neither
 * shut nor fully open.
 */
import { type Architecture, elements, parameters, SYMBOLS } from '../model/architecture.js';
import type { Affine, IntegerAttention, IntegerMatrix, IntegerModel } from '../model/sharnn.js';
import { BOOM_UNIT, gainUnit, gateUnit, LOGIT_UNIT, Q10, STATE_UNIT, stepsOf } from './units.js';

/** Bounds of a gate's openness. */
const SHUT = 0.02;
const OPEN = 0.98;
/** Least magnitude of a gain that something is divided by. */
const LEAST_GAIN = 1 / 64;
/** Rounds of alternating least squares; the errors no longer change after some. */
const ROUNDS = 30;

const logit = (p: number) => Math.log(p / (1 - p));

/**
 * W[r][k] of a matrix whose rescaled product counts `unit(r)` to 1, for an input of which one unit of the
 * int8 is step[k].
 */
function weights(m: IntegerMatrix, step: Float64Array, unit: (row: number) => number): Float64Array {
  const d = step.length;
  return Float64Array.from(m.weight, (w, i) => {
    const r = Math.floor(i / d);
    return (w * m.multiplier[r]) / (2 ** m.shift * unit(r) * step[i % d]);
  });
}

/** Gain and bias of an input with `inputBits` fractional bits and a result in Q.10. */
function affine(m: Affine, inputBits: number): { gain: Float64Array; bias: Float64Array } {
  const unit = gainUnit(m.shift, inputBits);
  return {
    gain: Float64Array.from(m.gain, (g) => g / unit),
    bias: Float64Array.from(m.bias, (b) => b / Q10),
  };
}

/** The parameters of a network that computes what the model does, but for its rounding. */
export function dequantize(model: IntegerModel): { arch: Architecture; values: Map<string, Float32Array> } {
  const { width, layers, boom, window, attention } = model.architecture;
  const arch: Architecture = { width, layers, boom, window, attention: [...attention] };
  const shapes = new Map(parameters(arch).map(({ name, shape }) => [name, elements(shape)]));
  const values = new Map<string, Float32Array>();
  const put = (name: string, numbers: ArrayLike<number>) => {
    if (shapes.get(name) !== numbers.length) throw new TypeError(`${name} has ${numbers.length} values`);
    values.set(name, Float32Array.from(numbers));
  };
  const norm = (name: string, gain?: ArrayLike<number>, bias?: ArrayLike<number>) => {
    put(`${name}.weight`, gain ?? new Float32Array(width).fill(1));
    put(`${name}.bias`, bias ?? new Float32Array(width));
  };
  const gates = gateUnit(width);

  const inputStep = stepsOf(model.inputScale);
  const tied = untie(
    Float64Array.from(model.input, (n, i) => n * inputStep[i % width]),
    weights(model.output, stepsOf(model.outputScale), () => LOGIT_UNIT),
    width,
  );
  put('embedding.weight', tied.embedding);
  norm('norm_final', tied.gain);
  put(
    'output.bias',
    Float64Array.from(model.outputBias, (b) => b / LOGIT_UNIT),
  );

  for (const [l, layer] of model.layers.entries()) {
    const p = `layers.${l}`;
    norm(`${p}.norm_start`);
    put(
      `${p}.lstm.weight_ih`,
      weights(layer.inputWeight, l === 0 ? inputStep : stepsOf(layer.startScale), gates),
    );
    put(
      `${p}.lstm.weight_hh`,
      weights(layer.stateWeight, new Float64Array(width).fill(1 / STATE_UNIT), gates),
    );
    put(
      `${p}.lstm.bias`,
      Float64Array.from(layer.gateBias, (b, r) => b / gates(r)),
    );
    if (layer.attention) {
      const a = attentionOf(layer.attention, width);
      norm(`${p}.norm_memory`, a.memory.gain, a.memory.bias);
      norm(`${p}.norm_mid`, a.mid.gain, a.mid.bias);
      norm(`${p}.attention.norm_query`, a.query.gain, a.query.bias);
      put(`${p}.attention.query.weight`, a.query.weight);
      put(`${p}.attention.query.bias`, a.query.linearBias);
      put(`${p}.attention.gate_query`, new Float32Array(width));
      put(`${p}.attention.gate_key`, new Float32Array(width));
      put(`${p}.attention.gate_value`, a.gateValue);
    }
    const residual = affine(layer.residual, 10);
    norm(`${p}.norm_residual`, residual.gain, residual.bias);
    norm(`${p}.norm_boom`);
    put(
      `${p}.boom.weight`,
      weights(layer.boom, stepsOf(layer.boomScale), () => BOOM_UNIT),
    );
    put(
      `${p}.boom.bias`,
      Float64Array.from(layer.boomBias, (b) => b / BOOM_UNIT),
    );
  }
  return { arch, values };
}

/**
 * The embedding E and the final norm's gain g, of E's normalized rows and of E diag(g).
 *
 * With row s of E = deviation(s) · normal(s) + mean(s), every entry gives g(k) · E(s,k) = folded(s,k): linear
 * in g for given rows and in a row's deviation and mean for a given g. Alternating least squares solve it up
 * to a common factor, which g takes up so that the rows have unit deviation on average.
 */
function untie(normal: Float64Array, folded: Float64Array, d: number) {
  const deviation = new Float64Array(SYMBOLS).fill(1);
  const mean = new Float64Array(SYMBOLS);
  const gain = new Float64Array(d);
  const row = (s: number, k: number) => deviation[s] * normal[s * d + k] + mean[s];
  for (let round = 0; round < ROUNDS; round++) {
    for (let k = 0; k < d; k++) {
      let along = 0;
      let power = 1e-12;
      for (let s = 0; s < SYMBOLS; s++) {
        along += row(s, k) * folded[s * d + k];
        power += row(s, k) ** 2;
      }
      gain[k] = along / power;
    }
    for (let s = 0; s < SYMBOLS; s++) {
      // two unknowns: normal equations of folded = deviation · (g n) + mean · g
      let [nn, n1, one, fn, f1] = [1e-12, 0, 1e-12, 0, 0];
      for (let k = 0; k < d; k++) {
        const n = gain[k] * normal[s * d + k];
        const f = folded[s * d + k];
        nn += n * n;
        n1 += n * gain[k];
        one += gain[k] * gain[k];
        fn += f * n;
        f1 += f * gain[k];
      }
      const determinant = nn * one - n1 * n1;
      deviation[s] = (fn * one - f1 * n1) / determinant;
      mean[s] = (nn * f1 - n1 * fn) / determinant;
    }
  }
  // E as initialize() makes it has rows of deviation 0.5 / sqrt(d)
  const rows = Math.sqrt(deviation.reduce((sum, x) => sum + x * x, 0) / SYMBOLS);
  const scale = 0.5 / Math.sqrt(d) / Math.max(rows, 1e-12);
  return {
    embedding: Float64Array.from(normal, (_, i) => scale * row(Math.floor(i / d), i % d)),
    gain: gain.map((g) => g / scale),
  };
}

/** With gates of query and key half open; the value's takes what the memory's gain leaves. */
function attentionOf(a: IntegerAttention, d: number) {
  const step = stepsOf(a.memoryScale);
  const value = affine(a.value, 8);
  const mid = affine(a.mid, 10);
  // one unit of the folded query, see quantizeAttention
  const unit = ((a.score.multiplier / 2 ** a.score.shift) * Math.sqrt(d)) / LOGIT_UNIT;
  // of values of the memory instead of its int8
  const asValue = value.gain.map((g, k) => g / step[k]);
  const fold = (Q10 * unit) / 2 ** a.queryFold.shift;
  const asKey = Float64Array.from(a.queryFold.gain, (g, k) => (g * fold) / step[k]);
  const asKeyBias = Float64Array.from(
    a.queryFold.bias,
    (b, k) => (b * unit) / 2 ** a.queryFold.shift / step[k],
  );
  // a memory gain as large as the key's and the value's can share
  const gain = asValue.map((v, k) => {
    const size = Math.max(2 * Math.abs(v), Math.sqrt(4 * Math.abs(asKey[k])), LEAST_GAIN);
    return v < 0 ? -size : size;
  });
  const open = asValue.map((v, k) => Math.min(OPEN, Math.max(SHUT, v / gain[k])));
  // only a norm reads the query: its scale is that of initial weights
  const query = weights(a.query, step, () => 1);
  const size = Math.sqrt(query.reduce((sum, w) => sum + w * w, 0) / query.length);
  const scale = 1 / Math.sqrt(d) / Math.max(size, 1e-12);
  const divisor = mid.gain.map((g) => (Math.abs(g) < LEAST_GAIN ? Math.sign(g || 1) * LEAST_GAIN : g));
  const weight = query.map((w, i) => (scale * w) / divisor[i % d]);
  const linearBias = Float64Array.from(a.queryBias, (b, r) => {
    let sum = scale * b;
    for (let k = 0; k < d; k++) sum -= weight[r * d + k] * mid.bias[k];
    return sum;
  });
  return {
    memory: { gain, bias: value.bias.map((b, k) => b / open[k]) },
    mid,
    query: {
      weight,
      linearBias,
      gain: asKey.map((x, k) => (4 * x) / gain[k]),
      bias: asKeyBias.map((x, k) => (4 * x) / gain[k]),
    },
    gateValue: open.map(logit),
  };
}
