/**
 * @file Arithmetic of the mixing reference: logistic function and its inverse, bit-history states, adaptive
 * probabilities.
 */

/** Logits are natural-log odds in Q8, within ±LOGIT_MAX (12 nats). */
export const LOGIT_MAX = 3071;

/** squash for logits -3072..3071 at index logit + 3072: probabilities in Q16, 1..65535. */
const SQUASH = (() => {
  const table = new Uint16Array(6144);
  let e = 1n << 32n; // exp(-k/256) in Q32
  for (let k = 0; k < 3072; k++) {
    const p = Math.min(65535, Number((1n << 48n) / ((1n << 32n) + e)));
    table[3072 + k] = p;
    if (k > 0) table[3072 - k] = 65536 - p;
    e = (e * 4278222926n) >> 32n; // 4278222926 = floor(2^32 exp(-1/256))
  }
  table[0] = table[1]!;
  return table;
})();

export const clampLogit = (x: number): number => Math.max(-LOGIT_MAX, Math.min(LOGIT_MAX, x));

/** Logistic function: logit Q8 -> probability Q16. */
export const squash = (logit: number): number => SQUASH[3072 + clampLogit(logit)]!;

/** Inverse of squash, exactly below 1/16 and above 15/16, between them in steps of 16/65536. */
const { low: STRETCH_LOW, middle: STRETCH_MIDDLE } = (() => {
  const low = new Int16Array(4096);
  const middle = new Int16Array(4096);
  let x = -LOGIT_MAX;
  for (let p = 0; p < 65536; p++) {
    while (x < LOGIT_MAX && SQUASH[3072 + x]! < p) x++;
    if (p < 4096) low[p] = x;
    if ((p & 15) === 8) middle[p >> 4] = x;
  }
  return { low, middle };
})();

/** Log odds: probability Q16 -> logit Q8. */
export function stretch(p: number): number {
  if (p < 4096) return STRETCH_LOW[p]!;
  if (p > 61440) return -STRETCH_LOW[65536 - p]!;
  return STRETCH_MIDDLE[p >> 4]!;
}

export const clampProbability = (p: number): number => Math.max(1, Math.min(65535, p));

/** Log odds of what may be 0 or 65536. */
export const logitOf = (p: number): number => stretch(clampProbability(p));

/**
 * Bit histories in one byte: counts of zeros and ones and, where both occur, which came last. A bit raises
 * its own count and, when the other count exceeds 2, cuts that down to about its logarithm. State 0: never
 * seen. (Mahoney, "Adaptive weighing of context models", 2005.)
 */
export const STATES = (() => {
  const next = [new Uint8Array(256), new Uint8Array(256)] as const;
  const zeros = new Uint8Array(256);
  const ones = new Uint8Array(256);
  const bounds = [45, 22, 12, 7, 5];
  const allowed = (a: number, b: number) => Math.max(a, b) <= (bounds[Math.min(a, b)] ?? -1);
  const index = new Map<string, number>();
  let count = 0;
  for (let total = 0; total <= 45; total++)
    for (let n1 = 0; n1 <= total; n1++) {
      const n0 = total - n1;
      if (!allowed(n0, n1)) continue;
      const mixed = n0 > 0 && n1 > 0;
      for (const last of [0, 1]) {
        if (last === 1 && !mixed) {
          index.set(`${n0},${n1},1`, count - 1);
          continue;
        }
        index.set(`${n0},${n1},${last}`, count);
        zeros[count] = n0;
        ones[count] = n1;
        count++;
      }
    }
  for (let s = 0; s < count; s++)
    for (const bit of [0, 1] as const) {
      let same = (bit ? ones[s]! : zeros[s]!) + 1;
      let other = bit ? zeros[s]! : ones[s]!;
      if (other > 2) other = 32 - Math.clz32(other);
      while (!allowed(same, other)) same--;
      next[bit][s] = index.get(bit ? `${other},${same},1` : `${same},${other},0`)!;
    }
  return { next, zeros, ones };
})();

/**
 * Adaptive probabilities: probability Q22 · 1024 + observations, in a Uint32Array. The n-th observation moves
 * the probability by 1/(n + 1.5) of the error; n stops at `limit`.
 */
export function adapt(table: Uint32Array, at: number, bit: number, limit: number): void {
  const entry = table[at]!;
  const n = entry & 1023;
  const p = entry >>> 10;
  const rate = Math.floor(131072 / (2 * n + 3)); // Q16
  const q = Math.min(4194303, p + Math.floor(((bit * 4194304 - p) * rate) / 65536));
  table[at] = q * 1024 + (n < limit ? n + 1 : n);
}

/** The probability of an adaptive entry in Q16. */
export const probability = (entry: number): number => entry >>> 16;

/** A 32-bit hash of two numbers. */
export function hash2(a: number, b: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b + 0x7f4a7c15, 0x85ebca6b);
  h ^= h >>> 15;
  return Math.imul(h, 0xc2b2ae35) >>> 0;
}
