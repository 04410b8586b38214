#!/usr/bin/env node
/**
 * @file What each rounding of the integer network costs (docs/model.md, section 3.3): the float network with
 * any of them switched on.
 *
 *     node scripts/rounding-cost.mjs CHECKPOINT.safetensors FILE... [--length 2048] [--calibrate FILE]...
 *
 * Prints the divergence of the rounded network from the float one (Kullback and Leibler, bits per byte) in
 * percent of what the text costs: the loss to expect on text that the float network judges rightly. It is far
 * steadier than the difference of two costs. Every file gives one stream of --length bytes from its middle.
 * Needs a build. Slow: plain JavaScript, many networks side by side.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { readCheckpoint } from '../dist/trainer/checkpoint.js';
import { quantize } from '../dist/trainer/quantize.js';
import { activationRanges } from '../dist/trainer/ranges.js';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    length: { type: 'string', default: '2048' },
    calibrate: { type: 'string', multiple: true },
    only: { type: 'string' },
  },
});
const [checkpoint, ...files] = positionals;
const length = Number(options.length);

/** Roundings that can be switched on, by what they round. */
const ROUNDINGS = [
  ['weights8', 'weights, 8 bits'],
  ['weights7', 'weights, 7 bits'],
  ['weights6', 'weights, 6 bits'],
  ['table', "first layer's input"],
  ['start', "LSTM's input in later layers"],
  ['hidden', 'recurrent state'],
  ['memory', 'attention memory'],
  ['boom', "boom layer's input"],
  ['output', "softmax layer's input"],
  ['query', 'query'],
  ['shares', 'attention weights'],
  ['gates', 'gates, cell and their functions'],
  ['sums', 'int16 sums: attention, boom, residual; gains'],
];
/** Of the integer network with weights of some bits. */
const all = (bits) =>
  ROUNDINGS.map(([id]) => id).filter((id) => !id.startsWith('weights') || id === `weights${bits}`);

const { exp, tanh, round, sqrt, max, min, abs } = Math;
const sigmoid = (x) => 1 / (1 + exp(-x));
const fixed = (x, unit, limit) => max(-limit, min(limit, round(x * unit))) / unit;
const fixed16 = (x, unit) => fixed(x, unit, 32767);

function normalize(x) {
  const d = x.length;
  const mean = x.reduce((a, b) => a + b) / d;
  const deviation = sqrt(x.reduce((a, b) => a + (b - mean) ** 2, 0) / d + 1e-12);
  return x.map((v) => (v - mean) / deviation);
}

/** out[b][row] = bias[row] + W x[b]; four vectors at a time. */
function product(W, bias, X) {
  const d = X[0].length;
  const out = X.map(() => new Float64Array(bias.length));
  for (let b = 0; b < X.length; b += 4) {
    const [i0, i1, i2, i3] = [0, 1, 2, 3].map((i) => min(b + i, X.length - 1));
    const [x0, x1, x2, x3] = [X[i0], X[i1], X[i2], X[i3]];
    const [o0, o1, o2, o3] = [out[i0], out[i1], out[i2], out[i3]];
    for (let r = 0, at = 0; r < bias.length; r++) {
      let s0 = bias[r];
      let s1 = s0;
      let s2 = s0;
      let s3 = s0;
      for (let k = 0; k < d; k++, at++) {
        const w = W[at];
        s0 += w * x0[k];
        s1 += w * x1[k];
        s2 += w * x2[k];
        s3 += w * x3[k];
      }
      o0[r] = s0;
      o1[r] = s1;
      o2[r] = s2;
      o3[r] = s3;
    }
  }
  return out;
}

function dot(a, b) {
  let sum = 0;
  for (let k = 0; k < a.length; k++) sum += a[k] * b[k];
  return sum;
}

