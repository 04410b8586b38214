/**
 * @file The integer arithmetic that every engine reproduces bit for bit (docs/model.md, section 2).
 *
 * Everything is a 32-bit integer. Nothing here is tuned for speed: these functions are the specification.
 */

/** Clamps to the symmetric int16 range: -32768 never occurs. */
export const sat16 = (x: number): number => Math.max(-32767, Math.min(32767, x));

/** Clamps to the symmetric int8 range: -128 never occurs. */
export const sat8 = (x: number): number => Math.max(-127, Math.min(127, x));

/** Rounding product of two int16, Q0.15 if one of them is: `(a*b + 2^14) >> 15`. */
export const mul15 = (a: number, b: number): number => (Math.imul(a, b) + 16384) >> 15;

/**
 * Rounding rescale `(a*m + 2^(s-1)) >> s`, computed without 64-bit products.
 * @param a at most 2^24 in magnitude (a dot product, for instance)
 * @param m multiplier, 0 <= m < 2^15
 * @param s shift, 9 <= s <= 31
 */
export function scale(a: number, m: number, s: number): number {
  const hi = Math.imul(a >> 16, m);
  const lo = Math.imul(a & 0xffff, m);
  if (s >= 17) return (hi + (lo >>> 16) + (1 << (s - 17))) >> (s - 16);
  return (hi << (16 - s)) + ((lo + (1 << (s - 1))) >>> s);
}

// Cubics in Q0.15 for the 16 segments of tanh, each 0.5 wide (scripts/fit-tables.mjs prints them).
export const TANH_C0 = Int16Array.of(
  0,
  15141,
  24956,
  29660,
  31589,
  32329,
  32606,
  32708,
  32746,
  32760,
  32765,
  32766,
  32767,
  32767,
  32767,
  32767,
);
export const TANH_C1 = Int16Array.of(16441, 12944, 6878, 2948, 1151, 433, 161, 59, 22, 8, 3, 1, 0, 0, 0, 0);
export const TANH_C2 = Int16Array.of(
  -265,
  -3286,
  -2613,
  -1278,
  -523,
  -200,
  -75,
  -28,
  -10,
  -4,
  -1,
  -1,
  0,
  0,
  0,
  0,
);
export const TANH_C3 = Int16Array.of(-1034, 155, 439, 259, 112, 44, 16, 6, 2, 1, 0, 0, 0, 0, 0, 0);

/** Cubic of 2^-u on [0, 1), Q0.15. */
export const EXP2_C = [32768, -22653, 7563, -1294] as const;

/** tanh of an int16 in Q3.12, as int16 in Q0.15; error at most 6 units. */
export function tanh16(x: number): number {
  const a = Math.abs(x);
  const k = a >> 11;
  const u = (a & 2047) << 4;
  const t = TANH_C0[k] + mul15(u, TANH_C1[k] + mul15(u, TANH_C2[k] + mul15(u, TANH_C3[k])));
  return x < 0 ? -t : t;
}

/** Sigmoid of an int16 in Q4.11, as Q0.15 in [0, 32767]: half of 1 + tanh(x/2). */
export const sigmoid16 = (x: number): number => 16384 + (tanh16(x) >> 1);

/** 2^-(fractional part of t) for t in Q.12; result in Q.15, in (16384, 32768]. */
export function exp2neg(t: number): number {
  const u = (t & 4095) << 3;
  return EXP2_C[0] + mul15(u, EXP2_C[1] + mul15(u, EXP2_C[2] + mul15(u, EXP2_C[3])));
}

/** Attention weight of a score that is t (Q.12, base 2) below the best: 255 * 2^-t, rounded, 0..255. */
export function attentionWeight(t: number): number {
  const k = t >>> 12;
  if (k >= 9) return 0;
  return (255 * exp2neg(t) + (1 << (14 + k))) >> (15 + k);
}

/** Frequency of a symbol whose logit is t (Q.12, base 2) below the best: 2^22 * 2^-t, at least 1. */
export function frequency(t: number): number {
  const k = t >>> 12;
  if (k >= 23) return 1;
  return Math.max(1, (exp2neg(t) << 7) >>> k);
}

/** D and k with D = round(sqrt(width) * 2^k) in [2^14, 2^15). */
export function sqrtConstant(width: number): { D: number; k: number } {
  let k = 0;
  while (Math.sqrt(width) * 2 ** k < 2 ** 14) k++;
  return { D: Math.round(Math.sqrt(width) * 2 ** k), k };
}

/** Number of bits of a non-negative integer: 0 for 0, 16 for 65535. */
const bitLength = (x: number): number => 32 - Math.clz32(x);

/**
 * Layer norm without gain and bias (docs/model.md, section 2.4).
 * @param x int16[d], any format: the result does not depend on its scale
 * @param out int16[d] in Q5.10; |n| < sqrt(d) <= 32, so nothing is saturated but for rounding
 */
export function normalize(x: ArrayLike<number>, out: Int16Array): void {
  const d = out.length;
  let sum = 32768 * d + (d >> 1);
  for (let i = 0; i < d; i++) sum += x[i];
  const mean = Math.floor(sum / d) - 32768;
  let top = 0;
  for (let i = 0; i < d; i++) top = Math.max(top, Math.abs(x[i] - mean));
  const b = bitLength(top);
  if (b === 0) {
    out.fill(0);
    return;
  }
  let q = Math.max(0, 2 * b + bitLength(d - 1) - 32);
  q += q & 1;
  let V = 0;
  for (let i = 0; i < d; i++) {
    const y = x[i] - mean;
    V += Math.imul(y, y) >>> q;
  }
  const e = Math.clz32(V) & ~1;
  const r = Math.floor(Math.sqrt((V << e) >>> 0));
  const inv = Math.floor((2 ** 30 - 1) / r);
  const { D, k } = sqrtConstant(d);
  const m = (Math.imul(inv, D) + 16384) >> 15;
  const g = 16 - b;
  const s = k + 5 - e / 2 + q / 2 + g;
  for (let i = 0; i < d; i++) out[i] = sat16(scale((x[i] - mean) << g, m, s));
}

/**
 * Gain and bias of a norm: `n * gain` shifted right by `shift` (1..15), rounded, plus `bias`; the result in
 * Q.10, not saturated.
 */
export const affine = (n: number, gain: number, bias: number, shift: number): number =>
  ((Math.imul(n, gain) + (1 << (shift - 1))) >> shift) + bias;

/** Right shift (1..8) with rounding, saturated to int16. */
export const narrow = (x: number, shift: number): number => sat16((x + (1 << (shift - 1))) >> shift);

/**
 * x * sigmoid(1.702 x), the GELU of the boom layer, for x in Q7.8; the result in Q7.8. 27886 = 0.851 * 2^15.
 */
export const gelu = (x: number): number => mul15(x, sigmoid16(sat16(2 * mul15(sat16(8 * x), 27886))));

/** Z as z * 2^-k with z in [2^15, 2^16), and R = floor((2^30 - 1) / z): 1/Z = R * 2^(k - 30). */
export function reciprocal(Z: number): { R: number; k: number } {
  const k = 16 - bitLength(Z);
  const z = k >= 0 ? Z << k : Z >> -k;
  return { R: Math.floor((2 ** 30 - 1) / z), k };
}
