/**
 * @file The mixing coder in plain TypeScript: the explanation of cpp/mix, and its reference bit for bit.
 *
 * Every bit is predicted by many models at once: bit histories in hashed contexts, runs, repeats (matches)
 * and, if there is one, the network. A gated mixer weighs their logits, a second small mixer joins the sets'
 * predictions, final maps correct the outcome, and a range coder spends -log2 p bits. Then everything learns
 * from the bit.
 */

import { RangeDecoder, RangeEncoder } from '../../range-coder.js';
import { streamStart } from '../../slices.js';
import {
  checkFrequencies,
  checkLikeliest,
  checkOdds,
  checkRoom,
  mixingOutOfRange,
  notACoder,
} from '../check.js';
import type { Likeliest, MixHandle, MixKernels } from '../engine.js';
import { LIKELIEST, MIX_PROFILES } from '../profiles.js';
import {
  Calls,
  nearest9,
  nearest12,
  neighbourhoods,
  PIXEL_BITS,
  PIXEL_CONTEXTS,
  type Pixels,
  pixelsAt,
} from './mixer-binary.js';
import { correction, type Example, type SeeExample, Trust } from './mixer-corrector.js';
import { byteClass, Followers, hashPast, Stream } from './mixer-history.js';
import { type CodeBit, FinalMap, MAP_STEPS, Mixer, mapContext, Slots } from './mixer-parts.js';
import {
  adapt,
  clampProbability,
  hash2,
  logitOf,
  probability,
  STATES,
  squash,
  stretch,
} from './mixer-tables.js';

interface Profile {
  full: boolean;
  contexts: number;
  inputsPerContext: number;
  /** Shortest repeat that each match model takes. */
  minMatch: readonly number[];
  /** Rows of each weight set of the first mixer. */
  rows: readonly number[];
  inputs: number;
  rate: number;
  /** What the histories of a block of this length would take. */
  slotBytes(length: number): number;
}

const PROFILES: Record<number, Profile> = {
  [MIX_PROFILES.fast]: {
    full: false,
    contexts: 12,
    inputsPerContext: 1,
    minMatch: [6],
    rows: [1, 256, 128, 4096],
    inputs: 32,
    rate: 64,
    slotBytes: (length) => Math.min(slotBytes(length, 128), Math.max(slotBytes(length, 16), 2 ** 26)),
  },
  [MIX_PROFILES.full]: {
    full: true,
    contexts: 57,
    inputsPerContext: 4,
    minMatch: [4, 8, 20],
    rows: [1, 256, 520, 256, 64, 4096, 128, 2048, 128, 256, 1024, 512, 1024, 512, 4096],
    inputs: 240,
    rate: 40,
    slotBytes: (length) => slotBytes(length, 640),
  },
};

const NETWORK_INPUTS = 4;
/** Where the network's inputs begin: behind those of histories, matches, order 0 and the bias. */
const networkInputs = ({ contexts, inputsPerContext, minMatch }: Profile): number =>
  contexts * inputsPerContext + 2 * minMatch.length + 2;
const FINAL_ROWS = [1, 512, 2048, 512, 2048, 4096, 520, 64];
const ONE = 2 ** 26; // weights are Q26
const MAX_BLOCK = 2 ** 28;
const MOST_SLOT_BYTES = 2 ** 28;
const MAX_STREAMS = 4096;

const counters = (size: number, initial: (i: number) => number): Uint32Array =>
  Uint32Array.from({ length: size }, (_, i) => initial(i));

/**
 * The bit that `byte` has next, if its bits so far are those of the partial byte (1, then the bits); else
 * undefined.
 */
function nextBit(byte: number, partial: number, bitIndex: number): number | undefined {
  return (byte | 256) >> (8 - bitIndex) === partial ? (byte >> (7 - bitIndex)) & 1 : undefined;
}

/** Length of a match in 24 classes, or 24 and more by recent misses. */
function matchClass(length: number, misses: number): number {
  if (misses > 0) return 24 + Math.min(misses, 7);
  if (length < 16) return length;
  return 16 + [24, 32, 48, 64, 128, 256, 512].filter((bound) => length >= bound).length;
}

/** Length of a run in 13 classes. */
function runClass(count: number): number {
  return count < 8 ? count : 8 + [16, 32, 64, 128].filter((bound) => count >= bound).length;
}

/** 0: no match, 1: all expect a zero, 2: all expect a one, 3: they differ. */
function agreement(agree: number): number {
  if (agree === 0) return 0;
  if (agree < 4) return 1;
  return agree % 5 === 0 ? 2 : 3;
}

