/**
 * @file Rounding a matrix so that the errors of its weights cancel in its products: GPTQ (Frantar et al.
 * 2022, arXiv:2210.17323), after Optimal Brain Surgeon (Hassibi and Stork 1993).
 *
 * A row's weights are rounded one after the other. With the second moment H of the inputs, the squared error
 * of the product is e H e^T; what a weight loses is made good, as far as the inputs go together, by those
 * that come after it.
 */

/**
 * Share of the mean second moment that is added to all, against inputs that hardly vary on the calibration
 * text.
 */
const DAMPING = 0.01;

/** What one second moment does to the rounding of any matrix that reads those inputs. */
export class Compensation {
  /**
   * columns from the largest second moment to the smallest: what is rounded last has the fewest to make good
   * for it
   */
  private readonly order: Int32Array;
  /** U, upper triangular, U^T U the inverse of the moment in that order */
  private readonly factor: Float64Array[];
  /** [d]: second moment of each column */
  readonly power: Float64Array;

  /** @param moment [d][d] of the int8 inputs, symmetric */
  constructor(moment: Float64Array, d: number) {
    this.power = Float64Array.from({ length: d }, (_, k) => moment[k * d + k]);
    const damping = (DAMPING * this.power.reduce((a, b) => a + b)) / d + 1e-6;
    this.order = Int32Array.from({ length: d }, (_, k) => k).sort((a, b) => this.power[b] - this.power[a]);
    // With J the reversal of the order: J H J = L L^T gives U = J L^-1 J, lower triangular inverted, then
    // read backwards.
    const at = (i: number, j: number) => this.order[d - 1 - i] * d + this.order[d - 1 - j];
    const lower = cholesky(d, (i, j) => moment[at(i, j)] + (i === j ? damping : 0));
    const inverse = inverted(lower);
    this.factor = Array.from({ length: d }, (_, i) =>
      Float64Array.from({ length: d }, (_, j) => (j < i ? 0 : inverse[d - 1 - i][d - 1 - j])),
    );
  }

  /**
   * Rounds some rows [n][d]; the given weights are changed.
   * @param steps [n]
   * @param limit largest magnitude of a rounded weight
   */
  round(rows: Float64Array[], steps: ArrayLike<number>, limit: number, out: Int8Array[]): void {
    const { order, factor } = this;
    const d = order.length;
    const error = new Float64Array(rows.length);
    const sorted = rows.map((row) => Float64Array.from(order, (k) => row[k]));
    for (let k = 0; k < d; k++) {
      const u = factor[k];
      for (let r = 0; r < rows.length; r++) {
        const w = sorted[r][k];
        const n = Math.max(-limit, Math.min(limit, Math.round(w / steps[r])));
        out[r][order[k]] = n;
        error[r] = (w - n * steps[r]) / u[k];
      }
      for (let r = 0; r < rows.length; r++) {
        const row = sorted[r];
        const e = error[r];
        for (let j = k + 1; j < d; j++) row[j] -= e * u[j];
      }
    }
  }
}

/** L with L L^T the symmetric positive definite matrix of those elements. */
function cholesky(d: number, element: (i: number, j: number) => number): Float64Array[] {
  const L: Float64Array[] = [];
  for (let i = 0; i < d; i++) {
    const row = new Float64Array(d);
    for (let j = 0; j <= i; j++) {
      const other = j === i ? row : L[j];
      let sum = element(i, j);
      for (let k = 0; k < j; k++) sum -= row[k] * other[k];
      row[j] = j === i ? Math.sqrt(Math.max(sum, 1e-12)) : sum / other[j];
    }
    L.push(row);
  }
  return L;
}

/** Inverse of a lower triangular matrix. */
function inverted(L: Float64Array[]): Float64Array[] {
  const d = L.length;
  const inverse = L.map(() => new Float64Array(d));
  for (let i = 0; i < d; i++) {
    const row = inverse[i];
    for (let k = 0; k < i; k++) {
      const x = L[i][k];
      const above = inverse[k];
      for (let j = 0; j <= k; j++) row[j] -= x * above[j];
    }
    row[i] = 1;
    for (let j = 0; j <= i; j++) row[j] /= L[i][i];
  }
  return inverse;
}
