/**
 * @file What every byte of a block cost, in the file and by the predictions of the network and of the context
 * models alone.
 */
import type { Likeliest, MixHandle, MixKernels, Network } from '../../engines/engine.js';
import { LIKELIEST, MIX_PROFILES, type MixProfile } from '../../engines/profiles.js';
import { SYMBOLS } from '../../model/architecture.js';
import { PROBABILITY_ONE } from '../../range-coder.js';
import { streamStart } from '../../slices.js';
import { prepare } from '../block/block.js';
import { sum, symbolOdds } from '../block/network-coder.js';
import { predictRows } from '../block/predict.js';
import type { SymbolSink } from '../block/symbol-coder.js';
import type { CodedFormat } from '../container/format.js';
import type { Pauses } from '../event-loop.js';

export { LIKELIEST };

/** Arrays with a number for every byte, in the order of the bytes. */
export interface Readings {
  /** Bits that the byte takes in the file. */
  coded: Float32Array;
  /** Bits that the network alone gives it: -log2 of its frequency's share; undefined without a network. */
  network?: Float32Array;
  /** Bits that the context models alone give it. */
  contexts: Float32Array;
  /**
   * The {@link LIKELIEST} bytes that the network finds likeliest, the likeliest first; undefined without a
   * network.
   */
  likeliest?: Uint8Array;
  /** Their probabilities, Q16. */
  chances?: Uint16Array;
  /**
   * The likeliest bytes by the prediction that the byte is coded with, mixed where the block is, and their
   * probabilities: as predicted before the coder learns from the first bit of the byte. Of probability 0
   * where nothing is predicted: in stored blocks and copies. Undefined unless asked for.
   */
  codedLikeliest?: Uint8Array;
  codedChances?: Uint16Array;
}

/** Readings with {@link LIKELIEST} numbers for every byte. */
const LISTS = ['likeliest', 'chances', 'codedLikeliest', 'codedChances'] as const;

/** Readings for `length` bytes, all zero. @param coded whether to have what the coder finds likeliest */
export const emptyReadings = (length: number, network: boolean, coded: boolean): Readings => ({
  coded: new Float32Array(length),
  contexts: new Float32Array(length),
  ...(network && {
    network: new Float32Array(length),
    likeliest: new Uint8Array(length * LIKELIEST),
    chances: new Uint16Array(length * LIKELIEST),
  }),
  ...(coded && {
    codedLikeliest: new Uint8Array(length * LIKELIEST),
    codedChances: new Uint16Array(length * LIKELIEST),
  }),
});

/** The part of readings that belongs to the bytes from `from` to `to`; it shares their memory. */
export const partOf = (readings: Readings, from: number, to: number): Readings => ({
  coded: readings.coded.subarray(from, to),
  contexts: readings.contexts.subarray(from, to),
  network: readings.network?.subarray(from, to),
  ...(Object.fromEntries(
    LISTS.map((name) => [name, readings[name]?.subarray(from * LIKELIEST, to * LIKELIEST)]),
  ) as Pick<Readings, (typeof LISTS)[number]>),
});

/** Copies the lists of the likeliest bytes of some readings to where the bytes stand. */
export function placeLists(from: Readings, readings: Readings, at: number): void {
  for (const name of LISTS) readings[name]?.set(from[name]!, at * LIKELIEST);
}

/** A block that is in a file. */
export interface BlockCosts {
  block: Uint8Array;
  /** How it is coded; undefined if it is stored. */
  format?: CodedFormat;
  streams: number;
  /** Profile of the context models alone, where the block has none of its own. */
  profile: MixProfile;
  /** Of as many streams, in any state; undefined where there is no model. */
  network?: Network;
  mixing: MixKernels;
  pauses: Pauses;
}

/** Coders whose odds are read; what they write is thrown away. */
class Odds {
  readonly #kernels: MixKernels;
  readonly #coder: MixHandle;
  #odds = new Uint16Array(0);

  constructor(kernels: MixKernels, profile: MixProfile, length: number, streams: number) {
    this.#kernels = kernels;
    this.#coder = kernels.mixOpen(MIX_PROFILES[profile], length, streams);
  }

  prepare(): boolean {
    return this.#kernels.mixPrepare?.(this.#coder) ?? true;
  }

