/**
 * @file Turns a float checkpoint into the integer model (docs/model.md, section 3).
 *
 * Weights become int8 with one scale per output row. The gain and bias of a norm that only feeds a matrix are
 * folded into that matrix, the paper's attention gates into the query and the value, so that the integer
 * network has fewer steps than the float one. An int8 activation has a step per channel, as large as the
 * channel needs on calibration text: a few channels of a trained network are several times as large as the
 * others (Dettmers et al. 2022, arXiv:2208.07339). The steps go into the columns of the matrix that reads it,
 * as in SmoothQuant (Xiao et al. 2022, arXiv:2211.10438).
 *
 * Constants are never clipped: one that does not fit is an error.
 */
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
import { Compensation } from './compensate.js';
import type { ActivationRanges, LayerRanges, Moments } from './ranges.js';
import { BOOM_UNIT, gainUnit, gateUnit, LOGIT_UNIT, Q10, STATE_UNIT, stepsOf } from './units.js';

/** Float parameters by name, as `parameters(arch)` lists them. */
export type FloatParameters = ReadonlyMap<string, Float32Array>;

export interface QuantizeOptions {
  /**
   * Bits of a weight: 8 (up to 127 in magnitude), 7 (63, the default) or 6 (31). Fewer are faster where there
   * is no VNNI.
   */
  bits?: 6 | 7 | 8;
}

/** Room above what calibration has met. */
const MARGIN = 1.1;
/** Room for a sum whose mean is not known; it costs precision that an int16 has to spare. */
const WIDE_MARGIN = 2;
const BIAS_LIMIT = 2 ** 24 - 1;

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const magnitude = (x: ArrayLike<number>): number => {
  let most = 0;
  for (let i = 0; i < x.length; i++) most = Math.max(most, Math.abs(x[i]));
  return most;
};

const refuse = (what: string) =>
  new ShacompError('ERR_CHECKPOINT_INVALID', `this network cannot be rounded to integers: ${what}`);

/** Rounded constants that must be at most `limit` in magnitude. */
function rounded(x: number, limit: number, what: string): number {
  const n = Math.round(x);
  if (Math.abs(n) <= limit) return n;
  throw refuse(`${what} is too large (${(Math.abs(n) / limit).toPrecision(3)} times what the format holds)`);
}

/** A step per channel, for an int8 activation. */
interface Steps {
  /** int16, Q0.15: normalized values in Q5.10 to int8 */
  scale: Int16Array;
  /** what one unit of the int8 stands for, exactly */
  step: Float64Array;
}

function stepsFor(ranges: Float32Array, margin = MARGIN): Steps {
  // int8 = n * 2^10 * scale / 2^15
  const scale = Int16Array.from(ranges, (most) =>
    Math.max(1, Math.min(32767, Math.round((127 * 32) / Math.max(margin * most, 1e-3)))),
  );
  return { scale, step: stepsOf(scale) };
}

/**
 * Second moment of an int8 input, from that of the float one: its channels in their steps, and what rounding
 * it adds.
 */
function inSteps(moment: Float32Array, step: Float64Array): Float64Array {
  const d = step.length;
  return Float64Array.from(moment, (m, i) => {
    const [a, b] = [Math.floor(i / d), i % d];
    return m / (step[a] * step[b]) + (a === b ? 1 / 12 : 0);
  });
}

/**
 * The step of a row of weights: of some that let the largest pass the limit by up to twice, the one with the
 * least squared error.
 * @param power of each weight's input
 */
function bestStep(row: Float64Array, power: Float64Array, limit: number): number {
  const largest = magnitude(row) / limit;
  let best = largest;
  let least = Number.POSITIVE_INFINITY;
  for (let share = 100; share >= 50 && largest > 0; share -= 5) {
    const step = (largest * share) / 100;
    let error = 0;
    for (let k = 0; k < row.length; k++) {
      const n = Math.max(-limit, Math.min(limit, Math.round(row[k] / step)));
      error += power[k] * (row[k] - n * step) ** 2;
    }
    if (error < least) [best, least] = [step, error];
  }
  return best;
}

/** Reads parameters with their shapes checked, and rounds matrices. */
class Parameters {
  private readonly shapes: Map<string, number>;
  /** largest magnitude of a weight */
  private readonly limit: number;

  constructor(
    readonly arch: Architecture,
    private readonly values: FloatParameters,
    bits: number,
  ) {
    this.shapes = new Map(parameters(arch).map((p) => [p.name, elements(p.shape)]));
    this.limit = 2 ** (bits - 1) - 1;
  }

