/**
 * @file The copies of a block: what of the original bytes is not coded because it stands before
 * (docs/format.md 1.6).
 */
import { ShacompError } from '../../errors.js';
import { MAX_BLOCK_SIZE, MAX_COPIES_BYTES, MAX_WINDOW, RECORD } from './format.js';
import { encodeVarint } from './varint.js';

/** A piece of the original bytes that is a repeat of bytes before it. */
export interface Copy {
  /** bytes of the block between the copy before, or the block's start, and this one */
  literals: number;
  /** original bytes that it stands for, at least 1 */
  length: number;
  /**
   * how far back they stand, at least 1; less than the length for a run, whose bytes repeat with that period
   */
  distance: number;
}

/** Original bytes that copies stand for. */
export const copiedBytes = (copies: readonly Copy[]): number =>
  copies.reduce((sum, { length }) => sum + length, 0);

/** A difference as a number without a sign: 0, -1, 1, -2, ... are 0, 1, 2, 3, ... */
const zigzag = (difference: number): number => (difference < 0 ? -2 * difference - 1 : 2 * difference);
const unzigzag = (n: number): number => (n % 2 === 1 ? -(n + 1) / 2 : n / 2);

/**
 * A copy as the record has it. @param before the distance of the member's copy before, 0 for the first one
 */
export const encodeCopy = ({ literals, length, distance }: Copy, before: number): number[] => [
  ...encodeVarint(literals),
  ...encodeVarint(length),
  ...encodeVarint(zigzag(distance - before)),
];

/** The record of a block's copies, of which there is at least one. @param before as in {@link encodeCopy} */
export function copiesRecord(copies: readonly Copy[], before: number): Uint8Array {
  const bytes: number[] = [];
  let last = before;
  for (const copy of copies) {
    for (const byte of encodeCopy(copy, last)) bytes.push(byte);
    last = copy.distance;
  }
  return Uint8Array.from([RECORD.copies, ...encodeVarint(bytes.length), ...bytes]);
}

/** What copies may refer to. */
export interface CopyLimits {
  /** original bytes of the member before the block */
  position: number;
  /** farthest distance */
  window: number;
  /** as in {@link encodeCopy} */
  before: number;
}

/**
 * Reads what a record of copies holds. Whether the block has as many literals is for its reader to say.
 * @throws ShacompError ERR_CORRUPT
 */
export function decodeCopies(bytes: Uint8Array, { position, window, before }: CopyLimits): Copy[] {
  const copies: Copy[] = [];
  let at = 0;
  let total = 0;
  let last = before;
  const number = (limit: number): number => {
    let value = 0;
    for (let unit = 1; unit <= limit; unit *= 128) {
      if (at >= bytes.length) throw damaged();
      const byte = bytes[at++];
      value += (byte % 128) * unit;
      if (value > limit || (byte === 0 && unit > 1)) throw damaged();
      if (byte < 128) return value;
    }
    throw damaged();
  };
  while (at < bytes.length) {
    const literals = number(MAX_BLOCK_SIZE);
    const length = number(MAX_BLOCK_SIZE);
    const distance = last + unzigzag(number(2 * MAX_WINDOW));
    const start = position + total + literals;
    total += literals + length;
    if (length === 0 || distance < 1 || distance > Math.min(window, start) || total > MAX_BLOCK_SIZE)
      throw damaged();
    copies.push({ literals, length, distance });
    last = distance;
  }
  return copies;
}

/** @throws ShacompError ERR_CORRUPT if a record of copies has that many bytes */
export function checkCopiesBytes(bytes: number): void {
  if (bytes === 0 || bytes > MAX_COPIES_BYTES) throw damaged();
}

const damaged = () =>
  new ShacompError('ERR_CORRUPT', 'the compressed data is damaged: copies that are out of range');