/** Float constants, and the same of an integer model in the units of the float network. */
function constants(arch, values, models) {
  const d = arch.width;
  const folded = (weight, bias, norm) => {
    const [w, gain, shift] = [values.get(weight), values.get(`${norm}.weight`), values.get(`${norm}.bias`)];
    return {
      float: Float64Array.from(w, (x, i) => x * gain[i % d]),
      bias: values.get(bias).map((b, r) => b + gain.reduce((s, _, k) => s + w[r * d + k] * shift[k], 0)),
    };
  };
  const steps = (scale) => Float64Array.from(scale, (s) => 32 / s);
  /** as many fractional bits as an int16 leaves the largest */
  const gain = (g) => {
    const unit = 2 ** Math.floor(Math.log2(32767 / max(...g.map(abs), 1e-9)));
    return { float: g, rounded: g.map((x) => fixed16(x, unit)) };
  };
  /** the weights of the integer models, by bits */
  const matrix = (w, pick, step, unit) => {
    for (const [bits, model] of models) {
      const { weight, multiplier, shift } = pick(model);
      w[bits] = Float64Array.from(weight, (x, i) => {
        const row = Math.floor(i / d);
        return (x * multiplier[row]) / 2 ** shift / unit(row) / step[i % d];
      });
    }
    return { ...w, step };
  };
  const layers = Array.from({ length: arch.layers }, (_, l) => {
    const p = `layers.${l}`;
    const get = (name) => values.get(`${p}.${name}`);
    const start = folded(`${p}.lstm.weight_ih`, `${p}.lstm.bias`, `${p}.norm_start`);
    const boom = folded(`${p}.boom.weight`, `${p}.boom.bias`, `${p}.norm_boom`);
    const gate = (row) => (Math.floor(row / d) === 2 ? 4096 : 2048);
    const [model] = models.values();
    const from = model.layers[l];
    let startStep = steps(from.startScale);
    if (l === 0) {
      const n = inputs(values.get('embedding.weight'), d);
      startStep = Float64Array.from({ length: d }, (_, k) => max(...n.map((x) => abs(x[k]))) / 127);
    }
    const query =
      from.attention && folded(`${p}.attention.query.weight`, `${p}.attention.query.bias`, `${p}.norm_mid`);
    // the unit of the query is the model's choice, its bias tells it
    const perQuery = query && queryUnit(from.attention, query.bias);
    const attention = from.attention && {
      ...matrix(
        query,
        (m) => m.layers[l].attention.query,
        steps(from.attention.memoryScale),
        () => perQuery,
      ),
      norm: [get('attention.norm_query.weight'), get('attention.norm_query.bias')],
      key: get('norm_memory.weight').map(
        (g, i) => g * sigmoid(get('attention.gate_query')[i]) * sigmoid(get('attention.gate_key')[i]),
      ),
      mid: gain(get('norm_mid.weight')),
      midBias: get('norm_mid.bias'),
      value: gain(get('norm_memory.weight').map((g, i) => g * sigmoid(get('attention.gate_value')[i]))),
      valueBias: get('norm_memory.bias').map((b, i) => b * sigmoid(get('attention.gate_value')[i])),
      unit: 2 ** (10 - from.attention.outputShift),
    };
    return {
      start: matrix(start, (m) => m.layers[l].inputWeight, startStep, gate),
      hidden: matrix(
        { float: Float64Array.from(get('lstm.weight_hh')), bias: new Float64Array(4 * d) },
        (m) => m.layers[l].stateWeight,
        new Float64Array(d).fill(1 / 128),
        gate,
      ),
      attention,
      boom: matrix(
        boom,
        (m) => m.layers[l].boom,
        steps(from.boomScale),
        () => 256,
      ),
      residual: gain(get('norm_residual.weight')),
      residualBias: get('norm_residual.bias'),
      unit: 2 ** (10 - from.outputShift),
    };
  });
  const [model] = models.values();
  const embedding = values.get('embedding.weight');
  const output = matrix(
    { float: Float64Array.from(embedding, (x, i) => x * values.get('norm_final.weight')[i % d]) },
    (m) => m.output,
    steps(model.outputScale),
    () => Math.LOG2E * 4096,
  );
  const shift = values.get('norm_final.bias');
  output.bias = values
    .get('output.bias')
    .map((b, r) => b + shift.reduce((s, x, k) => s + embedding[r * d + k] * x, 0));
  return { layers, output, inputs: inputs(embedding, d) };
}

