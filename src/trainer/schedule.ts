/** @file The learning rate over a run. */

/** How the rate falls to exactly 0. */
export const DECAYS = ['linear', 'sqrt', 'cosine'] as const;

export interface Schedule {
  /** highest rate */
  peak: number;
  /** share of the run during which the rate rises linearly from 0 */
  warmup: number;
  /** how it falls afterwards */
  decay: (typeof DECAYS)[number];
}

/**
 * @param progress share of the run that is done, by time or by steps; outside [0, 1] it counts as the nearer
 * end
 */
export function rateAt({ peak, warmup, decay }: Schedule, progress: number): number {
  const p = Math.max(0, Math.min(1, progress));
  if (p < warmup) return (peak * p) / warmup;
  const left = warmup < 1 ? (1 - p) / (1 - warmup) : 0;
  if (decay === 'cosine') return (peak * (1 - Math.cos(Math.PI * left))) / 2;
  return decay === 'sqrt' ? peak * (1 - Math.sqrt(1 - left)) : peak * left;
}
