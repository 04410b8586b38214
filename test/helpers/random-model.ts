/**
 * @file Random integer models for tests: any shape, ordinary or extreme numbers, reproducible from a seed.
 */
import { type Architecture, PRESETS, type PresetName, SYMBOLS } from '../../src/model/architecture.js';
import {
  type Affine,
  encodeModel,
  type IntegerAttention,
  type IntegerLayer,
  type IntegerMatrix,
  type IntegerModel,
  parseModel,
} from '../../src/model/sharnn.js';

export interface RandomModelOptions {
  seed: number;
  /** Shape by name; `architecture` wins. Default: tiny. */
  preset?: PresetName;
  architecture?: Architecture;
  /**
   * - none (default): numbers of the size that training gives, so that every stage sees lively values
   * - 'signs': every weight is +limit or -limit at random, every other number at either end of its range
   * - 'ones': every weight is +limit, gains, biases and multipliers are the largest, shifts the smallest
   * - 'hostile': whatever a file may say: each array is the largest, smallest, random, sparse, small or mixed
   *   numbers, each shift any that is allowed
   */
  extreme?: 'signs' | 'ones' | 'hostile';
  /** Largest magnitude of the matrices' weights: 127 (default), 63 for 7 bits, 31 for 6. */
  limit?: number;
}

/** Uniform random numbers in [0, 1), the same on every machine (mulberry32). */
export function randomSource(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Reproducible bytes: runs, repeats and noise, so that states travel over their whole range. */
export function randomBytes(length: number, seed: number): Uint8Array {
  const random = randomSource(seed);
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; ) {
    const value = random() * 256;
    const run = random() < 0.1 ? 1 + Math.floor(random() * 40) : 1;
    bytes.fill(value, i, i + run);
    i += run;
  }
  return bytes;
}

/** A valid model with random numbers. The same options give the same bytes. */
export function randomModel(options: RandomModelOptions): IntegerModel {
  const architecture = options.architecture ?? PRESETS[options.preset ?? 'tiny'];
  const { extreme, limit = 127 } = options;
  const { width: d, boom, attention, layers } = architecture;
  const random = randomSource(options.seed);
  const sign = () => (extreme === 'ones' || random() < 0.5 ? 1 : -1);
  const between = (low: number, high: number) => Math.floor(low + random() * (high - low + 1));
  const around = (center: number, spread: number) => Math.round(center + spread * (2 * random() - 1));

  /** n numbers between the limits, all of one kind or each of its own */
  const hostile = (n: number, low: number, high: number): number[] => {
    const kinds = {
      most: () => high,
      least: () => low,
      ends: () => (random() < 0.5 ? low : high),
      any: () => between(low, high),
      small: () => Math.max(low, between(-3, 3)),
      sparse: () => (random() < 0.01 ? high : 0),
    };
    const all = Object.values(kinds);
    const one = all[between(0, all.length)];
    return Array.from({ length: n }, () => (one ?? all[between(0, all.length - 1)])());
  };

  const int8 = (n: number, most = 127) => {
    if (extreme === 'hostile') return Int8Array.from(hostile(n, -most, most));
    const values = new Int8Array(n);
    for (let i = 0; i < n; i++) values[i] = extreme ? most * sign() : between(-most, most);
    return values;
  };
  const int16 = (n: number, center: number, spread: number) =>
    extreme === 'hostile'
      ? Int16Array.from(hostile(n, -32767, 32767))
      : Int16Array.from({ length: n }, () => (extreme ? 32767 * sign() : around(center, spread)));
  const int32 = (n: number, spread: number) =>
    extreme === 'hostile'
      ? Int32Array.from(hostile(n, 1 - 2 ** 24, 2 ** 24 - 1))
      : Int32Array.from({ length: n }, () => (extreme ? (2 ** 24 - 1) * sign() : around(0, spread)));

  /** `size`: standard deviation of the rescaled product, whose int8 input has one of about 40. */
  const matrix = (rows: number, size: number): IntegerMatrix => {
    const rescale = size / (0.577 * limit * 40 * Math.sqrt(d));
    const bits = extreme
      ? extreme === 'ones'
        ? 9
        : between(9, 31)
      : Math.floor(15 - Math.log2(rescale)) - 1;
    const s = Math.max(9, Math.min(31, bits));
    return {
      weight: int8(rows * d, limit),
      multiplier:
        extreme === 'hostile'
          ? Uint16Array.from(hostile(rows, 0, 32767))
          : Uint16Array.from({ length: rows }, () =>
              extreme
                ? sign() > 0
                  ? 32767
                  : between(0, 2)
                : Math.min(32767, Math.max(0, around(rescale * 2 ** s, 0.4 * rescale * 2 ** s))),
            ),
      shift: s,
    };
  };
  const affine = (size: number): Affine => ({
    gain: int16(d, 4096 * size, 2048),
    bias: int32(d, 1024),
    shift: extreme ? (extreme === 'ones' ? 1 : between(1, 15)) : 12,
  });
  /** Q0.15 scale of an int8 activation: a channel ends at 2 to 8 */
  const activation = () =>
    extreme === 'hostile'
      ? int16(d, 0, 0)
      : Int16Array.from({ length: d }, () =>
          extreme ? 32767 * sign() : Math.round(4064 / (2 + 6 * random())),
        );
  const outputShift = () => (extreme ? (extreme === 'ones' ? 1 : between(1, 8)) : 3);

  const randomAttention = (): IntegerAttention => ({
    memoryScale: activation(),
    query: matrix(d, 3000),
    queryBias: int32(d, 1000),
    queryFold: {
      gain: int16(d, 0, 16000),
      bias: int32(d, 2 ** 18),
      shift: extreme ? (extreme === 'ones' ? 1 : between(1, 24)) : 18,
    },
    score: {
      multiplier: extreme === 'hostile' ? hostile(1, 0, 32767)[0] : extreme ? 32767 : between(16384, 32767),
      // differences of a few times the scores' deviation should be a few bits: a fair share of weights is not
      // 0
      shift: extreme
        ? extreme === 'ones'
          ? 9
          : between(9, 31)
        : 15 + Math.round(Math.log2(Math.sqrt(d) / 8)),
    },
    mid: affine(1),
    value: affine(0.5),
    outputShift: outputShift(),
  });
  const randomLayer = (l: number): IntegerLayer => ({
    startScale: l === 0 ? new Int16Array(0) : activation(),
    inputWeight: matrix(4 * d, 2500),
    stateWeight: matrix(4 * d, 2500),
    gateBias: int32(4 * d, 2000),
    attention: attention.includes(l) ? randomAttention() : null,
    residual: affine(1),
    boomScale: activation(),
    boom: matrix(boom * d, 700),
    boomBias: int32(boom * d, 250),
    outputShift: outputShift(),
  });

  return parseModel(
    encodeModel({
      name: `random-${options.seed}`,
      architecture,
      input: int8(SYMBOLS * d),
      inputScale: new Int16Array(d).fill(1000),
      layers: Array.from({ length: layers }, (_, l) => randomLayer(l)),
      outputScale: activation(),
      output: matrix(SYMBOLS, 12000),
      outputBias: int32(SYMBOLS, 8000),
    }),
  );
}