/** Node of the next bit in a slot's binary tree, which covers one nibble. */
function slotNode({ c0, bitIndex }: { c0: number; bitIndex: number }): number {
  const nibbleBit = bitIndex & 3;
  return bitIndex < 4 ? c0 : (c0 & ((1 << nibbleBit) - 1)) | (1 << nibbleBit);
}

/** The network's distribution of one byte, as the mixer asks for it. */
class NetworkView {
  readonly top: number;
  readonly second: number;
  /** 1..15 by how much of the mass is not on the likeliest byte. */
  readonly uncertainty: number;
  readonly #tree = new Uint32Array(512); // sums over the subtrees of a binary heap; leaves at 256

  constructor(frequencies: Uint32Array) {
    const tree = this.#tree;
    tree.set(frequencies, 256);
    for (let i = 255; i >= 1; i--) tree[i] = tree[2 * i]! + tree[2 * i + 1]!;
    let top = 0;
    for (let i = 1; i < 256; i++) if (frequencies[i]! > frequencies[top]!) top = i;
    let second = top === 0 ? 1 : 0;
    for (let i = 0; i < 256; i++) if (i !== top && frequencies[i]! > frequencies[second]!) second = i;
    this.top = top;
    this.second = second;
    const rest = (tree[1]! - frequencies[top]!) >>> 0;
    this.uncertainty = 1 + Math.min(14, 32 - Math.clz32(Math.floor((rest * 16384) / (tree[1]! || 1))));
  }

