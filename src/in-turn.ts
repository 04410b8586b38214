/** @file Work that is done one after the other, whoever asks for it. */

export class InTurn {
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Does something when all that was asked before has ended, well or not.
   * @returns what it gives
   * @throws what it throws: nothing else ends by that
   */
  do<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work, work);
    this.#last = done;
    return done;
  }
}
