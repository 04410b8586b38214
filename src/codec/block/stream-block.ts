/**
 * @file Codes a block whose streams are independent by an engine that does it whole: network and coders are
 * the engine's.
 */
import type { StreamCoder } from '../../engines/engine.js';
import { stepCount } from '../../slices.js';
import { type Pauses, Portions } from '../event-loop.js';
import { type BlockProgress, Growth } from './progress.js';
import { joinCodes } from './stream-table.js';
import { damagedBlock } from './symbol-coder.js';

/** Has an engine encode a block whole. */
export async function encodeStreams(
  coder: StreamCoder<Uint8Array[]>,
  length: number,
  streams: number,
  pauses: Pauses,
  progress: BlockProgress | undefined,
): Promise<Uint8Array | undefined> {
  const growth = new Growth(streams);
  const look = (done: number, coded: number) => {
    if (coded > length || growth.hopeless(done, coded)) return false;
    progress?.(done, coded);
    return true;
  };
  try {
    if (!(await advance(coder, length, streams, pauses, () => growth.next, look))) return undefined;
    const codes = await coder.finish();
    const payload = codes && joinCodes(codes);
    return payload && payload.length < length ? payload : undefined;
  } finally {
    coder.close();
  }
}

/** Has an engine decode a block whole. @throws ShacompError ERR_CORRUPT */
export async function decodeStreams(
  coder: StreamCoder<Uint8Array<ArrayBuffer>>,
  length: number,
  streams: number,
  pauses: Pauses,
  progress: BlockProgress | undefined,
): Promise<Uint8Array<ArrayBuffer>> {
  const look = (done: number, used: number) => {
    if (used === Number.POSITIVE_INFINITY) throw damagedBlock();
    progress?.(done, used);
    return true;
  };
  try {
    await advance(coder, length, streams, pauses, () => length, look);
    const block = await coder.finish();
    if (!block) throw damagedBlock();
    return block;
  } finally {
    coder.close();
  }
}

/**
 * Takes a coder through a block in portions.
 * @param border symbols, whole steps, after which a portion must end
 * @param look called after each portion with the symbols done and what the coder says; false ends it
 * @returns whether all was done
 */
async function advance(
  coder: StreamCoder<unknown>,
  length: number,
  streams: number,
  pauses: Pauses,
  border: () => number,
  look: (done: number, bytes: number) => boolean,
): Promise<boolean> {
  const portions = new Portions(pauses, streams, length);
  for (let done = 0; done < length; ) {
    const count = Math.min(portions.begin(length - done), border() - done);
    let bytes = coder.advance(stepCount(count, streams));
    if (typeof bytes !== 'number') {
      portions.elsewhere();
      bytes = await bytes;
    }
    done += count;
    if (!look(done, bytes)) return false;
    const pause = portions.end(count);
    if (pause) await pause;
  }
  return true;
}
