/**
 * @file Binary range coder: turns decisions with 16-bit probabilities into bytes and back.
 *
 * Arithmetic coding after Martin (1979, "Range encoding") with the carry kept out of the emitted bytes by a
 * cached byte and a count of pending 0xFF bytes, as in the LZMA coder. `docs/format.md` specifies it bit by
 * bit; cpp/mix/coder.h is the same in C++.
 */

/** Probabilities are integers out of 2^16, in [1, 65535]. */
export const PROBABILITY_ONE = 0x10000;

const TOP = 2 ** 24;
const WORD = 2 ** 32;
/**
 * Bytes of the coder's window: what a decoder reads before the first decision, and what a payload's tail may
 * omit.
 */
const WINDOW = 4;

/** Bytes that an encoder begins with: a block may have thousands of them. */
const FIRST_ROOM = 64;

/**
 * The end of the code: the value in [low, low + range) with the most trailing zero bytes (at most 4), the
 * smallest of those. Its zero bytes are not written. Encoder and decoder both compute it, so that a payload
 * has exactly one form.
 */
function tail(low: number, range: number): number {
  for (let unit = WORD; unit > 1; unit /= 256) {
    const value = Math.ceil(low / unit) * unit;
    if (value < low + range) return value;
  }
  return low;
}

/** Number of trailing zero bytes of the low 32 bits, 0 to 4. */
function zeroBytes(value: number): number {
  const word = value % WORD;
  return word === 0 ? 4 : word % 2 ** 24 === 0 ? 3 : word % 2 ** 16 === 0 ? 2 : word % 2 ** 8 === 0 ? 1 : 0;
}

/** Where a decoder stands. */
export interface DecoderState {
  /** bytes of the code asked for so far, those behind its end included */
  position: number;
  /** the last four of them */
  window: number;
  range: number;
  /** the code's distance from the lower end of the interval, below `range` */
  code: number;
}

/**
 * Whether a code of `length` bytes is exactly the one that an encoder makes of the decisions decoded so far.
 */
export function codeEnds({ position, window, range, code }: DecoderState, length: number): boolean {
  const low = (window - code + WORD) % WORD;
  const value = tail(low, range);
  return value - low === code && position - zeroBytes(value) === length;
}

export class RangeEncoder {
  /** Lower end of the interval: 32 bits and a carry; a double holds it exactly. */
  #low = 0;
  #range = WORD - 1;
  /** The byte before the window, which a carry may still change; -1 before there is one. */
  #cache = -1;
  /** Number of 0xFF bytes between the cached byte and the window. */
  #pending = 0;
  #bytes: Uint8Array;
  #length = 0;
  readonly #capacity: number;

  /** @param capacity most bytes that the payload may have */
  constructor(capacity = Number.POSITIVE_INFINITY) {
    this.#capacity = capacity;
    this.#bytes = new Uint8Array(Math.min(capacity, FIRST_ROOM));
  }

  /** Bytes of payload that no carry can change any more; Infinity once they are more than the capacity. */
  get length(): number {
    return this.#length > this.#capacity ? Number.POSITIVE_INFINITY : this.#length;
  }

  /** @param one probability that the bit is 1, in [1, 65535] out of 2^16. */
  encode(bit: number, one: number): void {
    // range < 2^32 and one < 2^16: the product is exact in a double
    const bound = Math.floor((this.#range * one) / PROBABILITY_ONE);
    if (bit) {
      this.#range = bound;
    } else {
      this.#low += bound;
      this.#range -= bound;
    }
    while (this.#range < TOP) {
      this.#range *= 256;
      this.#shift();
    }
  }

  /**
   * Ends the code. The encoder must not be used afterwards.
   * @returns the payload; undefined if it is longer than the capacity
   */
  finish(): Uint8Array | undefined {
    const value = tail(this.#low, this.#range);
    this.#low = value;
    // the byte before the window, and what of the window is not omitted
    for (let i = zeroBytes(value); i <= WINDOW; i++) this.#shift();
    return this.#length > this.#capacity ? undefined : this.#bytes.slice(0, this.#length);
  }

  /** Moves the window's top byte out, or counts it as pending while a carry could still run through it. */
  #shift(): void {
    if (this.#low < 0xff000000 || this.#low >= WORD) {
      const carry = this.#low >= WORD ? 1 : 0;
      if (this.#cache >= 0) this.#put(this.#cache + carry);
      for (; this.#pending > 0; this.#pending--) this.#put(0xff + carry);
      this.#cache = (this.#low >>> 24) & 0xff;
    } else {
      this.#pending++;
    }
    this.#low = (this.#low & 0xffffff) * 256;
  }

  #put(byte: number): void {
    if (this.#length < this.#capacity) {
      if (this.#length === this.#bytes.length) {
        const larger = new Uint8Array(Math.min(this.#capacity, this.#bytes.length * 2));
        larger.set(this.#bytes);
        this.#bytes = larger;
      }
      this.#bytes[this.#length] = byte;
    }
    this.#length++;
  }
}

/**
 * Decodes what {@link RangeEncoder} wrote. Any payload decodes to something; whether it is the one that an
 * encoder would have written is told by `damaged` as soon as it shows, and by `ends()`.
 */
export class RangeDecoder {
  readonly #bytes: Uint8Array;
  #position = 0;
  #range = WORD - 1;
  /** The code's distance from the lower end of the interval, below `range`. */
  #code: number;
  /** The last four bytes read. */
  #window = 0;
  #damaged = false;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    for (let i = 0; i < WINDOW; i++) this.#read();
    this.#code = this.#window;
    if (this.#code >= this.#range) {
      this.#damaged = true;
      this.#code = 0;
    }
  }

  /** Bytes of the payload used so far. */
  get position(): number {
    return Math.min(this.#position, this.#bytes.length);
  }

  /** Whether it is known that no encoder writes this payload. */
  get damaged(): boolean {
    return this.#damaged;
  }

  /** @param one probability that the bit is 1, in [1, 65535] out of 2^16. */
  decode(one: number): number {
    const bound = Math.floor((this.#range * one) / PROBABILITY_ONE);
    let bit = 1;
    if (this.#code < bound) {
      this.#range = bound;
    } else {
      bit = 0;
      this.#code -= bound;
      this.#range -= bound;
    }
    while (this.#range < TOP) {
      this.#range *= 256;
      this.#code = this.#code * 256 + this.#read();
    }
    return bit;
  }

  /** Whether the payload is exactly the one that an encoder makes of the decisions decoded so far. */
  ends(): boolean {
    const state = { position: this.#position, window: this.#window, range: this.#range, code: this.#code };
    return !this.#damaged && codeEnds(state, this.#bytes.length);
  }

  #read(): number {
    let byte = 0;
    if (this.#position < this.#bytes.length) byte = this.#bytes[this.#position];
    // only zero bytes of the last window are omitted: reading on means that the payload is not a whole one
    else if (this.#position >= this.#bytes.length + WINDOW) this.#damaged = true;
    this.#position++;
    this.#window = ((this.#window << 8) | byte) >>> 0;
    return byte;
  }
}
