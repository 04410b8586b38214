/**
 * @file Codes a byte from the network's 256 frequencies as 8 binary decisions, most significant bit first.
 * Each decision halves the range of possible bytes; its probability is the ratio of the sums of frequencies.
 * Every stream has a range coder of its own, so that streams depend on nothing of each other.
 */
import { PROBABILITY_ONE, RangeDecoder, RangeEncoder } from '../../range-coder.js';
import { joinCodes, splitCodes } from './stream-table.js';
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
  readonly #coders: RangeEncoder[];
  /** Of the bits of one symbol. */
  readonly #odds = new Uint16Array(8);

  /** @param length of the block in bytes */
  constructor(length: number, streams: number) {
    this.#coders = Array.from({ length: streams }, () => new RangeEncoder(length));
  }

  get length(): number {
    let total = 0;
    for (const coder of this.#coders) total += coder.length;
    return total;
  }

  encode(symbols: Uint8Array, frequencies: Uint32Array): void {
    const streams = this.#coders.length;
    for (let i = 0, stream = 0; i < symbols.length; i++, stream = stream + 1 < streams ? stream + 1 : 0) {
      symbolOdds(symbols[i], frequencies, i * 256, this.#odds);
      for (let bit = 0; bit < 8; bit++)
        this.#coders[stream].encode((symbols[i] << bit) & 128, this.#odds[bit]);
    }
  }

  finish(): Uint8Array | undefined {
    const codes = this.#coders.map((coder) => coder.finish());
    return codes.every((code) => code !== undefined) ? joinCodes(codes) : undefined;
  }
}

export class NetworkDecoder implements SymbolDecoder {
  readonly #coders: RangeDecoder[];
  /** Bytes of the table before the codes. */
  readonly #table: number;

  /** @throws ShacompError ERR_CORRUPT */
  constructor(payload: Uint8Array, streams: number) {
    const codes = splitCodes(payload, streams);
    this.#table = codes[0].byteOffset - payload.byteOffset;
    this.#coders = codes.map((code) => new RangeDecoder(code));
  }

  get position(): number {
    let total = this.#table;
    for (const coder of this.#coders) total += coder.position;
    return total;
  }

  decode(symbols: Uint8Array, count: number, frequencies: Uint32Array): void {
    const streams = this.#coders.length;
    for (let i = 0, stream = 0; i < count; i++, stream = stream + 1 < streams ? stream + 1 : 0) {
      const coder = this.#coders[stream];
      symbols[i] = decodeSymbol(coder, frequencies, i * 256);
      // do not decode on and on what is not there
      if (coder.damaged) throw damagedBlock();
    }
  }

  finish(): void {
    if (!this.#coders.every((coder) => coder.ends())) throw damagedBlock();
  }
}

/** Writes the probabilities, out of 2^16, that the eight bits of a symbol are 1, the highest bit first. */
export function symbolOdds(symbol: number, frequencies: Uint32Array, first: number, odds: Uint16Array): void {
  let at = first;
  let ones = sum(frequencies, at + 128, at + 256);
  let total = sum(frequencies, at, at + 128) + ones;
  for (let i = 0, half = 128; i < 8; i++, half >>= 1) {
    odds[i] = probability(ones, total);
    if (symbol & half) {
      at += half;
      total = ones;
    } else {
      total -= ones;
    }
    ones = sum(frequencies, at + (half >> 1), at + half);
  }
}

/** The symbol that a code has where an encoder had these frequencies, from `first` on. */
export function decodeSymbol(coder: RangeDecoder, frequencies: Uint32Array, first: number): number {
  let ones = sum(frequencies, first + 128, first + 256);
  let total = sum(frequencies, first, first + 128) + ones;
  let symbol = 0;
  for (let half = 128; ; ) {
    if (coder.decode(probability(ones, total))) {
      symbol |= half;
      first += half;
      total = ones;
    } else {
      total -= ones;
    }
    if (half === 1) return symbol;
    half >>= 1;
    ones = sum(frequencies, first + half, first + 2 * half);
  }
}
