/** @file Parts of the mixing reference: history slots, mixers and final maps. */
import { adapt, clampLogit, probability, STATES, squash } from './mixer-tables.js';

const SLOT_BYTES = 21;

/**
 * Hashed bit histories. A slot belongs to a context and one nibble of the next byte: check (2 bytes), 15
 * states in the order of a binary heap, and in slots of first nibbles the byte last seen and how often in a
 * row. Three slots share a line of 64 bytes; a new context replaces the one least seen.
 */
export class Slots {
  readonly bytes: Uint8Array;
  readonly #lines: number;
  readonly #contexts: number;
  readonly #unhashed: number;

  /** @param unhashed histories beside the slots, see {@link unhashed} */
  constructor(lines: number, contexts: number, unhashed = 0) {
    this.#lines = lines;
    this.#contexts = contexts;
    this.#unhashed = lines * 64 + 2 * contexts * SLOT_BYTES;
    this.bytes = new Uint8Array(this.#unhashed + unhashed);
  }

  /** Line of a hash, or one of the 16 beside it (near 1..16). */
  line(hash: number, near = 0): number {
    return (Math.floor(((hash >>> 8) * this.#lines) / 0x1000000) ^ near) * 64;
  }

  /** Offset of the slot for a check in the line at `line`; undefined if there is none. */
  known(line: number, check: number): number | undefined {
    for (let slot = line; slot < line + 3 * SLOT_BYTES; slot += SLOT_BYTES)
      if (
        this.bytes[slot] === (check & 255) &&
        this.bytes[slot + 1] === ((check >>> 8) & 255) &&
        this.state(slot, 1) !== 0
      )
        return slot;
    return undefined;
  }

  /** Offset of the slot for a check in the line at `line`, cleared if it is new. */
  find(line: number, check: number): number {
    const known = this.known(line, check);
    if (known !== undefined) return known;
    let victim = line;
    let least = Infinity;
    for (let slot = line; slot < line + 3 * SLOT_BYTES; slot += SLOT_BYTES) {
      const root = this.state(slot, 1);
      const use = root === 0 ? -1 : STATES.zeros[root]! + STATES.ones[root]!;
      if (use < least) {
        least = use;
        victim = slot;
      }
    }
    this.bytes.fill(0, victim, victim + SLOT_BYTES);
    this.bytes[victim] = check & 255;
    this.bytes[victim + 1] = (check >>> 8) & 255;
    return victim;
  }

  /**
   * A slot that is not kept, for context number i: for contexts met for the first time.
   * @param ahead whether it is for looking ahead, which leaves the others as they are
   */
  scratch(i: number, ahead = false): number {
    const slot = this.#lines * 64 + (i + (ahead ? this.#contexts : 0)) * SLOT_BYTES;
    this.bytes.fill(0, slot, slot + SLOT_BYTES);
    return slot;
  }

  /** Where the history of a slot's node lies in `bytes`. */
  history(slot: number, node: number): number {
    return slot + 1 + node;
  }

  /** Where history number i of those beside the slots lies. */
  unhashed(i: number): number {
    return this.#unhashed + i;
  }

  state(slot: number, node: number): number {
    return this.bytes[this.history(slot, node)]!;
  }

  /** What comes of a history with one more bit, given its state when the bit was predicted. */
  update(history: number, state: number, bit: number): void {
    this.bytes[history] = STATES.next[bit as 0 | 1][state]!;
  }

  runByte(slot: number): number {
    return this.bytes[slot + 17]!;
  }

  runCount(slot: number): number {
    return this.bytes[slot + 18]!;
  }

  updateRun(slot: number, byte: number): void {
    const count = this.runCount(slot);
    if (count !== 0 && this.runByte(slot) === byte) {
      if (count < 255) this.bytes[slot + 18] = count + 1;
    } else {
      this.bytes[slot + 17] = byte;
      this.bytes[slot + 18] = 1;
    }
  }
}

/** Q16: a weight set learns from the bits whose probability it had wrong by at least this, 1/256. */
const LEAST_MISS = 256;

/**
 * Gated logistic mixing. Each set of weights is a table of rows; one row of each set is chosen by a small
 * context, and gives one logit: the inputs' weighted sum. Weights follow the gradient of coding cost, Δw =
 * rate · error · x. When a row is first used it starts as a copy of set 0's row, which is always in use.
 * Weights are Q26 within ±8, inputs and logits Q8.
 */
export class Mixer {
  readonly x: Int32Array;
  readonly logits: Int32Array;
  readonly #rows: readonly number[];
  readonly #weights: Int32Array[];
  readonly #used: Uint8Array[];
  readonly #chosen: Int32Array[] = [];

  /** @param initial weights of the row that all start from */
  constructor(rows: readonly number[], initial: Int32Array) {
    this.x = new Int32Array(initial.length);
    this.logits = new Int32Array(rows.length);
    this.#rows = rows;
    this.#weights = rows.map((n) => new Int32Array(n * initial.length));
    this.#used = rows.map((n) => new Uint8Array(n));
    this.#weights[0]!.set(initial);
  }

  /**
   * Chooses a row of each set and mixes.
   * @param learns whether the rows are used from now on; else one that is not yet is read as it would begin
   */
  mix(chosen: readonly number[], learns = true): void {
    const n = this.x.length;
    for (let set = 0; set < this.#rows.length; set++) {
      const row = chosen[set]!;
      let w = this.#weights[set]!.subarray(row * n, row * n + n);
      if (!this.#used[set]![row] && !learns) {
        if (set > 0) w = this.#chosen[0]!;
      } else if (!this.#used[set]![row]) {
        this.#used[set]![row] = 1;
        if (set > 0) w.set(this.#chosen[0]!);
      }
      this.#chosen[set] = w;
    }
    for (let set = 0; set < this.#rows.length; set++) {
      const w = this.#chosen[set]!;
      let sum = 0;
      for (let i = 0; i < n; i++) sum = (sum + Math.imul(w[i]! >> 14, this.x[i]!)) | 0;
      this.logits[set] = clampLogit(sum >> 12);
    }
  }

  /** Sum of the squares of the inputs, in nats². */
  energy(): number {
    return Math.floor(this.x.reduce((sum, x) => sum + x * x, 0) / 65536);
  }

  /** @param rate Q12: the error times it, times an input, is the step of that input's weight in Q30 */
  update(bit: number, rate: number): void {
    const limit = 8 * 2 ** 26 - 1;
    for (let set = 0; set < this.#rows.length; set++) {
      const miss = bit * 65536 - squash(this.logits[set]!);
      if (Math.abs(miss) < LEAST_MISS) continue;
      const error = (miss * rate) >> 12;
      const w = this.#chosen[set]!;
      for (let i = 0; i < w.length; i++) {
        const v = w[i]! + ((this.x[i]! * error + 8) >> 4);
        w[i] = Math.max(-limit, Math.min(limit, v));
      }
    }
  }
}

/** Points of a final map: one per nat of the logit. */
export const MAP_STEPS = 25;

/**
 * Final map (adaptive probability map, secondary estimation): in a small context, what a logit has really
 * meant. The answer is interpolated between two points a nat apart; the nearer one learns. An untouched map
 * is the identity.
 */
export class FinalMap {
  readonly #entries: Uint32Array;
  #at = 0;

  constructor(contexts: number) {
    this.#entries = new Uint32Array(contexts * MAP_STEPS);
  }

  /** @returns probability Q16, possibly 0 or 65535 + 0 beyond the coder's range */
  predict(context: number, logit: number): number {
    const x = logit + 3072;
    const j = x >> 8;
    const w = x & 255;
    const at = context * MAP_STEPS + j;
    for (const k of [0, 1])
      if (this.#entries[at + k] === 0) this.#entries[at + k] = squash((j + k) * 256 - 3072) * 65536 + 6;
    this.#at = at + (w >> 7);
    return (probability(this.#entries[at]!) * (256 - w) + probability(this.#entries[at + 1]!) * w) >> 8;
  }

  /** The bit that came of the last prediction. */
  update(bit: number): void {
    adapt(this.#entries, this.#at, bit, 127);
  }
}

/** Context number of a final map of 2^bits contexts. */
export function mapContext(bits: number, partial: number, context: number): number {
  return Math.imul((context << 8) | partial, 0x9e3779b1) >>> (32 - bits);
}

/** What codes bits: given the probability Q16 of a one, an encoder codes its bit, a decoder finds it. */
export type CodeBit = (p: number) => number;
