/**
 * @file Where the numbers of a model, and the state and the working rows of a network, lie in buffers of the
 * device.
 */
import { type Architecture, SYMBOLS } from '../../model/architecture.js';
import type { IntegerLayer, IntegerMatrix, IntegerModel } from '../../model/sharnn.js';

/**
 * Words (int32) in front of a layer's vectors: numbers that it has one of. `SCALARS[name]` is its index; the
 * shaders read the same names.
 */
export const SCALARS = [
  'INPUT_SHIFT',
  'STATE_SHIFT',
  'QUERY_SHIFT',
  'FOLD_SHIFT',
  'SCORE_MULTIPLIER',
  'SCORE_SHIFT',
  'MID_SHIFT',
  'VALUE_SHIFT',
  'ATTENTION_SHIFT',
  'BOOM_SHIFT',
  'RESIDUAL_SHIFT',
  'LAYER_SHIFT',
  'FIRST',
] as const;
export const SCALAR_WORDS = 16;

/**
 * A layer's vectors, in this order behind its scalars; lengths in widths. `boom` stands for the boom factor.
 */
export const VECTORS = [
  ['INPUT_MULTIPLIER', 4],
  ['STATE_MULTIPLIER', 4],
  ['GATE_BIAS', 4],
  ['MEMORY_SCALE', 1],
  ['QUERY_MULTIPLIER', 1],
  ['QUERY_BIAS', 1],
  ['FOLD_GAIN', 1],
  ['FOLD_BIAS', 1],
  ['MID_GAIN', 1],
  ['MID_BIAS', 1],
  ['VALUE_GAIN', 1],
  ['VALUE_BIAS', 1],
  ['RESIDUAL_GAIN', 1],
  ['RESIDUAL_BIAS', 1],
  ['BOOM_SCALE', 1],
  ['NEXT_SCALE', 1],
] as const;

/** First word of each vector of {@link VECTORS}, in widths, and behind them those of the boom layer. */
export const VECTOR_AT: Readonly<Record<string, number>> = Object.fromEntries(
  VECTORS.map(([name], i) => [name, VECTORS.slice(0, i).reduce((sum, [, n]) => sum + n, 0)]),
);
/** Widths in front of the boom layer's multipliers and biases. */
export const BOOM_AT = VECTORS.reduce((sum, [, n]) => sum + n, 0);

/**
 * A layer's numbers: scalars, vectors, multipliers and biases of the boom layer. `next` quantizes what it
 * puts out.
 */
export function layerNumbers(
  layer: IntegerLayer,
  first: boolean,
  next: Int16Array,
  { width: d, boom }: Architecture,
): Int32Array<ArrayBuffer> {
  const { attention } = layer;
  const numbers = new Int32Array(SCALAR_WORDS + (BOOM_AT + 2 * boom) * d);
  const scalars: Record<(typeof SCALARS)[number], number> = {
    INPUT_SHIFT: layer.inputWeight.shift,
    STATE_SHIFT: layer.stateWeight.shift,
    QUERY_SHIFT: attention?.query.shift ?? 9,
    FOLD_SHIFT: attention?.queryFold.shift ?? 1,
    SCORE_MULTIPLIER: attention?.score.multiplier ?? 0,
    SCORE_SHIFT: attention?.score.shift ?? 9,
    MID_SHIFT: attention?.mid.shift ?? 1,
    VALUE_SHIFT: attention?.value.shift ?? 1,
    ATTENTION_SHIFT: attention?.outputShift ?? 1,
    BOOM_SHIFT: layer.boom.shift,
    RESIDUAL_SHIFT: layer.residual.shift,
    LAYER_SHIFT: layer.outputShift,
    FIRST: Number(first),
  };
  SCALARS.forEach((name, i) => {
    numbers[i] = scalars[name];
  });
  const vectors: Record<string, ArrayLike<number> | undefined> = {
    INPUT_MULTIPLIER: layer.inputWeight.multiplier,
    STATE_MULTIPLIER: layer.stateWeight.multiplier,
    GATE_BIAS: layer.gateBias,
    MEMORY_SCALE: attention?.memoryScale,
    QUERY_MULTIPLIER: attention?.query.multiplier,
    QUERY_BIAS: attention?.queryBias,
    FOLD_GAIN: attention?.queryFold.gain,
    FOLD_BIAS: attention?.queryFold.bias,
    MID_GAIN: attention?.mid.gain,
    MID_BIAS: attention?.mid.bias,
    VALUE_GAIN: attention?.value.gain,
    VALUE_BIAS: attention?.value.bias,
    RESIDUAL_GAIN: layer.residual.gain,
    RESIDUAL_BIAS: layer.residual.bias,
    BOOM_SCALE: layer.boomScale,
    NEXT_SCALE: next,
  };
  for (const [name] of VECTORS) numbers.set(vectors[name] ?? [], SCALAR_WORDS + VECTOR_AT[name] * d);
  numbers.set(layer.boom.multiplier, SCALAR_WORDS + BOOM_AT * d);
  numbers.set(layer.boomBias, SCALAR_WORDS + (BOOM_AT + boom) * d);
  return numbers;
}