  /** Probability Q16 that the bit after the partial byte is a one. */
  one(partial: number): number {
    const total = this.#tree[partial]! || 1;
    return clampProbability(Math.floor((this.#tree[2 * partial + 1]! * 65536) / total));
  }
}

/** One byte that is being coded: what its eight bits have in common, and how far they have come. */
interface Byte {
  readonly stream: Stream;
  readonly network: NetworkView | undefined;
  /** the last byte and the one before it */
  readonly c1: number;
  readonly c2: number;
  /** the network's likeliest byte and its uncertainty; 0 without a network */
  readonly top: number;
  readonly uncertainty: number;
  /** learning rate of the first layer, Q12 */
  readonly rate: number;
  /** by match: the byte that follows it, -1 without a match */
  readonly expected: readonly number[];
  /** by match: {@link matchClass} */
  readonly matchClasses: readonly number[];
  /** by context: the slot of the first nibble, which holds the run */
  readonly first: number[];
  /** by context: whether it has been met before */
  readonly seen: boolean[];
  /** by context: the byte that its slot has last seen, and how often in a row; before this byte */
  runs: { readonly byte: number; readonly count: number }[];
  /** by context: the slot of the current nibble */
  slots: number[];
  /** a one, then the bits so far */
  c0: number;
  bitIndex: number;
}

/** What the inputs of one bit were made of: contexts for the mixer's rows, and what learns from the bit. */
interface Inputs {
  /** by context: where its bit history lies */
  readonly histories: readonly number[];
  /** by context: its bit history */
  readonly states: readonly number[];
  /** of orders 1 to 6, how many have seen this bit's context */
  readonly hits: number;
  /** of orders 2 to 6, how many have a run that agrees with the bits so far */
  readonly runHits: number;
  /** by context: entry of its run map, 0 without a run */
  readonly runIndex: readonly number[];
  /** by match: entry of its map, 0 without a match */
  readonly matchIndex: readonly number[];
  /** class and next bit of the longest match; 0 without one */
  readonly matchState: number;
  /** 1 with a match */
  readonly matching: number;
  /** 1 for each match that expects a zero, 5 for each that expects a one */
  readonly agree: number;
  /** the byte that the longest match expects, | 256; 0 without one */
  readonly expectedByte: number;
  /** the network's logit in steps of half a nat, and its likeliest byte's bit; 0 without a network */
  readonly networkClass: number;
}

/** All models of one block and the order in which its bytes are coded. */
class Model {
  readonly block: Uint8Array;
  readonly #profile: Profile;
  readonly #streams: Stream[];
  readonly #ends: number[];
  #coded = 0;

  readonly #slots: Slots;
  readonly #stateMaps: Uint32Array[]; // per context: what a bit history has meant
  readonly #runMaps: Uint32Array[]; // per context: what a run has meant
  readonly #order0 = counters(256, () => 2 ** 31);
  readonly #matchTables: Uint32Array[];
  readonly #matchMaps: Uint32Array[];
  readonly #followers = new Followers();
  readonly #calls = new Calls();
  readonly #mixer: Mixer;
  readonly #last: Mixer;
  readonly #mapBits: number;
  readonly #certaintyMap = new FinalMap(8192);
  readonly #maps: FinalMap[];
  readonly #trust = new Trust();
  #example: Example = [[], []];
  /** The last correction, Q8, before it is trusted, and the prediction made with it, Q16. */
  #correction = 0;
  #corrected = 0;
  /** Where set, is shown what the corrector sees of every bit that is coded. */
  see?: SeeExample;

  constructor(profile: Profile, length: number, streams: number) {
    const { contexts, inputsPerContext: per, full } = profile;
    this.#profile = profile;
    this.block = new Uint8Array(length + 64);
    const start = (s: number) => streamStart(length, streams, s);
    this.#streams = Array.from({ length: streams }, (_, s) => new Stream(start(s)));
    this.#ends = this.#streams.map((_, s) => start(s + 1));

    const pixels = full ? PIXEL_CONTEXTS.length * 2 ** PIXEL_BITS : 0;
    this.#slots = new Slots(slotLines(profile, length), contexts, pixels);
    this.#stateMaps = Array.from({ length: contexts }, () =>
      counters(256, (s) => {
        const n0 = STATES.zeros[s]!;
        const n1 = STATES.ones[s]!;
        return Math.floor(((n1 * 2 + 1) * 4194303) / (2 * (n0 + n1) + 2)) * 1024;
      }),
    );
    this.#runMaps = Array.from({ length: contexts }, () => counters(512, (i) => (i & 1 ? 3 : 1) * 2 ** 30));
    const matchEntries = Math.min(2 ** 22, 2 ** Math.ceil(Math.log2(Math.max(length, 1024))));
    this.#matchTables = profile.minMatch.map(() => new Uint32Array(matchEntries));
    this.#matchMaps = profile.minMatch.map(() => counters(1024, (i) => (i & 1 ? 1 : 3) * 2 ** 30));

    const initial = new Int32Array(profile.inputs);
    for (let i = 0; i < contexts * per; i++)
      if (!full) initial[i] = ONE / 4;
      else if (i % per === 0) initial[i] = ONE / 64;
      else if (i % per === 3) initial[i] = ONE / 128;
    const matches = profile.minMatch.length;
    for (let k = 0; k < matches; k++) initial[contexts * per + 2 * k] = Math.trunc(ONE / 6);
    const ofNetwork = contexts * per + 2 * matches + 2;
    if (full) for (const i of [0, 2, 3]) initial[ofNetwork + i] = Math.trunc((ONE * 3) / 10);
    else initial[ofNetwork] = ONE / 4;
    this.#mixer = new Mixer(profile.rows, initial);
    const sets = profile.rows.length;
    this.#last = new Mixer(
      full ? FINAL_ROWS : FINAL_ROWS.slice(0, 4),
      Int32Array.from({ length: 16 }, (_, i) => (i < sets ? Math.trunc(ONE / sets) : 0)),
    );
    this.#mapBits = mapBits(length);
    this.#maps = Array.from({ length: 5 }, () => new FinalMap(2 ** this.#mapBits));
    for (const stream of this.#streams) stream.setContexts(this.block, full, this.#followers, this.#calls);
  }

  /**
   * Codes the next byte in coding order; `code` gets each bit's probability and returns the bit.
   * @param likeliest receives the byte's likeliest values
   */
  codeByte(frequencies: Uint32Array | undefined, code: CodeBit, likeliest?: Likeliest): number {
    const stream = this.#streams[this.#coded % this.#streams.length]!;
    const byte = this.#codeBits(stream, frequencies && new NetworkView(frequencies), code, likeliest);
    const { full } = this.#profile;
    if (full) this.#followers.update(stream.c4, byte);
    this.block[stream.position] = byte;
    stream.update(this.block, byte, full);
    if (full) this.#calls.update(stream.position, this.#behind(stream));
    for (let k = 0; k < this.#matchTables.length; k++) this.#updateMatch(stream, k, byte);
    stream.setContexts(this.block, full, this.#followers, this.#calls);
    this.#coded++;
    return byte;
  }

  #behind(stream: Stream): (distance: number) => number {
    return (distance) => stream.behind(this.block, distance);
  }

  /** Whether the block's byte i has been coded: whether its slice has come so far. */
  #known(i: number): boolean {
    const s = this.#ends.findIndex((end) => i < end);
    return s >= 0 && i < this.#streams[s]!.position;
  }

  /** Follows the match or looks for one by the hash of the last bytes; candidates are verified backwards. */
  #updateMatch(stream: Stream, k: number, byte: number): void {
    const { block } = this;
    const match = stream.matches[k]!;
    if (match.length > 0 || match.misses > 0) {
      if (block[match.position] === byte) {
        match.length = Math.min(65535, match.length + 1);
        if (match.length > 15) match.misses = 0;
      } else {
        // Behind a long match, keep to it for a while: small differences are common.
        if (match.length > 15 && match.misses < 8) match.misses++;
        else if (match.misses > 0) match.misses += 2;
        match.length = 0;
        if (match.misses > 8) match.misses = 0;
      }
      match.position++;
      if (!this.#known(match.position)) match.length = match.misses = 0;
    }
    const { position } = stream;
    const minimum = this.#profile.minMatch[k]!;
    const since = position - stream.start;
    if (since < minimum) return;
    const table = this.#matchTables[k]!;
    const at = hashPast(block, position, minimum) & (table.length - 1);
    const candidate = table[at]!;
    if (match.length === 0 && candidate > 0 && this.#known(candidate)) {
      let length = 0;
      while (
        length < Math.min(since, candidate, 400) &&
        block[candidate - 1 - length] === block[position - 1 - length] &&
        this.#known(candidate - 1 - length)
      )
        length++;
      if (length >= minimum) stream.matches[k] = { position: candidate, length, misses: 0 };
    }
    table[at] = position;
  }

  /**
   * Codes the bits of a byte, the highest first: each is predicted, coded and learned from before the next.
   */
  #codeBits(
    stream: Stream,
    network: NetworkView | undefined,
    code: CodeBit,
    likeliest: Likeliest | undefined,
  ): number {
    const byte = this.#beginByte(stream, network);
    for (byte.bitIndex = 0; byte.bitIndex < 8; byte.bitIndex++) {
      this.#findSlots(byte);
      if (likeliest && byte.bitIndex === 0) this.#foresee(byte, likeliest);
      const inputs = this.#gatherInputs(byte);
      const logit = this.#mix(byte, inputs);
      const bit = code(this.#refine(byte, inputs, logit));
      this.see?.(...this.#example, bit);
      this.#update(byte, inputs, bit);
      byte.c0 = (byte.c0 << 1) | bit;
    }
    for (const slot of byte.first) this.#slots.updateRun(slot, byte.c0 & 255);
    return byte.c0 & 255;
  }

  /**
   * Finds the likeliest values of a byte as predicted before its first bit: nothing is learned, and nothing
   * made room for, on the way. Probabilities are Q31 until the end.
   */
  #foresee(byte: Byte, { symbols, chances }: Likeliest): void {
    const found: { symbol: number; chance: number }[] = [];
    const lookAhead = (at: Byte, chance: number): void => {
      if (at.bitIndex === 8) {
        // of equals the first stays ahead
        const place = found.findIndex((other) => chance > other.chance);
        found.splice(place < 0 ? found.length : place, 0, { symbol: at.c0 & 255, chance });
        if (found.length > LIKELIEST) found.pop();
        return;
      }
      const inputs = this.#gatherInputs(at);
      const one = this.#refine(at, inputs, this.#mix(at, inputs, false));
      // the likelier one first, as long as what is left of the chance may count
      for (const bit of one >= 32768 ? [1, 0] : [0, 1]) {
        const rest = Math.floor((chance * (bit ? one : 65536 - one)) / 65536);
        if (rest <= (found[LIKELIEST - 1]?.chance ?? 0)) continue;
        const next = { ...at, c0: (at.c0 << 1) | bit, bitIndex: at.bitIndex + 1 };
        if (next.bitIndex === 4) next.slots = this.#secondSlotsAhead(next);
        lookAhead(next, rest);
      }
    };
    lookAhead(byte, 2 ** 31);
    for (let k = 0; k < LIKELIEST; k++) {
      symbols[k] = found[k]?.symbol ?? 0;
      chances[k] = Math.min(65535, Math.floor((found[k]?.chance ?? 0) / 2 ** 15));
    }
  }

  /** The slots of the second nibble as they are found, or would begin. */
  #secondSlotsAhead({ stream, first, seen, c0 }: Byte): number[] {
    const slots = this.#slots;
    return first.map((one, i) => {
      const hash = stream.hashes[i]!;
      const known = seen[i] ? slots.known(slots.line(hash, c0 - 15), hash + c0 * 0x3a35) : undefined;
      if (known !== undefined) return known;
      const scratch = slots.scratch(i, true);
      if (seen[i]) this.#makeUp(scratch, one, c0);
      return scratch;
    });
  }

  #beginByte(stream: Stream, network: NetworkView | undefined): Byte {
    const { full, rate } = this.#profile;
    const c1 = stream.c4 & 255;
    const top = network?.top ?? 0;
    const uncertainty = network?.uncertainty ?? 0;
    if (full) {
      const likeliest = top | ((network?.second ?? 0) << 8);
      stream.hashes[46] = hash2(hash2(likeliest | (uncertainty << 16), 0), 46);
      stream.hashes[47] = hash2(hash2(top, c1 | (uncertainty << 8)), 47);
    }
    return {
      stream,
      network,
      c1,
      c2: (stream.c4 >>> 8) & 255,
      top,
      uncertainty,
      // Learn fast at first, with a network less: it has learned before.
      rate: rate + Math.min(full && network ? 20 : 60, Math.floor(16384 / (64 + (this.#coded >> 4)))),
      expected: this.#matchTables.map((_, k) => {
        const { length, misses, position } = stream.matches[k]!;
        return length > 0 || misses > 0 ? this.block[position]! : -1;
      }),
      matchClasses: stream.matches.map(({ length, misses }) => matchClass(length, misses)),
      first: [],
      seen: [],
      runs: [],
      slots: [],
      c0: 1,
      bitIndex: 0,
    };
  }

  /** Looks the contexts' slots up, once for each nibble. */
  #findSlots(byte: Byte): void {
    const slots = this.#slots;
    const { hashes } = byte.stream;
    const { contexts } = this.#profile;
    if (byte.bitIndex === 0) {
      for (let i = 0; i < contexts; i++) {
        byte.first[i] = slots.find(slots.line(hashes[i]!), hashes[i]!);
        byte.seen[i] = slots.runCount(byte.first[i]!) !== 0;
      }
      // Only now: finding a slot may have cleared one that was found before.
      byte.runs = byte.first.map((slot) => ({ count: slots.runCount(slot), byte: slots.runByte(slot) }));
      byte.slots = byte.first;
    } else if (byte.bitIndex === 4) {
      byte.slots = byte.first.map((first, i) =>
        this.#secondSlot(hashes[i]!, i, first, byte.seen[i]!, byte.c0),
      );
    }
  }

  /** Fills the mixer's inputs: what each model predicts of the next bit. */
  #gatherInputs(byte: Byte): Inputs {
    const { contexts, inputsPerContext } = this.#profile;
    const { x } = this.#mixer;
    const at = networkInputs(this.#profile);
    const inputs = {
      ...this.#gatherHistories(byte),
      ...this.#gatherMatches(byte, contexts * inputsPerContext),
    };
    x[at - 2] = stretch(probability(this.#order0[byte.c0]!));
    x[at - 1] = 256; // bias
    return { ...inputs, networkClass: this.#gatherNetwork(byte, inputs.matching, at) };
  }

  /** Inputs of the bit histories and, with the full profile, of the runs. */
  #gatherHistories(byte: Byte): Pick<Inputs, 'histories' | 'states' | 'hits' | 'runHits' | 'runIndex'> {
    const { full, contexts } = this.#profile;
    const { c0, bitIndex } = byte;
    const { x } = this.#mixer;
    const slots = this.#slots;
    const node = slotNode(byte);
    const histories = byte.slots.map((slot) => slots.history(slot, node));
    if (full && byte.stream.bilevel)
      neighbourhoods(this.#pixels(byte)).forEach((neighbourhood, k) => {
        histories[PIXEL_CONTEXTS[k]!] = slots.unhashed(k * 2 ** PIXEL_BITS + neighbourhood);
      });
    const states: number[] = [];
    const runIndex: number[] = [];
    let hits = 0;
    let runHits = 0;
    let n = 0;
    for (let i = 0; i < contexts; i++) {
      const state = slots.bytes[histories[i]!]!;
      const p = probability(this.#stateMaps[i]![state]!);
      states[i] = state;
      if (i < 6 && state !== 0) hits++;
      if (!full) {
        x[n++] = stretch(p);
        continue;
      }
      const logit = state ? stretch(p) : 0;
      x[n++] = logit;
      x[n++] = state ? (p - 32768) >> 6 : 0;
      x[n++] = STATES.zeros[state] === 0 || STATES.ones[state] === 0 ? logit : 0; // only one bit value so far
      const { count, byte: expected } = byte.runs[i]!;
      const bit = count === 0 ? undefined : nextBit(expected, c0, bitIndex);
      runIndex[i] = 0;
      if (bit !== undefined) {
        runIndex[i] = (runClass(count) * 8 + bitIndex) * 2 + bit;
        if (i >= 1 && i < 6) runHits++;
      }
      x[n++] = bit === undefined ? 0 : stretch(probability(this.#runMaps[i]![runIndex[i]!]!));
    }
    return { histories, states, hits, runHits, runIndex };
  }

  #pixels({ stream, c0, bitIndex }: Byte): Pixels {
    return pixelsAt(stream, this.#behind(stream), c0, bitIndex);
  }

  /** Inputs of the matches, from x[n] on. A match that has mispredicted a bit of the byte is left out. */
  #gatherMatches(
    byte: Byte,
    n: number,
  ): Pick<Inputs, 'matchIndex' | 'matchState' | 'matching' | 'agree' | 'expectedByte'> {
    const { expected, matchClasses, c0, bitIndex } = byte;
    const { x } = this.#mixer;
    const matchIndex: number[] = [];
    let matchState = 0;
    let agree = 0;
    let expectedByte = 0;
    for (let k = 0; k < expected.length; k++, n += 2) {
      const bit = expected[k]! < 0 ? undefined : nextBit(expected[k]!, c0, bitIndex);
      matchIndex[k] = x[n] = x[n + 1] = 0;
      if (bit === undefined) continue;
      matchIndex[k] = 1 + (matchClasses[k]! * 8 + bitIndex) * 2 + bit;
      const p = probability(this.#matchMaps[k]![matchIndex[k]!]!);
      x[n] = stretch(p);
      x[n + 1] = (p - 32768) >> 5;
      matchState = matchClasses[k]! * 2 + bit + 1;
      expectedByte = expected[k]! | 256;
      agree += 1 + bit * 4;
    }
    return { matchIndex, matchState, matching: matchState !== 0 ? 1 : 0, agree, expectedByte };
  }

  /** Inputs of the network, from x[n] on. @returns {@link Inputs.networkClass} */
  #gatherNetwork({ network, uncertainty, top, c0, c1, bitIndex }: Byte, matching: number, n: number): number {
    const { x } = this.#mixer;
    if (!network) {
      x.fill(0, n, n + NETWORK_INPUTS);
      return 0;
    }
    const p = network.one(c0);
    const logit = stretch(p);
    const certainty = this.#certaintyMap.predict(c0 | (256 * matching) | (512 * uncertainty), logit);
    const afterByte = this.#maps[0]!.predict(mapContext(this.#mapBits, c0, c1), logit);
    x[n] = logit;
    x[n + 1] = (p - 32768) >> 4;
    x[n + 2] = logitOf(certainty);
    x[n + 3] = logitOf(afterByte);
    const topBit = nextBit(top, c0, bitIndex);
    return 1 + ((logit + 3072) >> 7) + 64 * (topBit === undefined ? 0 : 1 + topBit);
  }

  /** Mixes in two layers. @returns logit Q8 of a one */
  #mix(byte: Byte, inputs: Inputs, learns = true): number {
    const { stream, network, c0, c1, c2, bitIndex, uncertainty } = byte;
    const { full } = this.#profile;
    const { hits, runHits, matchState, matching, agree, expectedByte, networkClass } = inputs;
    const { column } = stream;
    const matchRow = full ? (matching ? matchState * 8 + bitIndex : 0) : matchState;

    const pixels = full && stream.bilevel ? this.#pixels(byte) : undefined;

    // First layer: weight sets chosen by these contexts.
    this.#mixer.mix(
      full
        ? [
            0,
            c0,
            matchRow,
            c1,
            hits * 8 + bitIndex,
            stream.shape & 0xfff,
            uncertainty * 8 + bitIndex,
            stream.binary
              ? (stream.phase & 255) * 8 + bitIndex
              : (stream.quote !== 0 ? 1024 : 0) + Math.min(column, 31) * 32 + Math.min(stream.indent, 31),
            agree * 8 + bitIndex,
            c2,
            pixels
              ? nearest9(pixels)
              : Math.min(stream.wordLength, 15) * 64 + ((stream.shape >> 4) & 7) * 8 + bitIndex,
            runHits * 8 + bitIndex + 64 * Math.min(stream.field, 7),
            networkClass + 256 * agreement(agree),
            expectedByte,
            pixels ? nearest12(pixels) : hash2(stream.key, stream.field) >>> 20,
          ]
        : [0, c0, matchRow, network ? networkClass : stream.shape & 0xfff],
      learns,
    );

    // Second layer.
    this.#last.x.set(this.#mixer.logits);
    this.#last.x[15] = 256;
    const basic = [0, c0 | (256 * matching), c1 | (bitIndex << 8), networkClass | (256 * matching)];
    const more = [c2 | (bitIndex << 8), stream.shape & 0xfff, matchRow, hits * 8 + bitIndex];
    this.#last.mix(full ? [...basic, ...more] : basic, learns);
    return this.#last.logits.reduce((a, b) => a + b, 0) >> (full ? 3 : 2);
  }

  /**
   * Corrects the mixed prediction by the final maps. @returns probability Q16 of a one, in the coder's range
   */
  #refine(byte: Byte, inputs: Inputs, logit: number): number {
    const { network, c0, c1, c2, top } = byte;
    const map = (i: number, context: number): number =>
      this.#maps[i]!.predict(mapContext(this.#mapBits, c0, context), logit);
    const after = [map(1, c1), map(2, c1 | (c2 << 8)), map(3, inputs.expectedByte)];
    let p = (2 * squash(logit) + after[0]! + 2 * after[1]! + 3 * after[2]! + 4) >> 3;
    if (network) {
      after.push(map(4, top));
      p = (3 * p + after[3]! + 2) >> 2;
    }
    return clampProbability(this.#profile.full ? this.#correct(byte, inputs, logit, p, after) : p);
  }

  /** The final prediction, corrected: probability Q16. `after`: the final maps' own. */
  #correct(byte: Byte, inputs: Inputs, logit: number, p: number, after: readonly number[]): number {
    const { stream, c1, bitIndex, uncertainty } = byte;
    const own = logitOf(p);
    const maps = after.map(logitOf);
    const { x, logits } = this.#mixer;
    const at = networkInputs(this.#profile);
    const network = [x[at]!, x[at + 2]!, x[at + 3]!];
    const { contexts, inputsPerContext: per } = this.#profile;
    const lean = Array.from({ length: contexts }, (_, i) => x[i * per + 1]!);
    const example: Example = [
      [own, logit, ...maps.slice(0, 3), maps[3] ?? 0, ...logits, ...this.#last.logits, ...network, ...lean],
      [
        byteClass(c1),
        bitIndex * 8 + inputs.hits,
        inputs.runHits,
        inputs.matchState,
        32 - Math.clz32(stream.position - stream.start),
        uncertainty,
      ],
    ];
    this.#example = example;
    this.#correction = correction(...example);
    this.#corrected = squash(own + this.#trust.shareOf(this.#correction));
    return this.#corrected;
  }

  /** Everything that has predicted the bit learns from it. */
  #update(byte: Byte, { histories, states, runIndex, matchIndex }: Inputs, bit: number): void {
    if (this.#profile.full) this.#trust.update((bit << 16) - this.#corrected, this.#correction);
    for (const i of [1, 2, 3]) this.#maps[i]!.update(bit);
    this.#last.update(bit, 512);
    // Normalized LMS: divide the step by the energy of the inputs, or many certain inputs overshoot together.
    const energy = this.#profile.full ? this.#mixer.energy() : 0;
    this.#mixer.update(bit, Math.floor((byte.rate * 16000) / (1000 + energy)));
    for (let i = 0; i < byte.slots.length; i++) {
      adapt(this.#stateMaps[i]!, states[i]!, bit, 1023);
      this.#slots.update(histories[i]!, states[i]!, bit);
      if (runIndex[i]) adapt(this.#runMaps[i]!, runIndex[i]!, bit, 1023);
    }
    for (let k = 0; k < matchIndex.length; k++)
      if (matchIndex[k]) adapt(this.#matchMaps[k]!, matchIndex[k]!, bit, 1023);
    adapt(this.#order0, byte.c0, bit, 255);
    if (byte.network) {
      this.#certaintyMap.update(bit);
      this.#maps[0]!.update(bit);
      this.#maps[4]!.update(bit);
    }
  }

  /**
   * The slot of the second nibble. A context met for the first time gets none: most never come back. When one
   * does, what its first byte would have left there is made up for.
   */
  #secondSlot(hash: number, i: number, first: number, seen: boolean, c0: number): number {
    const slots = this.#slots;
    if (!seen) return slots.scratch(i);
    const slot = slots.find(slots.line(hash, c0 - 15), hash + c0 * 0x3a35);
    if (slots.state(slot, 1) === 0) this.#makeUp(slot, first, c0);
    return slot;
  }

  /** Fills an empty slot of a second nibble with what the context's last byte would have left there. */
  #makeUp(slot: number, first: number, c0: number): void {
    const slots = this.#slots;
    const last = slots.runByte(first);
    if (slots.runCount(first) === 0 || last >> 4 !== (c0 & 15)) return;
    for (let k = 3, node = 1; k >= 0; k--) {
      const bit = (last >> k) & 1;
      slots.update(slots.history(slot, node), 0, bit);
      node = (node << 1) | bit;
    }
  }
}

function slotLines(profile: Profile, length: number): number {
  return Math.min(profile.slotBytes(length), MOST_SLOT_BYTES) / 64;
}

function slotBytes(length: number, perByte: number): number {
  return Math.floor((length * perByte + 65535) / 4096) * 4096;
}

/** Final maps have 2^10 to 2^16 contexts by the block's length. */
function mapBits(length: number): number {
  return Math.max(10, Math.min(16, 32 - Math.clz32(length)));
}

const valid = (profile: number, length: number, streams: number): boolean =>
  profile in PROFILES && length >= 0 && length <= MAX_BLOCK && streams >= 1 && streams <= MAX_STREAMS;

class Coder {
  readonly #model: Model;
  readonly #encoder: RangeEncoder;
  readonly #decoder?: RangeDecoder;
  #left: number;
  open = true;

  constructor(profile: number, length: number, streams: number, payload?: Uint8Array) {
    this.#model = new Model(PROFILES[profile]!, length, streams);
    this.#encoder = new RangeEncoder(length);
    if (payload) this.#decoder = new RangeDecoder(new Uint8Array(payload));
    this.#left = length;
  }

  encode(symbols: Uint8Array, frequencies?: Uint32Array, odds?: Uint16Array, likeliest?: Likeliest): number {
    checkFrequencies(symbols.length, frequencies);
    checkOdds(symbols.length, odds);
    checkLikeliest(symbols.length, likeliest);
    let decision = 0;
    for (let i = 0; i < symbols.length && this.#left > 0; i++, this.#left--) {
      let byte = symbols[i]!;
      const likely = likeliest && {
        symbols: likeliest.symbols.subarray(i * LIKELIEST),
        chances: likeliest.chances.subarray(i * LIKELIEST),
      };
      const code: CodeBit = (p) => {
        const bit = (byte >> 7) & 1;
        byte <<= 1;
        this.#encoder.encode(bit, p);
        if (odds) odds[decision++] = bit ? p : 65536 - p;
        return bit;
      };
      this.#model.codeByte(frequencies?.subarray(i * 256, i * 256 + 256), code, likely);
    }
    return this.#encoder.length;
  }

  finish(): Uint8Array | undefined {
    return this.#encoder.finish();
  }

  decode(symbols: Uint8Array, count: number, frequencies?: Uint32Array): number {
    const decoder = this.#decoder;
    if (!decoder) throw notACoder('an open decoder');
    checkRoom(symbols, count);
    checkFrequencies(count, frequencies);
    for (let i = 0; i < count && this.#left > 0; i++, this.#left--)
      symbols[i] = this.#model.codeByte(frequencies?.subarray(i * 256, i * 256 + 256), (p) =>
        decoder.decode(p),
      );
    return decoder.damaged ? Number.POSITIVE_INFINITY : decoder.position;
  }

  ends(): boolean {
    if (!this.#decoder) throw notACoder('an open decoder');
    return this.#decoder.ends();
  }
}

/** @throws ShacompError ERR_OPTIONS */
function opened(coder: MixHandle): Coder {
  if (!(coder instanceof Coder) || !coder.open) throw notACoder('an open coder');
  return coder;
}

/**
 * Shows what the corrector sees of every bit of a text, coded by the full profile as one stream: to fit it.
 * @param frequencies text.length x 256 of a network
 * @param see given the inputs Q8, the categories' values and the bit
 */
export function mixingExamples(
  text: Uint8Array,
  frequencies: Uint32Array | undefined,
  see: SeeExample,
): void {
  const model = new Model(PROFILES[MIX_PROFILES.full]!, text.length, 1);
  model.see = see;
  text.forEach((byte, i) => {
    let place = 7;
    model.codeByte(frequencies?.subarray(i * 256, i * 256 + 256), () => (byte >> place--) & 1);
  });
}

/** The reference as an implementation of the codec's interface. Slow: for tests and for reading. */
export const referenceMixing: MixKernels = {
  mixBytes(profile, length, streams) {
    if (!valid(profile, length, streams)) return 0;
    const p = PROFILES[profile]!;
    const weights = p.rows.reduce((a, b) => a + b, 0) * p.inputs * 4;
    return (
      slotLines(p, length) * 64 +
      weights +
      (p.full ? PIXEL_CONTEXTS.length * 2 ** PIXEL_BITS + 4 * 65536 : 0) +
      5 * 4 * MAP_STEPS * 2 ** mapBits(length) +
      length * 14 +
      streams * 12288
    );
  },
  mixOpen(profile, length, streams, payload) {
    if (!valid(profile, length, streams)) throw mixingOutOfRange();
    return new Coder(profile, length, streams, payload);
  },
  mixEncode: (coder, ...parameters) => opened(coder).encode(...parameters),
  mixFinish: (coder) => opened(coder).finish(),
  mixDecode: (coder, symbols, count, frequencies) => opened(coder).decode(symbols, count, frequencies),
  mixEnds: (coder) => opened(coder).ends(),
  mixClose(coder) {
    if (coder instanceof Coder) coder.open = false;
  },
};
