/** @file The original bytes that copies can refer to: a ring of segments that grows as it is filled. */

/** Bytes of a segment. */
const SEGMENT = 2 ** 20;
/** Bytes of the first segment when it is made: a small file needs no more. */
const FIRST = 2 ** 12;

/** The last bytes of a member, at least `window` of them and those that were appended last. */
export class History {
  readonly #segments: Uint8Array<ArrayBuffer>[] = [];
  readonly #most: number;
  #end = 0;
  #bytes = 0;

  /** @param window bytes before those that are appended at once that stay, at least */
  constructor(window: number) {
    // beside the window: the piece that is appended, and the segments that both begin and end in
    this.#most = Math.ceil(window / SEGMENT) + 2;
  }

  /** Bytes of memory that a full one takes. */
  static memory(window: number): number {
    return (Math.ceil(window / SEGMENT) + 2) * SEGMENT;
  }

  /** Bytes of memory that it has now. */
  get memory(): number {
    return this.#bytes;
  }

  /** Bytes appended so far: positions are counted from the first of them. */
  get end(): number {
    return this.#end;
  }

  /** The first position whose byte is still there. */
  get begin(): number {
    return Math.max(0, (Math.ceil(this.#end / SEGMENT) - this.#most) * SEGMENT);
  }

  append(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const start = this.#end % SEGMENT;
      const count = Math.min(bytes.length - at, SEGMENT - start);
      this.#room(start + count).set(bytes.subarray(at, at + count), start);
      at += count;
      this.#end += count;
    }
  }

  /** Writes the `length` bytes from a position on into `target`. They must be there. */
  read(position: number, target: Uint8Array, at: number, length: number): void {
    for (let done = 0; done < length; ) {
      const from = (position + done) % SEGMENT;
      const count = Math.min(length - done, SEGMENT - from);
      target.set(this.#segment(position + done).subarray(from, from + count), at + done);
      done += count;
    }
  }

  /**
   * How many of the bytes from `from` to `to` are those from a position on. The position may be among them.
   */
  same(position: number, bytes: Uint8Array, from: number, to: number): number {
    let at = from;
    while (at < to) {
      const segment = this.#segment(position + at - from);
      const first = (position + at - from) % SEGMENT;
      const end = Math.min(to, at + SEGMENT - first);
      const shift = first - at;
      while (at < end && segment[at + shift] === bytes[at]) at++;
      if (at < end) break;
    }
    return at - from;
  }

  /** How many of the bytes before two positions are the same, at most `most`. */
  sameBefore(a: number, b: number, most: number): number {
    let done = 0;
    while (done < most) {
      const [first, second] = [this.#segment(a - done - 1), this.#segment(b - done - 1)];
      let i = (a - done - 1) % SEGMENT;
      let j = (b - done - 1) % SEGMENT;
      const end = Math.min(most, done + 1 + Math.min(i, j));
      while (done < end && first[i--] === second[j--]) done++;
      if (done < end) break;
    }
    return done;
  }

  #segment(position: number): Uint8Array<ArrayBuffer> {
    return this.#segments[Math.floor(position / SEGMENT) % this.#most];
  }

  /** The segment that is written to, with room for that many bytes. */
  #room(filled: number): Uint8Array<ArrayBuffer> {
    const index = Math.floor(this.#end / SEGMENT) % this.#most;
    const segment = this.#segments[index];
    if (segment && segment.length >= filled) return segment;
    const size =
      this.#segments.length > 1
        ? SEGMENT
        : Math.min(SEGMENT, Math.max(FIRST, filled, 2 * (segment?.length ?? 0)));
    const larger = new Uint8Array(size);
    if (segment) larger.set(segment);
    this.#bytes += size - (segment?.length ?? 0);
    this.#segments[index] = larger;
    return larger;
  }
}

/** Bytes of memory that a history takes once so many bytes were appended, at most. */
export const historyMemory = (window: number, bytes: number): number =>
  Math.min(History.memory(window), Math.max(FIRST, 2 * bytes));
