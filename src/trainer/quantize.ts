/**
 * @file Turns a float checkpoint into the integer model (docs/model.md, section 3).
 *
 * Weights become int8 with one scale per output row. The gain and bias of a norm that only feeds a matrix are folded into
 * that matrix, the paper's attention gates into the query and the value, so that the integer network has fewer steps than
 * the float one. The number of fractional bits of each int8 activation is chosen by measurement (`calibrate`).
 */
import type { Engine } from '../engines/engine.js';
import { ShacompError } from '../errors.js';
import { type Architecture, elements, parameters, SYMBOLS } from '../model/architecture.js';
import {
  type Affine,
  checkArchitecture,
  encodeModel,
  type IntegerAttention,
  type IntegerLayer,
  type IntegerMatrix,
  type IntegerModel,
  parseModel,
} from '../model/sharnn.js';
import { nodeSha256 } from '../node/hash.js';
import { crossEntropy } from './cross-entropy.js';

/** Float parameters by name, as `parameters(arch)` lists them. */
export type FloatParameters = ReadonlyMap<string, Float32Array>;

/** Fractional bits (3..6) of every int8 activation that is a normalized vector. */
export interface ActivationShifts {
  /** per layer: LSTM input */
  start: number[];
  /** per layer: attention memory */
  memory: number[];
  /** per layer: boom input */
  boom: number[];
  /** softmax input */
  output: number;
}

/** Every site at the same number of fractional bits. */
export const uniformShifts = (arch: Architecture, shift: number): ActivationShifts => ({
  start: Array(arch.layers).fill(shift),
  memory: Array(arch.layers).fill(shift),
  boom: Array(arch.layers).fill(shift),
  output: shift,
});

/** int8 values within [-3.97, 3.97]: wide enough for most normalized vectors. */
const DEFAULT_SHIFT = 5;
const STATE_SHIFT = 7; // h8 is Q0.7
const Q8 = 2 ** 8;
const Q10 = 2 ** 10;
const Q11 = 2 ** 11;
const Q12 = 2 ** 12;
const BIAS_LIMIT = 2 ** 24 - 1;

const clamp = (x: number, limit: number) => Math.max(-limit, Math.min(limit, Math.round(x)));
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/**
 * Quantizes a matrix [rows][d] whose int8 input has `inputShift` fractional bits, so that the rescaled product of row r
 * has the value of the float product times `unit(r)`.
 */
function quantizeMatrix(
  weight: Float64Array,
  d: number,
  inputShift: number,
  unit: (row: number) => number,
): IntegerMatrix {
  const rows = weight.length / d;
  const factor = (row: number) => unit(row) * 2 ** -inputShift;
  const steps = Float64Array.from({ length: rows }, (_, r) => bestStep(weight.subarray(r * d, (r + 1) * d)));
  const largest = steps.reduce((max, step, r) => Math.max(max, step * factor(r)), 1e-12);
  const shift = Math.max(9, Math.min(31, Math.floor(Math.log2(32767 / largest))));
  const multiplier = Uint16Array.from(steps, (step, r) =>
    Math.max(1, Math.min(32767, Math.round(step * factor(r) * 2 ** shift))),
  );
  const int8 = new Int8Array(weight.length);
  for (let r = 0; r < rows; r++) {
    // The step that the rounded multiplier really stands for.
    const step = multiplier[r] / (factor(r) * 2 ** shift);
    for (let k = r * d; k < (r + 1) * d; k++) int8[k] = clamp(weight[k] / step, 127);
  }
  return { weight: int8, multiplier, shift };
}

/** Step of one row: clipping the few largest weights can lower the squared error of all. */
function bestStep(row: Float64Array): number {
  const top = row.reduce((max, w) => Math.max(max, Math.abs(w)), 0);
  if (top === 0) return 1e-9;
  let best = top / 127;
  let bestError = Number.POSITIVE_INFINITY;
  for (let clip = 1; clip > 0.55; clip -= 0.05) {
    const step = (top * clip) / 127;
    let error = 0;
    for (const w of row) error += (w - step * clamp(w / step, 127)) ** 2;
    if (error < bestError) {
      bestError = error;
      best = step;
    }
  }
  return best;
}

/** Reads parameters with their shapes checked. */
class Parameters {
  private readonly shapes: Map<string, number>;

  constructor(
    readonly arch: Architecture,
    private readonly values: FloatParameters,
  ) {
    this.shapes = new Map(parameters(arch).map((p) => [p.name, elements(p.shape)]));
  }

