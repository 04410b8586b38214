/**
 * @file Marks places in bytes by what stands before them, so that equal bytes are marked alike wherever they
 * are: the gear hash (Xia and others, "Ddelta", 2014), as content-defined chunking and the long-distance
 * matcher of zstd use it.
 */

/** Bytes that a mark depends on. */
export const GEAR_BYTES = 32;
/** One place in that many is marked, on average: a power of two. */
export const GEAR_DISTANCE = 64;

/** The top bits: those that depend on all {@link GEAR_BYTES} bytes. */
const MARKED = -(2 ** 32 / GEAR_DISTANCE);

/** A random number for each byte (splitmix32, Steele and others 2014). */
const GEAR = Int32Array.from({ length: 256 }, (_, byte) => {
  let z = Math.imul(byte + 1, 0x9e3779b9);
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return z ^ (z >>> 15);
});

/** Periods whose runs are found divide this number. */
export const LONGEST_PERIOD = 240;
/** Every so many bytes it is asked whether a run goes on. */
const STRIDE = 512;

/** Marked places of one piece after the other. */
export class Marks {
  /**
   * Behind how many bytes of the piece each mark stands; negative where a run goes on there, see {@link
   * LONGEST_PERIOD}.
   */
  places = new Int32Array(256);
  /** The hash of the bytes before each mark. */
  hashes = new Int32Array(256);
  count = 0;
  #hash = 0;

  /** Finds the marks of the next piece. */
  find(bytes: Uint8Array): void {
    this.count = 0;
    for (let at = 0; at < bytes.length; ) {
      const middle = Math.min(bytes.length, at + STRIDE - LONGEST_PERIOD);
      this.#scan(bytes, at, middle);
      const before = this.#hash;
      at = Math.min(bytes.length, middle + LONGEST_PERIOD);
      this.#scan(bytes, middle, at);
      if (at === middle + LONGEST_PERIOD && this.#hash === before) this.#add(-at, before);
    }
  }

  /** Passes over a piece: there are no marks in it. */
  skip(): void {
    this.count = 0;
  }

  #scan(bytes: Uint8Array, from: number, to: number): void {
    let hash = this.#hash;
    for (let i = from; i < to; i++) {
      hash = ((hash << 1) + GEAR[bytes[i]]) | 0;
      if ((hash & MARKED) === 0) this.#add(i + 1, hash);
    }
    this.#hash = hash;
  }

  #add(place: number, hash: number): void {
    if (this.count === this.places.length) {
      const [places, hashes] = [new Int32Array(2 * this.count), new Int32Array(2 * this.count)];
      places.set(this.places);
      hashes.set(this.hashes);
      this.places = places;
      this.hashes = hashes;
    }
    this.places[this.count] = place;
    this.hashes[this.count++] = hash;
  }
}

/** Periods of runs, the shortest first: what divides the longest. */
export const PERIODS: readonly number[] = Array.from({ length: LONGEST_PERIOD }, (_, i) => i + 1).filter(
  (period) => LONGEST_PERIOD % period === 0,
);

/** Where marked places were seen last: a table of hashes that grows with their number. */
export class MarkTable {
  /** A hash and a position modulo 2^32 for each slot; an empty one has zeros. */
  #slots = new Int32Array(2 ** 11);
  #shift = 22;
  #used = 0;
  readonly #most: number;

  /** @param window bytes over which places are wanted */
  constructor(window: number) {
    this.#most = 2 ** Math.ceil(Math.log2(Math.max(2 ** 10, window / GEAR_DISTANCE)));
  }

  /** Bytes of memory that a full one takes, at most. */
  static memory(window: number): number {
    return 16 * Math.max(2 ** 10, window / GEAR_DISTANCE);
  }

  /** Bytes of memory that it has. */
  get memory(): number {
    return 4 * this.#slots.length;
  }

  /**
   * Puts a place in, in the stead of one with the same slot.
   * @param position modulo 2^32 is kept
   * @returns how far back the place before was, modulo 2^32; 0 if there was none with the same hash
   */
  put(hash: number, position: number): number {
    const slots = this.#slots;
    // Fibonacci hashing (Knuth 6.4): the top bits of the product depend on all of the hash's
    const slot = 2 * (Math.imul(hash, 0x9e3779b1) >>> this.#shift);
    const known = slots[slot];
    const before = slots[slot + 1];
    slots[slot] = hash;
    slots[slot + 1] = position;
    if (known === hash) return (position - before) >>> 0;
    if (known === 0 && before === 0 && ++this.#used > slots.length / 4 && slots.length < 2 * this.#most)
      this.#grow();
    return 0;
  }

  #grow(): void {
    const before = this.#slots;
    this.#slots = new Int32Array(2 * before.length);
    this.#shift--;
    for (let i = 0; i < before.length; i += 2) {
      if (before[i] === 0 && before[i + 1] === 0) continue;
      const slot = 2 * (Math.imul(before[i], 0x9e3779b1) >>> this.#shift);
      this.#slots[slot] = before[i];
      this.#slots[slot + 1] = before[i + 1];
    }
  }
}
