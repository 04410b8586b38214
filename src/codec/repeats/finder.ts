/**
 * @file Splits bytes into blocks of literals and copies: finds repeats over a window that is larger than a
 * block. The models of a block predict what it repeats itself, at a few hundredths of a bit per byte, but
 * know nothing of the blocks before.
 *
 * Marked places (gear.ts) are looked up as in zstd's long-distance matcher (Facebook, 2017; Tridgell's rsync,
 * 1996, for the idea); what is found there is verified and extended to both sides.
 */
import { type Copy, encodeCopy } from '../container/copies.js';
import { MAX_BLOCK_SIZE, MAX_COPIES_BYTES } from '../container/format.js';
import { LONGEST_PERIOD, Marks, MarkTable, PERIODS } from './gear.js';
import { History } from './history.js';

/** Shortest copies worth their record and what the models lose at its seam, in bytes. */
export interface LeastCopy {
  /** of bytes before the block, which its models have not seen */
  far: number;
  /** of bytes of the block itself, which they predict well */
  near: number;
}

/**
 * Shortest copies by what codes the literals (docs/results.md): the more it learns, the less a long repeat
 * costs it. What is not coded at all pays eight bits for every byte.
 */
export const LEAST_COPY = {
  stored: { far: 192, near: 192 },
  fast: { far: 192, near: 2048 },
  full: { far: 192, near: 2 ** 16 },
} satisfies Record<string, LeastCopy>;

/** Most bytes that are given at once. */
export const PIECE = 2 ** 18;
/** How many times the bytes that it codes a block may stand for, with its copies. */
const EXPANSION = 4;
/** Room that the record of copies must have for one more. */
const LARGEST_COPY = 16;

/** A block, cut. */
export interface SplitBlock {
  /** what is to be coded, at least one byte */
  literals: Uint8Array<ArrayBuffer>;
  copies: Copy[];
  /** distance of the member's last copy before the block, 0 if there is none */
  before: number;
  /** original bytes */
  length: number;
}

/** The copy that goes on. */
interface Growing {
  literals: number;
  length: number;
  distance: number;
  /** from which length on it is worth its record */
  least: number;
}

/** Bytes that are compared at once. */
const WORD = 4;
const roundUp = (bytes: number): number => Math.ceil(bytes / WORD) * WORD;

/**
 * The first byte of `from` to `to` that is not the one at a distance before, or `to`; `from` and `distance`
 * are whole words.
 */
function sameWords(bytes: Uint8Array, from: number, to: number, distance: number): number {
  let at = from;
  if (bytes.byteOffset % WORD === 0) {
    const words = new Int32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / WORD));
    const back = distance / WORD;
    let word = from / WORD;
    for (const end = Math.floor(to / WORD); word < end && words[word] === words[word - back]; ) word++;
    at = word * WORD;
  }
  while (at < to && bytes[at] === bytes[at - distance]) at++;
  return at;
}

const NOTHING = { length: 0, least: 0 };

/**
 * Takes the bytes of a member piece by piece, and cuts them into blocks. Where it cuts and what it finds
 * depends on the bytes and on the sizes of the pieces.
 */
export class RepeatFinder {
  readonly #window: number;
  readonly #blockSize: number;
  readonly #mostExpanded: number;
  readonly #least: LeastCopy;
  readonly #history: History;
  readonly #table: MarkTable;
  readonly #marks = new Marks();
  /** The piece, how much of it is done, and which mark comes next. */
  #piece: Uint8Array = new Uint8Array(0);
  #at = 0;
  #mark = 0;
  /** Position of the piece's first byte, and of the block's. */
  #pieceStart = 0;
  #blockStart = 0;
  #literals = new Uint8Array(0);
  #filled = 0;
  #copies: Copy[] = [];
  #copiesBytes = 0;
  /** Literals of the block before the end of its last copy. */
  #taken = 0;
  /** Distance of the last copy, and of the last one before the block. */
  #before = 0;
  #blockBefore = 0;
  #growing: Growing | undefined;
  /** The distance at which the copy went on when the block before ended. */
  #resume = 0;
  /** Where bytes at a distance stop being alike, that were not worth a copy. */
  #refused = { end: 0, distance: 0 };

