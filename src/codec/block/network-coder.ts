/**
 * @file Codes a byte from the network's 256 frequencies as 8 binary decisions, most significant bit first. Each
 * decision halves the range of possible bytes; its probability is the ratio of the sums of frequencies.
 */
import { PROBABILITY_ONE, RangeDecoder, RangeEncoder } from '../../range-coder.js';
import { damagedBlock, type SymbolDecoder, type SymbolEncoder } from './symbol-coder.js';

/** Sum of frequencies[from .. to). At most 2^30, so it stays an int32. */
export function sum(frequencies: Uint32Array, from: number, to: number): number {
  let total = 0;
  for (let i = from; i < to; i++) total = (total + frequencies[i]) | 0;
  return total;
}

/** Probability of a 1 out of 2^16, where `ones` of `total` frequencies follow it. Exact: below 2^46. */
export function probability(ones: number, total: number): number {
  const p = Math.floor((ones * PROBABILITY_ONE) / total);
  return p < 1 ? 1 : p >= PROBABILITY_ONE ? PROBABILITY_ONE - 1 : p;
}

export class NetworkEncoder implements SymbolEncoder {
  readonly #coder: RangeEncoder;

  /** @param length of the block in bytes */
  constructor(length: number) {
    this.#coder = new RangeEncoder(length);
  }

  get length(): number {
    return this.#coder.length;
  }

  encode(symbols: Uint8Array, frequencies: Uint32Array): void {
    for (let i = 0; i < symbols.length; i++) {
      const symbol = symbols[i];
      let first = i * 256;
      let ones = sum(frequencies, first + 128, first + 256);
      let total = sum(frequencies, first, first + 128) + ones;
      for (let half = 128; ; ) {
        const bit = symbol & half;
        this.#coder.encode(bit, probability(ones, total));
        if (half === 1) break;
        if (bit) {
          first += half;
          total = ones;
        } else {
          total -= ones;
        }
        half >>= 1;
        ones = sum(frequencies, first + half, first + 2 * half);
      }
    }
  }

  finish(): Uint8Array | undefined {
    return this.#coder.finish();
  }
}

export class NetworkDecoder implements SymbolDecoder {
  readonly #coder: RangeDecoder;

  constructor(payload: Uint8Array) {
    this.#coder = new RangeDecoder(payload);
  }

  get position(): number {
    return this.#coder.position;
  }

  decode(symbols: Uint8Array, count: number, frequencies: Uint32Array): void {
    for (let i = 0; i < count; i++) {
      let first = i * 256;
      let ones = sum(frequencies, first + 128, first + 256);
      let total = sum(frequencies, first, first + 128) + ones;
      let symbol = 0;
      for (let half = 128; ; ) {
        const bit = this.#coder.decode(probability(ones, total));
        if (bit) {
          symbol |= half;
          first += half;
          total = ones;
        } else {
          total -= ones;
        }
        if (half === 1) break;
        half >>= 1;
        ones = sum(frequencies, first + half, first + 2 * half);
      }
      symbols[i] = symbol;
    }
    // do not decode on and on what is not there
    if (this.#coder.damaged) throw damagedBlock();
  }

  finish(): void {
    if (!this.#coder.ends()) throw damagedBlock();
  }
}
