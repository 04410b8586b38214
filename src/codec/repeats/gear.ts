/**
 * @file Marks places in bytes by what stands before them, so that equal bytes are marked alike wherever they are: the gear
 * hash (Xia and others, "Ddelta", 2014), as content-defined chunking and the long-distance matcher of zstd use it.
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
const PERIOD = 240;
/** Every so many bytes it is asked whether a run goes on. */
const STRIDE = 512;

/** Marked places of one piece after the other. */
export class Marks {
  /** Behind how many bytes of the piece each mark stands; negative where a run goes on there, see {@link PERIOD}. */
  places = new Int32Array(256);
  /** The hash of the bytes before each mark. */
  hashes = new Int32Array(256);
  count = 0;
  #hash = 0;

  /** Finds the marks of the next piece. */
  find(bytes: Uint8Array): void {
    this.count = 0;
    for (let at = 0; at < bytes.length; ) {
      const middle = Math.min(bytes.length, at + STRIDE - PERIOD);
      this.#scan(bytes, at, middle);
      const before = this.#hash;
      at = Math.min(bytes.length, middle + PERIOD);
      this.#scan(bytes, middle, at);
      if (at === middle + PERIOD && this.#hash === before) this.#add(-at, before);
    }
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

/** Periods of runs, the shortest first: what divides {@link PERIOD}. */
export const PERIODS: readonly number[] = Array.from({ length: PERIOD }, (_, i) => i + 1).filter(
  (period) => PERIOD % period === 0,
);

/** Where marked places were seen last: a table of hashes that grows with their number. */
export class MarkTable {
  #positions = new Uint32Array(2 ** 10);
  #hashes = new Int32Array(2 ** 10);
  #used = 0;
  readonly #most: number;

  /** @param window bytes over which places are wanted */
  constructor(window: number) {
    this.#most = 2 ** Math.ceil(Math.log2(Math.max(2 ** 10, window / GEAR_DISTANCE)));
  }

  /** Bytes of memory that a full one takes. */
  static memory(window: number): number {
    return 16 * Math.max(2 ** 10, window / GEAR_DISTANCE);
  }

  get memory(): number {
    return 8 * this.#positions.length;
  }

  /**
   * Puts a place in, in the stead of one with the same hash.
   * @param position modulo 2^32 is kept
   * @returns how far back the place before was, modulo 2^32; 0 if there was none
   */
  put(hash: number, position: number): number {
    let slot = this.#slot(hash);
    const known = this.#positions[slot] !== 0 || this.#hashes[slot] !== 0;
    if (!known && ++this.#used > this.#positions.length / 2 && this.#positions.length < this.#most) {
      this.#grow();
      slot = this.#slot(hash);
    }
    const distance = known && this.#hashes[slot] === hash ? (position - this.#positions[slot]) >>> 0 : 0;
    this.#positions[slot] = position;
    this.#hashes[slot] = hash;
    return distance;
  }

  /** Fibonacci hashing (Knuth 6.4): the top bits of the product depend on all of the hash's. */
  #slot(hash: number): number {
    return Math.imul(hash, 0x9e3779b1) >>> (Math.clz32(this.#positions.length) + 1);
  }

  #grow(): void {
    const [positions, hashes] = [this.#positions, this.#hashes];
    this.#positions = new Uint32Array(2 * positions.length);
    this.#hashes = new Int32Array(2 * positions.length);
    for (let i = 0; i < positions.length; i++) {
      if (positions[i] === 0 && hashes[i] === 0) continue;
      const slot = this.#slot(hashes[i]);
      this.#positions[slot] = positions[i];
      this.#hashes[slot] = hashes[i];
    }
  }
}
