/**
 * @file Lets the event loop run now and then during long computations, so that signals, timers and aborts
 * work.
 */

/** Longest time in ms that coding means to keep the event loop waiting. */
export const LONGEST_WAIT = 25;
/** Time in ms that a portion of work should take. It may take twice as long, where the work gets harder. */
const PORTION = 6;
/** Time in ms after which no other portion is begun before the event loop has had its turn. */
const DUE = LONGEST_WAIT - 2 * PORTION;

/** The same of work that is done elsewhere while the event loop runs: an abort waits for its end. */
const PORTION_ELSEWHERE = 60;

/** Symbols of a first portion, while it is not known how long one takes. */
const FIRST_SYMBOLS = 32;

/** Calls back after what waits already. A page has no `setImmediate`, and its timers wait for 4 ms. */
const immediate: (resume: () => void) => void =
  typeof setImmediate === 'function'
    ? setImmediate
    : (resume) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = () => {
          port1.close();
          resume();
        };
        port2.postMessage(null);
      };

/**
 * To be asked often; gives a promise to await when it is time to pause, and throws once the signal is
 * aborted.
 */
export class Pauses {
  readonly #signal: AbortSignal | undefined;
  #last = performance.now();

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
  }

  /** @throws the signal's reason */
  take(): Promise<void> | undefined {
    this.#signal?.throwIfAborted();
    if (performance.now() - this.#last < DUE) return undefined;
    return new Promise<void>((resolve) => immediate(resolve)).then(() => {
      this.#last = performance.now();
      this.#signal?.throwIfAborted();
    });
  }
}

/**
 * Cuts one kind of work into portions that are short on this machine, whatever its speed: each has the size
 * that the one before it suggests. What is computed must not depend on where it is cut.
 */
export class Portions {
  readonly #pauses: Pauses;
  readonly #streams: number;
  /** Most symbols of a portion. */
  readonly most: number;
  #size: number;
  #start = 0;
  #portion = PORTION;

  /**
   * @param streams symbols per step; a portion is whole steps, at least one, except at the end
   * @param most symbols of a portion, about: whole steps, at least one
   */
  constructor(pauses: Pauses, streams: number, most: number) {
    this.#pauses = pauses;
    this.#streams = streams;
    this.most = wholeSteps(most, streams);
    this.#size = wholeSteps(Math.min(FIRST_SYMBOLS, most), streams);
  }

  /** How many of the symbols that are left to do now. */
  begin(left: number): number {
    this.#start = performance.now();
    return Math.min(left, this.#size);
  }

  /** To be told where portions are worked on elsewhere, and hold nobody: they may be longer. */
  elsewhere(): void {
    this.#portion = PORTION_ELSEWHERE;
  }

  /** To be told when a result has come from elsewhere: what was waited for has not held the event loop. */
  waited(): void {
    this.#start = performance.now();
  }

  /**
   * To be called when that many symbols are done.
   * @returns a promise to await before the next portion, if it is time
   * @throws the signal's reason
   */
  end(symbols: number): Promise<void> | undefined {
    const fitting = (symbols * this.#portion) / (performance.now() - this.#start);
    this.#size = Math.min(this.most, wholeSteps(Math.min(2 * this.#size, fitting), this.#streams));
    return this.#pauses.take();
  }
}

/** Bytes that are copied or summed up in one go. */
const PIECE = 2 ** 20;

/**
 * Does what must be done with so many bytes in pieces of whole steps, with turns for the event loop between
 * them.
 * @throws the signal's reason
 */
export async function inPieces(
  pauses: Pauses,
  length: number,
  work: (from: number, to: number) => void,
  step = 1,
): Promise<void> {
  const piece = wholeSteps(PIECE, step);
  for (let from = 0; from < length; from += piece) {
    work(from, Math.min(from + piece, length));
    const pause = pauses.take();
    if (pause) await pause;
  }
}

/** About that many symbols in whole steps, at least one. */
export const wholeSteps = (symbols: number, streams: number): number =>
  Math.max(1, Math.floor(symbols / streams)) * streams;
