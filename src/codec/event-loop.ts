/** @file Lets the event loop run now and then during long computations, so that signals, timers and aborts work. */

/** Longest time in ms that coding keeps the event loop waiting. */
const INTERVAL = 25;

const immediate: (resume: () => void) => void =
  typeof setImmediate === 'function' ? setImmediate : (resume) => setTimeout(resume, 0);

/** To be asked often; gives a promise to await when it is time to pause, and throws once the signal is aborted. */
export class Breath {
  readonly #signal: AbortSignal | undefined;
  #last = performance.now();

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /** @throws the signal's reason */
  take(): Promise<void> | undefined {
    this.#signal?.throwIfAborted();
    if (performance.now() - this.#last < INTERVAL) return undefined;
    return new Promise<void>((resolve) => immediate(resolve)).then(() => {
      this.#last = performance.now();
      this.#signal?.throwIfAborted();
    });
  }
}
