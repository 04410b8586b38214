/**
 * @file The arithmetic of docs/model.md, section 2, on tensors of whole numbers in float32, which are exact
 * up to 2^24. A factor is cut in two, so that no product needs more bits; a power of two only moves the
 * point. Nothing is rounded but by `floor`: the comments count the bits.
 */
import { attentionWeight, gelu, sigmoid16, tanh16 } from '../reference/fixed-point.js';
import type { Tensor, TensorFlow } from './tensorflow.js';

/** Magnitude of the largest int16 that occurs. */
const INT16 = 32767;
/** Differences of scores from which on a weight is 0: docs/model.md, section 2.3. */
const NO_WEIGHT = 9 * 4096;
/** Below it sums of a few products have no need to be cut in two. */
const SMALL = 2 ** 22;

/** A non-negative number below 2^15 as 128 (high + low): high is whole, low a multiple of 1/128 below 1. */
export interface Digits {
  /** high + low */
  sum: Tensor;
  high: Tensor;
  low: Tensor;
}

/** Multipliers of `scale`, one for each column or one for all, and their shift. */
export interface Multiplier {
  /** m */
  whole: Tensor;
  /** m >> 7, times 2^(15 - shift) if that is more than 1 */
  high: Tensor;
  /** m & 127 */
  low: Tensor;
  shift: number;
}

/** A number for every int16, as a table. */
const everyInt16 = (f: (x: number) => number): Float32Array =>
  Float32Array.from({ length: 2 * INT16 + 1 }, (_, i) => f(i - INT16));

export class Arithmetic {
  private readonly numbers = new Map<number, Tensor>();
  private readonly kept: Tensor[] = [];
  private readonly tables: {
    /** / 128 */
    sigmoid: Tensor;
    tanh: Tensor;
    gelu: Tensor;
    /** [difference][2]: the high and the low 4 bits of an attention weight */
    weight: Tensor;
  };

  constructor(readonly tf: TensorFlow) {
    const weights = Array.from({ length: NO_WEIGHT + 1 }, (_, t) => attentionWeight(t));
    this.tables = {
      sigmoid: this.constant(everyInt16((x) => sigmoid16(x) / 128)),
      tanh: this.constant(everyInt16(tanh16)),
      gelu: this.constant(everyInt16(gelu)),
      weight: this.constant(Float32Array.from(weights.flatMap((w) => [w >> 4, w & 15])), [NO_WEIGHT + 1, 2]),
    };
  }

  /** A tensor that stays until it is disposed of or, if it is made by the constructor, until `close`. */
  constant(values: Float32Array, shape = [values.length]): Tensor {
    const tensor = this.tf.keep(this.tf.tensor(values, shape, 'float32'));
    if (!this.tables) this.kept.push(tensor);
    return tensor;
  }

  /** @param m below 2^15 each, 9 <= shift <= 31 */
  multiplier(m: ArrayLike<number>, shift: number): Multiplier {
    const each = (f: (x: number) => number) => this.constant(Float32Array.from(m, f));
    return {
      whole: each((x) => x),
      high: each((x) => (x >> 7) * 2 ** Math.max(0, 15 - shift)),
      low: each((x) => x & 127),
      shift,
    };
  }

  close(): void {
    for (const tensor of [...this.kept, ...this.numbers.values()]) tensor.dispose();
    this.kept.length = 0;
    this.numbers.clear();
  }

  /**
   * `scale(a, m, s)` as whole numbers that add up to it: one, if s > 15, below 2^24; else two, of which the
   * first has at most 24 bits that are not 0 and is below 2^30, the second below 2^24.
   * @param a a / 256, |a| <= 2^24
   */
  scale(a: Tensor, { whole, high, low, shift }: Multiplier): Tensor[] {
    const { tf } = this;
    const upper = tf.floor(a); // 17 bits
    const lower = tf.sub(a, upper); // 8 bits, below 1
    // what of (a m) / 256 is not from m's high bits: 17 + 7 bits, and the floor of 8 + 15 bits
    const rest = tf.add(tf.mul(upper, low), tf.floor(tf.mul(lower, whole)));
    const product = tf.mul(upper, high); // 17 + 8 bits; the 17th is that of -2^24 alone
    if (shift <= 15) return [product, this.rounded(rest, shift - 8)];
    const carried = tf.add(product, tf.floor(this.times(rest, 2 ** -7)));
    return [this.rounded(carried, shift - 15)];
  }