  /**
   * @param window farthest distance of a copy; 0 for none
   * @param blockSize literals of a block
   * @param least shortest copies; none need be longer than half a block
   */
  constructor(window: number, blockSize: number, least: LeastCopy) {
    this.#window = window;
    this.#blockSize = blockSize;
    this.#mostExpanded = Math.min(MAX_BLOCK_SIZE, EXPANSION * blockSize);
    this.#least = { far: Math.min(least.far, blockSize / 2), near: Math.min(least.near, blockSize / 2) };
    this.#history = new History(window);
    this.#table = new MarkTable(window);
  }

  /** Bytes of memory that it has. */
  get memory(): number {
    const table = this.#window === 0 ? 0 : this.#table.memory;
    return this.#history.memory + table + this.#literals.length;
  }

  /** Original bytes that are in blocks, finished or begun. */
  get position(): number {
    return this.#pieceStart + this.#at;
  }

  /** Original bytes of the block that is begun. */
  get length(): number {
    return this.position - this.#blockStart;
  }

  /** Bytes to give next, at most: no more than the block has room for. 0 if it is full. */
  get wanted(): number {
    return this.#full ? 0 : Math.min(PIECE, this.#room);
  }

  /** What of the last piece is in blocks. */
  get done(): Uint8Array {
    return this.#piece.subarray(0, this.#at);
  }

  /** Whether all that was given is in blocks. */
  get empty(): boolean {
    return this.#at === this.#piece.length;
  }

  /** Bytes that the block can take, if all that is to come and the copy that goes on become literals. */
  get #room(): number {
    const { length, least } = this.#growing ?? NOTHING;
    const tentative = length < least ? length : 0;
    return Math.min(this.#blockSize - this.#filled - tentative, this.#mostExpanded - this.length);
  }