  get(name: string): Float32Array {
    const value = this.values.get(name);
    if (!value || value.length !== this.shapes.get(name))
      throw new ShacompError(
        'ERR_CHECKPOINT_INVALID',
        `checkpoint: ${name} is missing or has the wrong shape`,
      );
    if (!value.every(Number.isFinite))
      throw new ShacompError(
        'ERR_CHECKPOINT_INVALID',
        `checkpoint: ${name} has a value that is not a number`,
      );
    return value;
  }

  /** W diag(gain) and bias + W·shift, for the matrix behind a norm. */
  fold(weightName: string, biasName: string, normName: string): { weight: Float64Array; bias: Float64Array } {
    const weight = Float64Array.from(this.get(weightName));
    const bias = Float64Array.from(this.get(biasName));
    const gain = this.get(`${normName}.weight`);
    const shift = this.get(`${normName}.bias`);
    const d = gain.length;
    for (let r = 0; r < bias.length; r++) {
      for (let k = 0; k < d; k++) {
        bias[r] += weight[r * d + k] * shift[k];
        weight[r * d + k] *= gain[k];
      }
    }
    return { weight, bias };
  }
}

const toBias = (bias: ArrayLike<number>, unit: (i: number) => number): Int32Array =>
  Int32Array.from({ length: bias.length }, (_, i) => clamp(bias[i] * unit(i), BIAS_LIMIT));

/** Gain in Q3.12 and bias in Q4.11. */
const toAffine = (gain: ArrayLike<number>, bias: ArrayLike<number>): Affine => ({
  gain: Int16Array.from({ length: gain.length }, (_, i) => clamp(gain[i] * Q12, 32767)),
  bias: toBias(bias, () => Q11),
});

function quantizeAttention(p: Parameters, prefix: string, memoryShift: number): IntegerAttention {
  const d = p.arch.width;
  const query = p.fold(
    `${prefix}.attention.query.weight`,
    `${prefix}.attention.query.bias`,
    `${prefix}.norm_mid`,
  );
  const memoryGain = p.get(`${prefix}.norm_memory.weight`);
  const memoryBias = p.get(`${prefix}.norm_memory.bias`);
  const gates = ['gate_query', 'gate_key'].map((g) => p.get(`${prefix}.attention.${g}`));
  const valueGate = Float64Array.from(p.get(`${prefix}.attention.gate_value`), sigmoid);
  // The memory's own bias adds the same to every score, so softmax does not see it.
  const key = Float64Array.from(memoryGain, (g, i) => g * sigmoid(gates[0][i]) * sigmoid(gates[1][i]));
  const gain = Float64Array.from(p.get(`${prefix}.attention.norm_query.weight`), (g, i) => g * key[i]);
  const bias = Float64Array.from(p.get(`${prefix}.attention.norm_query.bias`), (b, i) => b * key[i]);
  // A normalized query rarely leaves [-4, 4].
  const reach = gain.reduce((max, g, i) => Math.max(max, 4 * Math.abs(g) + Math.abs(bias[i])), 1e-9);
  const step = reach / 127;
  const shift = 16;
  const unit = 2 ** shift / step;
  const perScore = ((step * 2 ** -memoryShift) / Math.sqrt(d)) * Math.LOG2E * Q12;
  const scoreShift = Math.max(9, Math.min(31, Math.floor(Math.log2(32767 / perScore))));
  return {
    memoryShift,
    query: quantizeMatrix(query.weight, d, memoryShift, () => Q8),
    queryBias: toBias(query.bias, () => Q8),
    queryFold: {
      gain: Int16Array.from(gain, (g) => clamp((g * unit) / Q11, 32767)),
      bias: toBias(bias, () => unit),
      shift,
    },
    score: { multiplier: clamp(perScore * 2 ** scoreShift, 32767), shift: scoreShift },
    mid: toAffine(p.get(`${prefix}.norm_mid.weight`), p.get(`${prefix}.norm_mid.bias`)),
    value: toAffine(
      memoryGain.map((g, i) => g * valueGate[i]),
      memoryBias.map((b, i) => b * valueGate[i]),
    ),
  };
}

