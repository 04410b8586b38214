/** @file How far one distribution of bytes is from another. */

/** Weights of which the sum is 1. */
export function normal(weights: ArrayLike<number>): number[] {
  const all = Array.from(weights);
  const total = all.reduce((a, b) => a + b);
  return all.map((w) => w / total);
}

/** Divergence of q from p in bits (Kullback and Leibler): what coding by q instead of p costs on average. */
export const divergence = (p: readonly number[], q: readonly number[]): number =>
  p.reduce((sum, x, k) => sum + x * Math.log2(x / q[k]), 0);