const inputs = (embedding, d) =>
  Array.from({ length: 256 }, (_, s) => normalize(Float64Array.from(embedding.subarray(s * d, (s + 1) * d))));

function queryUnit({ queryBias }, bias) {
  const most = bias.reduce((a, b, i) => (abs(b) > abs(bias[a]) ? i : a), 0);
  return 2 ** round(Math.log2(queryBias[most] / bias[most]));
}

/** The network of docs/model.md, section 1, over some streams, with the roundings of `on`. */
class Simulation {
  constructor(arch, parts, on, streams) {
    Object.assign(this, { arch, parts, on: new Set(on) });
    this.bits = ['weights8', 'weights7', 'weights6'].find((id) => this.on.has(id)) ?? 'float';
    const zero = () => Array.from({ length: streams }, () => new Float64Array(arch.width));
    this.states = parts.layers.map(() => ({ h: zero(), c: zero(), memory: zero().map(() => []) }));
  }

  /** int8 of a normalized vector, each channel in its own step */
  int8(site, n, step) {
    return this.on.has(site) ? n.map((x, k) => fixed(x, 1 / step[k], 127)) : n;
  }

  linear(layer, X) {
    return product(layer[this.bits], layer.bias, X);
  }

  step(bytes) {
    const { arch, parts } = this;
    const d = arch.width;
    let X = [...bytes].map((s) => parts.inputs[s]);
    parts.layers.forEach((layer, l) => {
      const state = this.states[l];
      const N = l === 0 ? X : X.map(normalize);
      const into = N.map((n) => this.int8(l === 0 ? 'table' : 'start', n, layer.start.step));
      const A = this.linear(layer.start, into);
      const R = this.linear(
        layer.hidden,
        state.h.map((h) => this.int8('hidden', h, layer.hidden.step)),
      );
      X = A.map((a, b) => {
        const y = this.lstm(a, R[b], state.c[b], d);
        state.h[b] = y;
        return y;
      });
      if (layer.attention) X = this.attend(layer.attention, X, state);
      X = this.boom(layer, X);
    });
    return this.linear(
      parts.output,
      X.map((x) => this.int8('output', normalize(x), parts.output.step)),
    );
  }

  lstm(a, r, c, d) {
    const rounds = this.on.has('gates');
    return c.map((before, u) => {
      let [i, f, g, o] = [0, 1, 2, 3].map((q) => a[q * d + u] + r[q * d + u]);
      if (rounds) [i, f, g, o] = [fixed16(i, 2048), fixed16(f, 2048), fixed16(g, 4096), fixed16(o, 2048)];
      [i, f, g, o] = [sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)];
      if (rounds) [i, f, g, o] = [i, f, g, o].map((x) => fixed16(x, 32768));
      c[u] = f * before + i * g;
      if (rounds) c[u] = fixed(c[u], 32768, 2 ** 24 - 1);
      const h = o * tanh(rounds ? fixed16(c[u], 4096) : c[u]);
      return rounds ? fixed16(h, 32768) : h;
    });
  }

  attend(a, Y, state) {
    const { on, arch } = this;
    const N = Y.map(normalize);
    const M = N.map((n) => this.int8('memory', n, a.step));
    return this.linear(a, M).map((v, b) => {
      const memory = state.memory[b];
      memory.push(M[b]);
      if (memory.length > arch.window) memory.shift();
      let q = normalize(v).map((x, k) => (x * a.norm[0][k] + a.norm[1][k]) * a.key[k]);
      if (on.has('query')) {
        // the steps of the memory, which it is multiplied with, are folded into it
        q = q.map((x, k) => fixed(x * a.step[k], a.queryUnit, 127) / a.step[k]);
      }
      const scores = memory.map((m) => dot(m, q) / sqrt(arch.width));
      const best = max(...scores);
      let w = scores.map((s) => exp(s - best));
      if (on.has('shares')) w = w.map((x) => round(255 * x));
      const Z = w.reduce((x, y) => x + y);
      let mean = new Float64Array(arch.width);
      w.forEach((share, j) => {
        if (share === 0) return;
        const m = memory[j];
        for (let k = 0; k < mean.length; k++) mean[k] += (share / Z) * m[k];
      });
      const sums = on.has('sums');
      if (sums) mean = mean.map((x, k) => fixed16(x, 256 / a.step[k]));
      const [mid, value] = sums ? [a.mid.rounded, a.value.rounded] : [a.mid.float, a.value.float];
      const out = mean.map((x, k) => N[b][k] * mid[k] + a.midBias[k] + x * value[k] + a.valueBias[k]);
      return sums ? out.map((x) => fixed16(x, a.unit)) : out;
    });
  }

  boom(layer, Y) {
    const sums = this.on.has('sums');
    const N = Y.map(normalize);
    const gain = sums ? layer.residual.rounded : layer.residual.float;
    return this.linear(
      layer.boom,
      N.map((n) => this.int8('boom', n, layer.boom.step)),
    ).map((u, b) => {
      const x = N[b].map((n, k) => n * gain[k] + layer.residualBias[k]);
      u.forEach((v, r) => {
        const rounded = sums ? fixed16(v, 256) : v;
        const g = rounded * sigmoid(1.702 * rounded);
        x[r % x.length] += sums ? fixed16(g, 256) : g;
      });
      return sums ? x.map((v) => fixed16(v, layer.unit)) : x;
    });
  }
}

