/** @file Whether a GPU does a piece of work sooner than the processor, by what both were measured to do. */
import type { EngineWork } from '../codec/platform.js';
import type { Rates } from './measurements.js';

/** A piece of work, without its model. */
export type Work = Omit<EngineWork, 'model'>;

/**
 * What of the processor's time a GPU may take to be chosen. With mixing, which stays on the processor and
 * there runs beside the network, the network's share alone is compared: so the GPU has to be far faster.
 */
const SHARE = { alone: 0.9, mixed: 0.5 } as const;

/** Seconds that the network's part of the work takes, the start included. */
export function secondsOf(work: Work, { start, run, step, encode, decode }: Rates): number {
  const [forth, back] = work.alone ? [encode ?? run, decode ?? step] : [run, step];
  return start + work.encode / forth + work.decode / back;
}

/** Whether the GPU does the work sooner, by a margin. */
export const gpuPays = (work: Work, cpu: Rates, gpu: Rates): boolean =>
  secondsOf(work, gpu) < secondsOf(work, cpu) * (work.alone ? SHARE.alone : SHARE.mixed);

/**
 * What to compare: the measurements of both with the most streams that are no more than the work's, since a
 * GPU gains by streams; undefined if there are none.
 */
export function comparable<T extends Rates & { streams: number }>(
  work: Work,
  cpu: readonly T[],
  gpu: readonly T[],
): { cpu: T; gpu: T } | undefined {
  const counts = gpu.map(({ streams }) => streams).filter((streams) => streams <= work.streams);
  for (const streams of counts.sort((a, b) => b - a)) {
    // the latest counts
    const [c, g] = [cpu, gpu].map((list) => list.findLast((m) => m.streams === streams));
    if (c && g) return { cpu: c, gpu: g };
  }
  return undefined;
}