  get #full(): boolean {
    return this.#room <= 0 || this.#copiesBytes > MAX_COPIES_BYTES - 2 * LARGEST_COPY;
  }

  /** Gives the next piece, when the one before is done with. It must not change until it is. */
  give(piece: Uint8Array): void {
    this.#pieceStart += this.#piece.length;
    this.#piece = piece;
    this.#at = 0;
    this.#mark = 0;
    if (this.#window === 0) return;
    this.#history.append(piece);
    const growing = this.#growing;
    if (growing && growing.distance <= LONGEST_PERIOD) this.#grow(growing);
    // a run has no places worth marking
    if (this.empty) this.#marks.skip();
    else this.#marks.find(piece);
  }

  /** Works on the piece until it is done, or the block is full. @returns whether the block is full */
  advance(): boolean {
    if (this.#resume > 0 && this.#at < this.#piece.length) {
      const distance = this.#resume;
      this.#resume = 0;
      this.#copyLiterals(this.#at + 1);
      this.#grow({ literals: 1, length: 0, distance, least: this.#leastOf(this.position, distance) });
    }
    if (this.#growing) this.#grow(this.#growing);
    const { places, hashes, count } = this.#marks;
    for (; this.#window > 0 && this.#mark < count; this.#mark++) {
      const place = Math.abs(places[this.#mark]);
      if (place > this.#at && this.#full) break;
      const position = this.#pieceStart + place;
      if (places[this.#mark] < 0) {
        if (place > this.#at) this.#tryRun(place);
        continue;
      }
      const distance = this.#table.put(hashes[this.#mark], position);
      if (place > this.#at && distance > 0) this.#try(place, distance);
    }
    if (!this.#full && !this.#growing) this.#copyLiterals(this.#piece.length);
    return this.#full;
  }

  /** Ends the block: the next bytes are another one's. There must be some in it. */
  end(): SplitBlock {
    const growing = this.#growing;
    this.#settle();
    if (growing && growing.length >= growing.least) this.#resume = growing.distance;
    const block = {
      literals: this.#literals.subarray(0, this.#filled),
      copies: this.#copies,
      before: this.#blockBefore,
      length: this.length,
    };
    // the block keeps its memory
    this.#literals = new Uint8Array(0);
    this.#filled = 0;
    this.#taken = 0;
    this.#copies = [];
    this.#copiesBytes = 0;
    this.#blockStart = this.position;
    this.#blockBefore = this.#before;
    return block;
  }

  #leastOf(position: number, distance: number): number {
    return position - distance < this.#blockStart ? this.#least.far : this.#least.near;
  }

  /** Takes bytes of the piece up to a place as literals, as far as the block has room. */
  #copyLiterals(place: number): void {
    const count = Math.min(place - this.#at, this.#room);
    this.#reserve(count);
    this.#literals.set(this.#piece.subarray(this.#at, this.#at + count), this.#filled);
    this.#filled += count;
    this.#at += count;
  }

  #reserve(count: number): void {
    const needed = this.#filled + count;
    if (needed <= this.#literals.length) return;
    const larger = new Uint8Array(
      Math.min(this.#blockSize, Math.max(needed, 2 * this.#literals.length, 4096)),
    );
    larger.set(this.#literals.subarray(0, this.#filled));
    this.#literals = larger;
  }

  /** A run was seen to go on: looks for its period. */
  #tryRun(place: number): void {
    const position = this.#pieceStart + place;
    const known = position - this.#history.begin;
    for (const period of PERIODS)
      if (
        period <= this.#window &&
        this.#sameBefore(position, period, LONGEST_PERIOD) >= Math.min(LONGEST_PERIOD, known - period)
      ) {
        this.#try(place, period);
        return;
      }
  }

  /** How many of the bytes before a position are those at a distance before. */
  #sameBefore(position: number, distance: number, most: number): number {
    const known = position - distance - this.#history.begin;
    return this.#history.sameBefore(position, position - distance, Math.min(most, known));
  }

  /** Begins a copy if the bytes around a place of the piece are those at a distance before. */
  #try(place: number, distance: number): void {
    const position = this.#pieceStart + place;
    if (distance > this.#window || position - distance <= this.#history.begin) return;
    if (distance === this.#refused.distance && position <= this.#refused.end) return;
    this.#copyLiterals(place);
    if (this.#at < place) return;
    // the first byte of a block is a literal
    const available = this.#filled - Math.max(this.#taken, 1);
    const back = this.#sameBefore(position, distance, available);
    const start = position - back;
    const least = this.#leastOf(start, distance);
    this.#filled -= back;
    this.#grow({ literals: this.#filled - this.#taken, length: back, distance, least });
  }

  /** Takes bytes of the piece into a copy as long as they are alike. */
  #grow(copy: Growing): void {
    this.#growing = copy;
    const most = Math.min(this.#piece.length, this.#at + this.#mostExpanded - this.length);
    const count = this.#same(copy, most);
    copy.length += count;
    this.#at += count;
    if (this.#at < most) this.#settle();
  }

  /** How many bytes of the piece, up to `to`, are those at a copy's distance. */
  #same({ distance, length }: Growing, to: number): number {
    const from = this.#at;
    // what has the period of a run has any multiple of it, and words are faster than bytes
    const words = WORD * distance;
    const near = distance <= LONGEST_PERIOD && length >= words ? Math.min(to, roundUp(from) + words) : to;
    const count = this.#history.same(this.position - distance, this.#piece, from, near);
    return from + count < near || near === to ? count : sameWords(this.#piece, near, to, words) - from;
  }

  /** The copy does not go on: keeps it if it is worth it, or makes literals of it. */
  #settle(): void {
    const copy = this.#growing;
    if (!copy) return;
    this.#growing = undefined;
    const { literals, length, distance, least } = copy;
    if (length >= least) {
      const made = { literals, length, distance };
      this.#copies.push(made);
      this.#copiesBytes += encodeCopy(made, this.#before).length;
      this.#before = distance;
      this.#taken = this.#filled;
      return;
    }
    this.#reserve(length);
    this.#history.read(this.position - length, this.#literals, this.#filled, length);
    this.#filled += length;
    this.#refused = { end: this.position, distance };
  }
}
