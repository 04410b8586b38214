/**
 * @file The positions that one layer's attention sees, of all streams. Tensors are not written to, so new
 * positions gather in a small one, which joins the large one now and then. The order of positions is free:
 * sums over them are exact.
 */
import type { Tensor, TensorFlow } from './tensorflow.js';

/** Positions that gather. */
const RECENT = 64;

/** Positions of a window that are there at most, those included that it has left and that gather. */
export const keptPositions = (window: number): number => window + Math.min(RECENT, window);

export class Memory {
  /** [streams][positions][d] each */
  private older: Tensor | undefined;
  private recent: Tensor | undefined;

  constructor(
    private readonly tf: TensorFlow,
    private readonly window: number,
  ) {}

  /** @param position [streams][1][d], which is the memory's from now on */
  append(position: Tensor): void {
    const { tf, window, older, recent } = this;
    this.recent = recent ? tf.tidy(() => tf.concat([recent, position], 1)) : position;
    if (recent) for (const tensor of [recent, position]) tensor.dispose();
    const { recent: next } = this;
    if (next.shape[1] < Math.min(RECENT, window)) return;
    this.recent = undefined;
    this.older = next;
    if (!older) return;
    this.older = tf.tidy(() => {
      const all = tf.concat([older, next], 1);
      const [streams, positions, d] = all.shape;
      const left = Math.max(0, positions - window);
      return tf.slice(all, [0, left, 0], [streams, positions - left, d]);
    });
    for (const tensor of [older, next]) tensor.dispose();
  }

  /** Products of a query with every position that the window has. @param query [streams][1][d] */
  scores(query: Tensor): Tensor {
    const { tf } = this;
    const { left, parts } = this.positions();
    const scores = tf.concat(
      parts.map((part) => tf.matMul(query, part, false, true)),
      2,
    );
    const [streams, , positions] = scores.shape;
    return tf.reshape(tf.slice(scores, [0, 0, left], [streams, 1, positions - left]), [
      streams,
      positions - left,
    ]);
  }

  /**
   * Sums of the positions with two weights each, whose products stay below 2^24 for 8192 positions if the
   * weights are below 16.
   * @param weights [streams][positions][2]
   * @returns [streams][2][d]
   */
  sums(weights: Tensor): Tensor {
    const { tf } = this;
    const { left, parts } = this.positions();
    const padded =
      left > 0
        ? tf.pad(weights, [
            [0, 0],
            [left, 0],
            [0, 0],
          ])
        : weights;
    let first = 0;
    const sums = parts.map((part) => {
      const [streams, positions] = part.shape;
      const own = tf.slice(padded, [0, first, 0], [streams, positions, 2]);
      first += positions;
      return tf.matMul(own, part, true, false);
    });
    return sums.reduce((a, b) => tf.add(a, b));
  }

  dispose(): void {
    this.older?.dispose();
    this.recent?.dispose();
    this.older = undefined;
    this.recent = undefined;
  }

  /** What is there, the oldest first, and how many positions the window has left. */
  private positions(): { left: number; parts: Tensor[] } {
    const parts = [this.older, this.recent].filter((part) => part !== undefined);
    const length = parts.reduce((sum, { shape }) => sum + shape[1], 0);
    return { left: Math.max(0, length - this.window), parts };
  }
}