  /** @throws ShacompError ERR_CHECKPOINT_INVALID if it is missing, misshapen or not finite */
  get(name: string): Float32Array {
    const value = this.values.get(name);
    const length = this.shapes.get(name);
    if (length === undefined || value?.length !== length)
      throw new ShacompError(
        'ERR_CHECKPOINT_INVALID',
        `checkpoint: ${name} is missing or does not have ${length} values`,
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

  /**
   * Rounds a matrix [rows][d] of an int8 input, so that the rescaled product of row r has the value of the
   * float product times `unit(r)`.
   * @param weight of the float input
   * @param step of the int8 input's channels
   * @param moment of the float input; without it every weight is rounded by itself
   */
  matrix(
    what: string,
    weight: ArrayLike<number>,
    step: Float64Array,
    unit: (row: number) => number,
    moment?: Float32Array,
  ): IntegerMatrix {
    const { limit } = this;
    const d = this.arch.width;
    const rows = Array.from({ length: weight.length / d }, (_, r) =>
      Float64Array.from(step, (s, k) => weight[r * d + k] * s),
    );
    const compensation = moment && new Compensation(inSteps(moment, step), d);
    const power = compensation?.power ?? new Float64Array(d).fill(1);
    // value of one unit of the row's integer product
    const factor = rows.map((row, r) => bestStep(row, power, limit) * unit(r));
    const largest = Math.max(magnitude(factor), 1e-12);
    const shift = Math.min(31, Math.floor(Math.log2(32767 / largest)));
    if (shift < 9) throw refuse(`${what} is too large`);
    const multiplier = Uint16Array.from(factor, (f) =>
      Math.max(1, Math.min(32767, Math.round(f * 2 ** shift))),
    );
    const steps = Float64Array.from(multiplier, (m, r) => m / (unit(r) * 2 ** shift));
    const int8 = new Int8Array(weight.length);
    const result = rows.map((_, r) => int8.subarray(r * d, (r + 1) * d));
    if (compensation) {
      const together = 8;
      for (let r = 0; r < rows.length; r += together) {
        const to = r + together;
        compensation.round(rows.slice(r, to), steps.subarray(r, to), limit, result.slice(r, to));
      }
    } else {
      for (const [r, row] of rows.entries())
        result[r].set(row.map((w) => Math.max(-limit, Math.min(limit, Math.round(w / steps[r])))));
    }
    return { weight: int8, multiplier, shift };
  }
}

const toBias = (what: string, bias: ArrayLike<number>, unit: (i: number) => number): Int32Array =>
  Int32Array.from({ length: bias.length }, (_, i) => rounded(bias[i] * unit(i), BIAS_LIMIT, what));

/**
 * Gain and bias of an input with `inputBits` fractional bits, for a result in Q.10: the gain gets as many
 * fractional bits as its largest value leaves in an int16.
 */
function toAffine(what: string, gain: ArrayLike<number>, bias: ArrayLike<number>, inputBits: number): Affine {
  // shift = inputBits + fractional bits of the gain - 10
  const most = Math.max(magnitude(gain), 1e-9);
  const shift = Math.min(15, Math.floor(Math.log2(32767 / most)) + inputBits - 10);
  if (shift < 1) throw refuse(`${what} is too large`);
  const unit = gainUnit(shift, inputBits);
  return {
    gain: Int16Array.from(gain, (g) => rounded(g * unit, 32767, what)),
    bias: toBias(what, bias, () => Q10),
    shift,
  };
}

/** Right shift that brings a sum in Q.10 into int16. */
function outputShift(what: string, reach: number): number {
  const shift = Math.max(1, Math.ceil(Math.log2((MARGIN * reach * Q10) / 32767)));
  if (shift > 8) throw refuse(`${what} is too large`);
  return shift;
}

function quantizeAttention(
  p: Parameters,
  prefix: string,
  ranges: LayerRanges,
  moment?: Float32Array,
): IntegerAttention {
  const d = p.arch.width;
  const name = `${prefix}.attention`;
  const query = p.fold(`${name}.query.weight`, `${name}.query.bias`, `${prefix}.norm_mid`);
  const memory = stepsFor(ranges.memory);
  const memoryGain = p.get(`${prefix}.norm_memory.weight`);
  const memoryBias = p.get(`${prefix}.norm_memory.bias`);
  const gates = ['gate_query', 'gate_key'].map((g) => p.get(`${name}.${g}`));
  const valueGate = Float64Array.from(p.get(`${name}.gate_value`), sigmoid);
  // The memory's own bias adds the same to every score, so softmax does not see it.
  const key = Float64Array.from(
    memoryGain,
    (g, i) => g * sigmoid(gates[0][i]) * sigmoid(gates[1][i]) * memory.step[i],
  );
  const gain = Float64Array.from(p.get(`${name}.norm_query.weight`), (g, i) => g * key[i]);
  const bias = Float64Array.from(p.get(`${name}.norm_query.bias`), (b, i) => b * key[i]);
  const reach = gain.reduce(
    (most, g, i) => Math.max(most, MARGIN * ranges.query[i] * Math.abs(g) + Math.abs(bias[i])),
    1e-9,
  );
  const step = reach / 127;
  const shift = Math.min(16, Math.floor(Math.log2((32767 * Q10 * step) / Math.max(magnitude(gain), 1e-9))));
  if (shift < 1) throw refuse(`${name}.norm_query is too uneven`);
  const unit = 2 ** shift / step;
  const perScore = (step / Math.sqrt(d)) * LOGIT_UNIT;
  const scoreShift = Math.min(31, Math.floor(Math.log2(32767 / perScore)));
  if (scoreShift < 9) throw refuse(`${name}: the scores are too large`);
  // Only a norm reads the query: any unit that fits will do.
  const queryUnit = 2 ** Math.floor(Math.log2(32767 / Math.max(WIDE_MARGIN * ranges.queryReach, 1e-3)));
  return {
    memoryScale: memory.scale,
    query: p.matrix(`${name}.query`, query.weight, memory.step, () => queryUnit, moment),
    queryBias: toBias(`${name}.query.bias`, query.bias, () => queryUnit),
    queryFold: {
      gain: Int16Array.from(gain, (g) => rounded((g * unit) / Q10, 32767, `${name}.norm_query`)),
      bias: toBias(`${name}.norm_query.bias`, bias, () => unit),
      shift,
    },
    score: { multiplier: rounded(perScore * 2 ** scoreShift, 32767, `${name}: a score`), shift: scoreShift },
    mid: toAffine(
      `${prefix}.norm_mid`,
      p.get(`${prefix}.norm_mid.weight`),
      p.get(`${prefix}.norm_mid.bias`),
      10,
    ),
    value: toAffine(
      `${name}.gate_value`,
      memoryGain.map((g, i) => g * valueGate[i] * memory.step[i]),
      memoryBias.map((b, i) => b * valueGate[i]),
      8,
    ),
    outputShift: outputShift(`${name}: the output`, ranges.attentionReach),
  };
}

function quantizeLayer(
  p: Parameters,
  l: number,
  ranges: LayerRanges,
  input: Steps,
  moments?: Moments['layers'][number],
): IntegerLayer {
  const d = p.arch.width;
  const prefix = `layers.${l}`;
  const start = p.fold(`${prefix}.lstm.weight_ih`, `${prefix}.lstm.bias`, `${prefix}.norm_start`);
  const gates = gateUnit(d);
  const boom = p.fold(`${prefix}.boom.weight`, `${prefix}.boom.bias`, `${prefix}.norm_boom`);
  const boomInput = stepsFor(ranges.boom);
  const recurrent = p.get(`${prefix}.lstm.weight_hh`);
  const stateStep = new Float64Array(d).fill(1 / STATE_UNIT);
  return {
    startScale: l === 0 ? new Int16Array(0) : input.scale,
    inputWeight: p.matrix(`${prefix}.lstm.weight_ih`, start.weight, input.step, gates, moments?.start),
    stateWeight: p.matrix(`${prefix}.lstm.weight_hh`, recurrent, stateStep, gates, moments?.hidden),
    gateBias: toBias(`${prefix}.lstm.bias`, start.bias, gates),
    attention: p.arch.attention.includes(l) ? quantizeAttention(p, prefix, ranges, moments?.memory) : null,
    residual: toAffine(
      `${prefix}.norm_residual`,
      p.get(`${prefix}.norm_residual.weight`),
      p.get(`${prefix}.norm_residual.bias`),
      10,
    ),
    boomScale: boomInput.scale,
    boom: p.matrix(`${prefix}.boom.weight`, boom.weight, boomInput.step, () => BOOM_UNIT, moments?.boom),
    boomBias: toBias(`${prefix}.boom.bias`, boom.bias, () => BOOM_UNIT),
    outputShift: outputShift(`${prefix}: the output`, ranges.outputReach),
  };
}

/** The first layer's normalized input for every byte, as int8, and its steps. */
function inputTable(embedding: Float32Array, d: number): Steps & { table: Int8Array } {
  const normal = new Float64Array(SYMBOLS * d);
  const most = new Float32Array(d);
  for (let s = 0; s < SYMBOLS; s++) {
    const row = embedding.subarray(s * d, (s + 1) * d);
    const mean = row.reduce((a, b) => a + b, 0) / d;
    const deviation = Math.sqrt(row.reduce((a, b) => a + (b - mean) ** 2, 0) / d + 1e-12);
    for (let k = 0; k < d; k++) {
      normal[s * d + k] = (row[k] - mean) / deviation;
      most[k] = Math.max(most[k], Math.abs(normal[s * d + k]));
    }
  }
  // all values are known: no margin
  const { scale, step } = stepsFor(most, 1);
  const table = Int8Array.from(normal, (n, i) => Math.max(-127, Math.min(127, Math.round(n / step[i % d]))));
  return { table, scale, step };
}

/** Second moment of the first layer's input, of text in which bytes have those shares. */
function tableMoment(table: Int8Array, step: Float64Array, shares: Float64Array): Float32Array {
  const d = step.length;
  const moment = new Float32Array(d * d);
  for (let s = 0; s < SYMBOLS; s++) {
    if (shares[s] === 0) continue;
    const x = Float64Array.from(step, (unit, k) => unit * table[s * d + k]);
    for (let a = 0; a < d; a++) for (let b = 0; b < d; b++) moment[a * d + b] += shares[s] * x[a] * x[b];
  }
  return moment;
}

/**
 * Rounds a checkpoint to integers.
 * @param ranges how large its activations become (`activationRanges`)
 * @throws ShacompError ERR_CHECKPOINT_INVALID if a parameter is missing, misshapen or not finite, or does not
 * fit the format
 */
export function quantize(
  arch: Architecture,
  values: FloatParameters,
  name: string,
  ranges: ActivationRanges,
  { bits = 7 }: QuantizeOptions = {},
): IntegerModel {
  checkArchitecture(arch);
  const p = new Parameters(arch, values, bits);
  const d = arch.width;
  const embedding = p.get('embedding.weight');
  const input = inputTable(embedding, d);
  const outputInput = stepsFor(ranges.output);
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
  const logitUnit = () => LOGIT_UNIT;
  const { moments } = ranges;
  const momentsOf = (l: number) =>
    moments &&
    (l === 0
      ? { ...moments.layers[0], start: tableMoment(input.table, input.step, moments.bytes) }
      : moments.layers[l]);
  return parseModel(
    encodeModel({
      name,
      architecture: arch,
      input: input.table,
      inputScale: input.scale,
      layers: ranges.layers.map((layer, l) =>
        quantizeLayer(p, l, layer, l === 0 ? input : stepsFor(layer.start), momentsOf(l)),
      ),
      outputScale: outputInput.scale,
      output: p.matrix('embedding.weight', outputWeight, outputInput.step, logitUnit, moments?.output),
      outputBias: toBias('output.bias', bias, logitUnit),
    }),
    nodeSha256,
  );
}

/**
 * How many channels or sums go beyond what a model was calibrated for, by site: what is clipped on other
 * text.
 */
export function beyond(calibrated: ActivationRanges, met: ActivationRanges): Map<string, number> {
  const found = new Map<string, number>();
  const note = (site: string, room: ArrayLike<number>, most: ArrayLike<number>) => {
    let count = 0;
    for (let i = 0; i < most.length; i++) if (most[i] > MARGIN * room[i]) count++;
    if (count > 0) found.set(site, count);
  };
  met.layers.forEach((layer, l) => {
    const room = calibrated.layers[l];
    for (const site of ['start', 'memory', 'query', 'boom'] as const)
      note(`layer ${l} ${site}`, room[site], layer[site]);
    note(
      `layer ${l} sums`,
      [room.outputReach, room.attentionReach],
      [layer.outputReach, layer.attentionReach],
    );
    note(`layer ${l} boom sums`, [2 ** 7 / MARGIN], [layer.boomReach]);
    note(`layer ${l} cell`, [2 ** 9 / MARGIN], [layer.cellReach]);
  });
  note('softmax input', calibrated.output, met.output);
  return found;
}
