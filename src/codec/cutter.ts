/** @file Cuts the input of a compression into blocks, and takes out what repeats over long distances. */
import { ShacompError } from '../errors.js';
import type { ByteReader } from './container/byte-reader.js';
import type { Pauses } from './event-loop.js';
import type { RepeatFinder, SplitBlock } from './repeats/finder.js';

/** A piece of the input: a block, or the end behind the last one. */
export interface Cut {
  last: boolean;
  /** checksum of all original bytes up to its end */
  sum: number;
  block?: SplitBlock;
}

export interface CutterTools {
  /** bytes that the input was announced to have */
  size: number | undefined;
  pauses: Pauses;
  checksum: (bytes: Uint8Array, previous: number) => number;
  /** throws if that many bytes that were read are more than allowed */
  allow: (bytes: number) => void;
}

export class BlockCutter {
  readonly #reader: ByteReader;
  readonly #finder: RepeatFinder;
  readonly #tools: CutterTools;
  #sum = 0;
  #done = false;

  constructor(reader: ByteReader, finder: RepeatFinder, tools: CutterTools) {
    this.#reader = reader;
    this.#finder = finder;
    this.#tools = tools;
  }

  /**
   * The next block: as long as it may be, or up to a mark in the input. Undefined behind the end.
   * @throws ShacompError ERR_OPTIONS if the input is not as long as was announced; what `allow` throws
   */
  async next(): Promise<Cut | undefined> {
    const reader = this.#reader;
    const finder = this.#finder;
    const { size, pauses } = this.#tools;
    if (this.#done) return undefined;
    await pauses.take();
    const flushed = await this.#fill();
    const last = !flushed && finder.empty && (await reader.atEnd());
    if (size !== undefined && (last ? reader.offset !== size : reader.offset > size))
      throw new ShacompError(
        'ERR_OPTIONS',
        `the input does not have the ${size} bytes that were announced: it may have changed meanwhile`,
      );
    if (!flushed && finder.empty) reader.takeMark();
    this.#done = last;
    const cut = { last, sum: this.#sum };
    return finder.length === 0 ? cut : { ...cut, block: finder.end() };
  }

  /** Reads until there is a block. @returns whether a mark in the input ends it */
  async #fill(): Promise<boolean> {
    const reader = this.#reader;
    const finder = this.#finder;
    const { pauses, checksum, allow } = this.#tools;
    const taken = finder.done.length;
    let full = finder.advance();
    this.#sum = checksum(finder.done.subarray(taken), this.#sum);
    while (!full) {
      const piece = await reader.read(finder.wanted, allow);
      // a mark with nothing before it asks for nothing
      const marked = piece.length === 0 && reader.takeMark();
      if (marked && finder.length === 0) continue;
      if (piece.length === 0) return marked;
      finder.give(piece);
      full = finder.advance();
      this.#sum = checksum(finder.done, this.#sum);
      await pauses.take();
    }
    return false;
  }
}