/** The softmax layer's numbers: its shift, then behind the scalars 256 multipliers and 256 biases. */
export function outputNumbers({ output, outputBias }: IntegerModel): Int32Array<ArrayBuffer> {
  const numbers = new Int32Array(SCALAR_WORDS + 2 * SYMBOLS);
  numbers[0] = output.shift;
  numbers.set(output.multiplier, SCALAR_WORDS);
  numbers.set(outputBias, SCALAR_WORDS + SYMBOLS);
  return numbers;
}

/** A layer's matrices one behind the other, rows as in the file: input, state, boom, query. */
export function layerWeights(layer: IntegerLayer): Int8Array<ArrayBuffer> {
  const matrices = [layer.inputWeight, layer.stateWeight, layer.boom, layer.attention?.query].filter(
    (m): m is IntegerMatrix => m !== undefined,
  );
  const weights = new Int8Array(matrices.reduce((sum, m) => sum + m.weight.length, 0));
  let at = 0;
  for (const { weight } of matrices) {
    weights.set(weight, at);
    at += weight.length;
  }
  return weights;
}

/**
 * Rows (a stream at a step) that large products want, and most steps in one go: later steps make the rings
 * longer.
 */
const ROWS = 512;
const MOST_STEPS = 64;
/**
 * Most streams whose rows lie in one set of buffers: a dispatch has at most 65,535 workgroups in one
 * direction.
 */
const MOST_STREAMS = 4096;
/** Most steps of a decoder in one submit: their bytes take as much room as one step's frequencies. */
export const DECODED_STEPS = SYMBOLS;
/** Words of a range decoder on the device. */
export const CODER_WORDS = 8;
/** Positions whose scores a workgroup computes. */
export const CHUNK = 64;
/** Workgroups that keep a device busy; a row's attention is cut until there are so many. */
const BUSY = 256;

/** Sizes of the buffers of a part of a network, and how its steps are cut. */
export interface PartPlan {
  streams: number;
  /** most steps at once */
  steps: number;
  /** positions in a layer's ring of memory, 0 without attention */
  capacity: number;
  /** most parts that a row's weighted sum of the memory is cut into */
  parts: number;
  /**
   * bytes of each buffer; `cell`, `hidden8` are there once per layer, `memory` once per layer with attention
   */
  bytes: Record<BufferName, number>;
  /** bytes of all of them */
  total: number;
}

export type BufferName =
  | 'bytes'
  | 'gates'
  | 'hidden'
  | 'norm'
  | 'operand'
  | 'query'
  | 'scores'
  | 'best'
  | 'partial'
  | 'partialZ'
  | 'next'
  | 'frequencies'
  | 'staging'
  | 'odds'
  | 'coders'
  | 'cell'
  | 'hidden8'
  | 'memory';

function partPlan({ width: d, layers, window, attention }: Architecture, streams: number): PartPlan {
  const steps = Math.max(1, Math.min(MOST_STEPS, Math.floor(ROWS / streams)));
  const rows = steps * streams;
  const attends = attention.length > 0;
  const capacity = attends ? window + steps - 1 : 0;
  const chunks = Math.ceil(window / CHUNK);
  const parts = Math.min(chunks, Math.max(1, Math.ceil(BUSY / rows)));
  const attentive = (bytes: number) => (attends ? bytes : 16);
  const bytes: PartPlan['bytes'] = {
    bytes: (Math.max(steps, DECODED_STEPS) + 1) * streams * 4,
    odds: rows * 16,
    coders: streams * CODER_WORDS * 4,
    gates: rows * 4 * d * 4,
    hidden: rows * d * 4,
    norm: rows * d * 4,
    operand: rows * d,
    query: attentive(rows * d * 4),
    scores: attentive(rows * chunks * CHUNK * 4),
    best: attentive(rows * 4),
    partial: attentive(rows * parts * d * 4),
    partialZ: attentive(rows * parts * 4),
    next: rows * d * 4,
    frequencies: rows * SYMBOLS * 4,
    staging: 2 * (rows * SYMBOLS + streams * CODER_WORDS) * 4,
    cell: streams * d * 4,
    hidden8: (steps + 1) * streams * d,
    memory: attentive(streams * capacity * d),
  };
  const total = Object.entries(bytes).reduce((sum, [name, size]) => {
    const times = name === 'memory' ? attention.length : name === 'cell' || name === 'hidden8' ? layers : 1;
    return sum + times * size;
  }, 0);
  return { streams, steps, capacity, parts, bytes, total };
}

/** What of a device's limits decides how a network is cut: the largest buffer that a shader can see. */
export interface BufferLimits {
  maxStorageBufferBindingSize: number;
  maxBufferSize: number;
}

/**
 * The parts that a network is cut into, so that each buffer fits a device; undefined if not even one stream's
 * do.
 */
export function networkPlan(
  architecture: Architecture,
  streams: number,
  limits: BufferLimits,
): PartPlan[] | undefined {
  const most = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  const fits = (plan: PartPlan) => Object.values(plan.bytes).every((size) => size <= most);
  let each = Math.min(streams, MOST_STREAMS);
  while (!fits(partPlan(architecture, each))) {
    if (each === 1) return undefined;
    each = Math.ceil(each / 2);
  }
  const parts: PartPlan[] = [];
  for (let left = streams; left > 0; left -= each) parts.push(partPlan(architecture, Math.min(each, left)));
  return parts;
}
