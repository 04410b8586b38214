#!/usr/bin/env node
/**
 * @file Fits the integer polynomials of src/engines/reference/fixed-point.ts and prints them. Run by hand;
 * the printed numbers are part of the specification (docs/model.md, section 4) and never change within a
 * format version.
 */

const mul15 = (a, b) => (a * b + 16384) >> 15;

/** Cubic through Chebyshev nodes of [0, 1]: near-minimax, then rounded to Q0.15. */
function fitCubic(f) {
  const n = 4;
  const xs = Array.from({ length: n }, (_, i) => 0.5 - 0.5 * Math.cos(((2 * i + 1) * Math.PI) / (2 * n)));
  const rows = xs.map((x) => [1, x, x * x, x * x * x, f(x)]);
  for (let c = 0; c < n; c++) {
    const pivot = rows[c][c];
    for (let k = c; k <= n; k++) rows[c][k] /= pivot;
    for (let r = 0; r < n; r++) {
      if (r === c) continue;
      const factor = rows[r][c];
      for (let k = c; k <= n; k++) rows[r][k] -= factor * rows[c][k];
    }
  }
  return rows.map((r) => Math.round(r[n] * 32768));
}

const evaluate = (c, u) => c[0] + mul15(u, c[1] + mul15(u, c[2] + mul15(u, c[3])));

const columns = [[], [], [], []];
let worst = 0;
for (let k = 0; k < 16; k++) {
  const f = (u) => Math.tanh((k + u) / 2);
  const c = fitCubic(f);
  if (k === 0) c[0] = 0; // tanh16 is odd: tanh16(0) = 0
  c[0] = Math.min(c[0], 32767);
  // Never above 1 - 2^-15, for every argument of the segment.
  for (;;) {
    let top = 0;
    for (let a = 0; a < 2048; a++) top = Math.max(top, evaluate(c, a << 4));
    if (top <= 32767) break;
    c[0] -= top - 32767;
  }
  for (let a = 0; a < 2048; a++) {
    worst = Math.max(worst, Math.abs(evaluate(c, a << 4) - 32768 * f(a / 2048)));
  }
  for (let i = 0; i < 4; i++) columns[i].push(c[i]);
}
for (let i = 0; i < 4; i++) console.log(`C${i} = [${columns[i].join(', ')}]`);
console.log(`tanh16: worst error ${worst.toFixed(2)} units of 2^-15`);

const e = fitCubic((u) => 2 ** -u);
e[0] = 32768;
worst = 0;
let low = 1e9;
for (let t = 0; t < 4096; t++) {
  const p = evaluate(e, t << 3);
  low = Math.min(low, p);
  worst = Math.max(worst, Math.abs(p - 32768 * 2 ** (-t / 4096)));
}
console.log(`exp2neg = [${e.join(', ')}]: worst error ${worst.toFixed(2)} units of 2^-15, lowest ${low}`);