  /** Probabilities Q16 of the 8 bits of each of the next symbols. */
  of(symbols: Uint8Array, frequencies?: Uint32Array, likeliest?: Likeliest): Uint16Array {
    if (this.#odds.length < 8 * symbols.length) this.#odds = new Uint16Array(8 * symbols.length);
    this.#kernels.mixEncode(this.#coder, symbols, frequencies, this.#odds, likeliest);
    return this.#odds;
  }

  close(): void {
    this.#kernels.mixClose(this.#coder);
  }
}

/** Bits of an event of probability p / 65536. */
const bitsOf = (p: number): number => 16 - Math.log2(p);

/** Bits of the eight decisions of symbol i. */
function bitsOfSymbol(odds: Uint16Array, i: number): number {
  let bits = 0;
  for (let k = 8 * i; k < 8 * i + 8; k++) bits += bitsOf(odds[k]);
  return bits;
}

/**
 * Finds what the bytes of a block cost.
 * @param readings of as many bytes
 * @throws ShacompError ERR_MEMORY_LIMIT; the reason of the signal that `pauses` watches
 */
export async function blockCosts(
  { block, format, streams, profile, network, mixing, pauses }: BlockCosts,
  readings: Readings,
  progress: (done: number) => void,
): Promise<void> {
  const { length } = block;
  const open = (p: MixProfile) => new Odds(mixing, p, length, streams);
  const coders: Odds[] = [];
  try {
    const contexts = open(format?.profile ?? profile);
    coders.push(contexts);
    const mixed = format?.profile && format.network ? open(format.profile) : undefined;
    if (mixed) coders.push(mixed);
    for (const coder of coders) await prepare(coder, pauses);
    const starts = Array.from({ length: streams }, (_, k) => streamStart(length, streams, k));
    let done = 0;
    const sink: SymbolSink = {
      encode(symbols, frequencies) {
        // of the coder whose prediction is in the file
        const likeliest = readings.codedLikeliest && format?.profile ? roomFor(symbols.length) : undefined;
        const alone = contexts.of(symbols, undefined, mixed ? undefined : likeliest);
        const together = mixed?.of(symbols, frequencies, likeliest);
        for (let i = 0; i < symbols.length; i++, done++) {
          const at = starts[done % streams] + Math.floor(done / streams);
          readings.contexts[at] = bitsOfSymbol(alone, i);
          if (frequencies && readings.network && readings.likeliest && readings.chances) {
            const row = frequencies.subarray(i * SYMBOLS, (i + 1) * SYMBOLS);
            const total = sum(row, 0, SYMBOLS);
            readings.network[at] = Math.log2(total / row[symbols[i]]);
            keepLikeliest(row, total, at * LIKELIEST, readings.likeliest, readings.chances);
          }
          if (format && readings.codedLikeliest && readings.codedChances) {
            const [from, list] = likeliest ? [i, likeliest] : [at, networkList(readings)];
            const part = [from * LIKELIEST, (from + 1) * LIKELIEST] as const;
            readings.codedLikeliest.set(list.symbols.subarray(...part), at * LIKELIEST);
            readings.codedChances.set(list.chances.subarray(...part), at * LIKELIEST);
          }
          readings.coded[at] = !format
            ? 8
            : together
              ? bitsOfSymbol(together, i)
              : format.profile
                ? readings.contexts[at]
                : decisionBits(frequencies!.subarray(i * SYMBOLS, (i + 1) * SYMBOLS), symbols[i]);
        }
      },
    };
    network?.reset();
    await predictRows({ block, streams, network, pauses }, sink, (n) => {
      progress(n);
      return true;
    });
  } finally {
    for (const coder of coders) coder.close();
  }
}

const roomFor = (count: number): Likeliest => ({
  symbols: new Uint8Array(count * LIKELIEST),
  chances: new Uint16Array(count * LIKELIEST),
});

/** What the network alone finds likeliest, where a block is coded by it. */
const networkList = ({ likeliest, chances }: Readings): Likeliest => ({
  symbols: likeliest!,
  chances: chances!,
});

/** Bits of the eight decisions by which a network block codes a symbol (docs/format.md 1.3). */
function decisionBits(frequencies: Uint32Array, symbol: number): number {
  const odds = new Uint16Array(8);
  symbolOdds(symbol, frequencies, 0, odds);
  return odds.reduce((bits, p, i) => bits + bitsOf((symbol >> (7 - i)) & 1 ? p : PROBABILITY_ONE - p), 0);
}

/** Writes the likeliest bytes of one row of frequencies, and their probabilities Q16, from `at` on. */
function keepLikeliest(
  row: Uint32Array,
  total: number,
  at: number,
  likeliest: Uint8Array,
  chances: Uint16Array,
): void {
  // an insertion into a list of five: most bytes are below its last
  const frequency = new Array<number>(LIKELIEST).fill(0);
  for (let k = 0; k < SYMBOLS; k++) {
    const f = row[k];
    if (f <= frequency[LIKELIEST - 1]) continue;
    let place = LIKELIEST - 1;
    for (; place > 0 && f > frequency[place - 1]; place--) {
      frequency[place] = frequency[place - 1];
      likeliest[at + place] = likeliest[at + place - 1];
    }
    frequency[place] = f;
    likeliest[at + place] = k;
  }
  for (let k = 0; k < LIKELIEST; k++)
    chances[at + k] = Math.min(65535, Math.round((frequency[k] / total) * PROBABILITY_ONE));
}
