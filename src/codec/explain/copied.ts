/** @file The costs of blocks with copies: what is coded stands between them. */
import { type Copy, copiedBytes } from '../container/copies.js';
import { partOf, placeLists, type Readings } from './costs.js';

/** Ranges of a block's original bytes in order, from the literals or a copy. */
function* ranges(copies: readonly Copy[], length: number): Generator<{ copied: boolean; count: number }> {
  let done = 0;
  for (const { literals, length: count } of copies) {
    yield { copied: false, count: literals };
    yield { copied: true, count };
    done += literals + count;
  }
  yield { copied: false, count: length - done };
}

/** What a block codes of its original bytes. @param count bytes of it */
export function withoutCopies(bytes: Uint8Array, copies: readonly Copy[], count: number): Uint8Array {
  const literals = new Uint8Array(count);
  let [at, used] = [0, 0];
  for (const { copied, count } of ranges(copies, bytes.length)) {
    if (!copied) {
      literals.set(bytes.subarray(at, at + count), used);
      used += count;
    }
    at += count;
  }
  return literals;
}

/**
 * Puts the costs of what a block codes where the bytes stand, and gives those in copies their share.
 * @param literals readings of what the block codes
 * @param readings of its original bytes, all zero
 * @param bits of the record of the copies
 */
export function placeCosts(
  literals: Readings,
  readings: Readings,
  copies: readonly Copy[],
  bits: number,
): void {
  const share = bits / copiedBytes(copies);
  let [at, used] = [0, 0];
  for (const { copied, count } of ranges(copies, readings.coded.length)) {
    if (copied) {
      readings.coded.fill(share, at, at + count);
      readings.contexts.fill(share, at, at + count);
      readings.network?.fill(share, at, at + count);
    } else {
      const part = partOf(literals, used, used + count);
      readings.coded.set(part.coded, at);
      readings.contexts.set(part.contexts, at);
      readings.network?.set(part.network!, at);
      placeLists(part, readings, at);
      used += count;
    }
    at += count;
  }
}
