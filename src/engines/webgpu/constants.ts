/** @file Coefficients of docs/model.md, section 4, as the shaders have them. */

/** C0 to C3 of `tanh16`, 16 segments each. */
const TANH: readonly (readonly number[])[] = [
  [
    0, 15141, 24956, 29660, 31589, 32329, 32606, 32708, 32746, 32760, 32765, 32766, 32767, 32767, 32767,
    32767,
  ],
  [16441, 12944, 6878, 2948, 1151, 433, 161, 59, 22, 8, 3, 1, 0, 0, 0, 0],
  [-265, -3286, -2613, -1278, -523, -200, -75, -28, -10, -4, -1, -1, 0, 0, 0, 0],
  [-1034, 155, 439, 259, 112, 44, 16, 6, 2, 1, 0, 0, 0, 0, 0, 0],
];

/** The same as a uniform buffer has them: a segment's four side by side. */
export const tanhCubics = (): Int32Array<ArrayBuffer> =>
  Int32Array.from({ length: 64 }, (_, i) => TANH[i % 4][i >> 2]);

/** The cubic of `exp2neg`. */
export const EXP2 = [32768, -22653, 7563, -1294] as const;

/** D and k with D = round(sqrt(width) 2^k) in [2^14, 2^15): docs/model.md, section 2.4. */
export function rootOfWidth(width: number): { D: number; k: number } {
  let k = 0;
  while (Math.sqrt(width) * 2 ** k < 2 ** 14) k++;
  return { D: Math.round(Math.sqrt(width) * 2 ** k), k };
}
