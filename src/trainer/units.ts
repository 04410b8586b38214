/**
 * @file What one unit of the integer network's numbers stands for (docs/model.md, section 3): `quantize.ts`
 * makes them by this, and `dequantize.ts` reads them.
 */

/** Of an int8 activation's channels: its scale is Q0.15 and maps values in Q5.10. */
export const stepsOf = (scale: Int16Array): Float64Array => Float64Array.from(scale, (s) => 32 / s);

/** Units to 1 of the gate of row r of the LSTM of width d: Q4.11 for i, f, o; Q3.12 for g. */
export const gateUnit =
  (d: number) =>
  (r: number): number =>
    2 ** (r >= 2 * d && r < 3 * d ? 12 : 11);

/** Units to 1 of a logit: Q.12 in units of log 2. */
export const LOGIT_UNIT = Math.LOG2E * 2 ** 12;

/** Units to 1 of the boom layer's sums: Q7.8. */
export const BOOM_UNIT = 2 ** 8;

/** Units to 1 of the recurrent state: Q0.7. */
export const STATE_UNIT = 2 ** 7;

/** Units to 1 of normalized values (Q5.10), and of an affine's bias and result (Q.10). */
export const Q10 = 2 ** 10;

/** Units to 1 of the gain of an affine with this shift, whose input has `inputBits` fractional bits. */
export const gainUnit = (shift: number, inputBits: number): number => 2 ** (shift - inputBits) * Q10;