function quantizeLayer(p: Parameters, l: number, shifts: ActivationShifts): IntegerLayer {
  const d = p.arch.width;
  const prefix = `layers.${l}`;
  const start = p.fold(`${prefix}.lstm.weight_ih`, `${prefix}.lstm.bias`, `${prefix}.norm_start`);
  const gateUnit = (row: number) => (row >= 2 * d && row < 3 * d ? Q12 : Q11);
  const boom = p.fold(`${prefix}.boom.weight`, `${prefix}.boom.bias`, `${prefix}.norm_boom`);
  return {
    startShift: l === 0 ? 0 : shifts.start[l],
    inputWeight: quantizeMatrix(start.weight, d, shifts.start[l], gateUnit),
    stateWeight: quantizeMatrix(
      Float64Array.from(p.get(`${prefix}.lstm.weight_hh`)),
      d,
      STATE_SHIFT,
      gateUnit,
    ),
    gateBias: toBias(start.bias, gateUnit),
    attention: p.arch.attention.includes(l) ? quantizeAttention(p, prefix, shifts.memory[l]) : null,
    residual: toAffine(p.get(`${prefix}.norm_residual.weight`), p.get(`${prefix}.norm_residual.bias`)),
    boomShift: shifts.boom[l],
    boom: quantizeMatrix(boom.weight, d, shifts.boom[l], () => Q10),
    boomBias: toBias(boom.bias, () => Q10),
  };
}

/** The first layer's normalized input for every byte, as int8. */
function inputTable(embedding: Float32Array, d: number, shift: number): Int8Array {
  const table = new Int8Array(SYMBOLS * d);
  for (let s = 0; s < SYMBOLS; s++) {
    const row = embedding.subarray(s * d, (s + 1) * d);
    const mean = row.reduce((a, b) => a + b, 0) / d;
    const deviation = Math.sqrt(row.reduce((a, b) => a + (b - mean) ** 2, 0) / d + 1e-12);
    for (let k = 0; k < d; k++) table[s * d + k] = clamp(((row[k] - mean) / deviation) * 2 ** shift, 127);
  }
  return table;
}

/**
 * Quantizes a checkpoint with the given activation shifts.
 * @throws ShacompError ERR_CHECKPOINT_INVALID if a parameter is missing, misshapen or not finite
 */
export function quantize(
  arch: Architecture,
  values: FloatParameters,
  name: string,
  shifts: ActivationShifts = uniformShifts(arch, DEFAULT_SHIFT),
): IntegerModel {
  checkArchitecture(arch);
  const p = new Parameters(arch, values);
  const d = arch.width;
  const embedding = p.get('embedding.weight');
  const outputWeight = Float64Array.from(embedding);
  const gain = p.get('norm_final.weight');
  const shift = p.get('norm_final.bias');
  const bias = Float64Array.from(p.get('output.bias'));
  for (let s = 0; s < SYMBOLS; s++) {
    for (let k = 0; k < d; k++) {
      bias[s] += embedding[s * d + k] * shift[k];
      outputWeight[s * d + k] *= gain[k];
    }
  }
  const logitUnit = () => Math.LOG2E * Q12;
  return parseModel(
    encodeModel({
      name,
      architecture: arch,
      input: inputTable(embedding, d, shifts.start[0]),
      layers: Array.from({ length: arch.layers }, (_, l) => quantizeLayer(p, l, shifts)),
      outputShift: shifts.output,
      output: quantizeMatrix(outputWeight, d, shifts.output, logitUnit),
      outputBias: toBias(bias, logitUnit),
    }),
    nodeSha256,
  );
}

/** What `calibrate` found. */
export interface Calibration {
  model: IntegerModel;
  shifts: ActivationShifts;
  /** bits per byte of the integer network on the calibration text */
  bitsPerByte: number;
}

/**
 * Quantizes with the activation shifts that code `text` in the fewest bits, found one site at a time.
 * @param text some ten kilobytes like those the model is for, not seen in training
 * @param engine a fast one: the text is coded about four times per site
 */
export async function calibrate(
  arch: Architecture,
  values: FloatParameters,
  name: string,
  text: Uint8Array,
  engine: Engine,
): Promise<Calibration> {
  const measure = async (shifts: ActivationShifts): Promise<Calibration> => {
    const model = quantize(arch, values, name, shifts);
    return { model, shifts, bitsPerByte: (await crossEntropy(engine, model, text)) / text.length };
  };
  let best = await measure(uniformShifts(arch, DEFAULT_SHIFT));
  const sites: ((s: ActivationShifts, shift: number) => void)[] = [];
  for (let l = 0; l < arch.layers; l++) {
    sites.push(
      (s, x) => (s.start[l] = x),
      (s, x) => (s.boom[l] = x),
    );
    if (arch.attention.includes(l)) sites.push((s, x) => (s.memory[l] = x));
  }
  sites.push((s, x) => (s.output = x));
  for (const set of sites) {
    for (const shift of [4, 6]) {
      const shifts = structuredClone(best.shifts);
      set(shifts, shift);
      const tried = await measure(shifts);
      if (tried.bitsPerByte < best.bitsPerByte) best = tried;
    }
  }
  return best;
}
