/** @file Puts a block's literals and copies together to the original bytes. */
import type { Copy } from '../container/copies.js';
import { inPieces, type Pauses } from '../event-loop.js';
import type { History } from './history.js';

/** Bytes that are copied at once. */
const PIECE = 2 ** 20;

/**
 * The original bytes of a block.
 * @param literals what the block codes
 * @param copies those of the block, checked: no farther back than the history has bytes
 * @param history the original bytes before the block
 * @param length of the original bytes: literals and copies
 * @throws the reason of the signal that `pauses` watches
 */
export async function expand(
  literals: Uint8Array<ArrayBuffer>,
  copies: readonly Copy[],
  history: History,
  length: number,
  pauses: Pauses,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(length);
  const start = history.end;
  let at = 0;
  let used = 0;
  for (const copy of copies) {
    const { literals: count, distance } = copy;
    bytes.set(literals.subarray(used, used + count), at);
    used += count;
    at += count;
    const end = at + copy.length;
    const before = Math.min(copy.length, Math.max(0, distance - at));
    history.read(start + at - distance, bytes, at, before);
    at += before;
    // the rest stands in the block; a run is its own source, which doubles with every step
    for (let source = at - distance; at < end; ) {
      const step = Math.min(end - at, at - source, PIECE);
      bytes.copyWithin(at, source, source + step);
      if (step < at - source) source += step;
      at += step;
      const pause = pauses.take();
      if (pause) await pause;
    }
    const pause = pauses.take();
    if (pause) await pause;
  }
  const rest = literals.length - used;
  await inPieces(pauses, rest, (from, to) => bytes.set(literals.subarray(used + from, used + to), at + from));
  return bytes;
}
