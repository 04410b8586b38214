/** @file What is done now and then while something else goes on. */

/** The largest share of the time that goes to what a {@link Timer} runs. */
const LARGEST_SHARE = 0.1;

/**
 * Runs something once in a period. On a machine that is busy with other things, where it may take longer than
 * its period, the period grows, so that training gets the larger part of the time.
 */
export class Timer {
  #next: number;

  /** @param period seconds; 0 for every time */
  constructor(
    readonly period: number,
    start: number,
  ) {
    this.#next = start + period;
  }

  /** @param now the time in seconds */
  async run(now: () => number, work: () => unknown): Promise<void> {
    const from = now();
    if (from < this.#next) return;
    await work();
    const took = now() - from;
    this.#next = from + (this.period > 0 ? Math.max(this.period, took / LARGEST_SHARE) : 0);
  }
}