  /**
   * The int16 nearest to the sum of whole numbers, each as {@link scale} has them or below 2^24.
   * @param small whether all are so small that no partial sum passes 2^24: {@link small}
   */
  saturated(terms: Tensor[], small: boolean): Tensor {
    const { tf } = this;
    const sum = (list: Tensor[]) => list.reduce((a, b) => tf.add(a, b));
    if (small) return tf.clipByValue(sum(terms), -INT16, INT16);
    const uppers = terms.map((term) => tf.floor(this.times(term, 2 ** -12)));
    const lowers = terms.map((term, i) => tf.sub(term, this.times(uppers[i], 2 ** 12)));
    // where the upper sum is cut, the whole is far from what an int16 holds
    const upper = tf.clipByValue(sum(uppers), -2048, 2048);
    return tf.clipByValue(tf.add(this.times(upper, 2 ** 12), sum(lowers)), -INT16, INT16);
  }

  /** Whether sums of that magnitude are small for {@link saturated}. */
  static small(largest: number): boolean {
    return largest < SMALL;
  }

  /** `mul15(a, b)`: 8 + 15 bits and the floor of 7 + 15 bits. */
  mul15({ high, low }: Digits, b: Tensor): Tensor {
    const { tf } = this;
    return this.rounded(tf.add(tf.mul(high, b), tf.floor(tf.mul(low, b))), 8);
  }

  /** `scale(c, f, 15)` for |c| < 2^24. */
  scaleCell(c: Tensor, { sum, high, low }: Digits): Tensor {
    const { tf } = this;
    const shifted = this.times(c, 2 ** -8);
    const upper = tf.floor(shifted);
    const lower = this.times(tf.sub(shifted, upper), 2 ** 7);
    // c f / 2^15 = upper high + upper low + lower sum / 2^7, of which the last is cut where low ends
    const cut = this.times(tf.floor(tf.mul(lower, sum)), 2 ** -7);
    const fraction = tf.floor(tf.add(tf.add(tf.mul(upper, low), cut), this.number(0.5)));
    return tf.add(tf.mul(upper, high), fraction);
  }

  /** `(x + 2^(s-1)) >> s` for |x| <= 2^24. A sum of 25 bits is rounded, but not across a multiple of 2^s. */
  rounded(x: Tensor, s: number): Tensor {
    return this.tf.floor(this.tf.add(this.times(x, 2 ** -s), this.number(0.5)));
  }

  /** Where an int16 lies in {@link sigmoid} and the other tables. */
  index(x: Tensor): Tensor {
    return this.tf.cast(this.tf.add(x, this.number(INT16)), 'int32');
  }

  /** @param index of {@link index}, as those of `tanh` and `gelu` */
  sigmoid(index: Tensor): Digits {
    const sum = this.tf.gather(this.tables.sigmoid, index);
    const high = this.tf.floor(sum);
    return { sum, high, low: this.tf.sub(sum, high) };
  }

  tanh(index: Tensor): Tensor {
    return this.tf.gather(this.tables.tanh, index);
  }

  gelu(index: Tensor): Tensor {
    return this.tf.gather(this.tables.gelu, index);
  }

  /**
   * The attention's weights.
   * @param scores [streams][positions], below 2^24
   * @returns [streams][positions][2]: high and low 4 bits
   */
  weights(scores: Tensor, multiplier: Multiplier): Tensor {
    const { tf } = this;
    // a difference that is rounded is beyond the least that is cut
    const below = tf.minimum(tf.sub(tf.max(scores, 1, true), scores), this.number(2 ** 24 - 1));
    // none is negative: a sum that is rounded has no weight
    const t = this.scale(this.times(below, 2 ** -8), multiplier).reduce((a, b) => tf.add(a, b));
    return tf.gather(this.tables.weight, tf.cast(tf.minimum(t, this.number(NO_WEIGHT)), 'int32'));
  }

  times(x: Tensor, factor: number): Tensor {
    return this.tf.mul(x, this.number(factor));
  }

  /** A number as a tensor, made once. */
  number(x: number): Tensor {
    let tensor = this.numbers.get(x);
    if (!tensor) {
      tensor = this.tf.keep(this.tf.tensor(Float32Array.of(x), [], 'float32'));
      this.numbers.set(x, tensor);
    }
    return tensor;
  }
}