/** log2 of the softmax */
function log2Probabilities(z) {
  const best = max(...z);
  const total = Math.log2(z.reduce((s, x) => s + exp(x - best), 0));
  return z.map((x) => (x - best) * Math.LOG2E - total);
}

function piece(path, bytes) {
  const text = readFileSync(path);
  const from = max(0, (text.length - bytes) >> 1);
  return new Uint8Array(text.subarray(from, from + bytes));
}

const { arch, values } = await readCheckpoint(checkpoint);
const ranges = await activationRanges(
  arch,
  values,
  (options.calibrate ?? files).map((path) => piece(path, 2 ** 16)),
);
const models = new Map(
  [8, 7, 6].map((bits) => [`weights${bits}`, quantize(arch, values, 'rounded', ranges, { bits })]),
);
const parts = constants(arch, values, models);
parts.layers.forEach(({ attention }, l) => {
  if (!attention) return;
  // the largest query that calibration met ends at 127
  const { query } = ranges.layers[l];
  const reach = attention.key.map(
    (key, k) =>
      abs(key * attention.step[k]) * (1.1 * query[k] * abs(attention.norm[0][k]) + abs(attention.norm[1][k])),
  );
  attention.queryUnit = 127 / max(...reach);
});
const texts = files.map((path) => piece(path, length));
const runs = [
  ...ROUNDINGS.map(([id, title]) => ({ title, on: [id] })),
  { title: 'all activations, weights exact', on: all(0) },
  ...[8, 7, 6].map((bits) => ({ title: `everything, weights of ${bits} bits`, on: all(bits) })),
].filter(({ title }) => !options.only || new RegExp(options.only).test(title));
const networks = [{ on: [] }, ...runs].map(({ on }) => new Simulation(arch, parts, on, texts.length));
const divergence = runs.map(() => 0);
let bits = 0;
for (let t = 0; t < length; t++) {
  const bytes = texts.map((text) => (t === 0 ? 10 : text[t - 1]));
  const [exact, ...rounded] = networks.map((network) => network.step(bytes).map(log2Probabilities));
  for (const [b, text] of texts.entries()) {
    bits -= exact[b][text[t]];
    for (const [i, q] of rounded.entries())
      divergence[i] += exact[b].reduce((sum, p, k) => sum + 2 ** p * (p - q[b][k]), 0);
  }
}
console.log(`| ${checkpoint.replace(/.*\//, '')} | loss |\n|---|---:|`);
for (const [i, { title }] of runs.entries())
  console.log(`| ${title} | ${((100 * divergence[i]) / bits).toFixed(3)} % |`);
