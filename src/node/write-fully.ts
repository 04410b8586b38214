/** @file Bytes to a file descriptor: all of them, or an error. */
import { write } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const writeSome = promisify(write);

/** Milliseconds to wait for a full pipe that does not block: at first, and at most. */
const WAIT = { first: 1, most: 50 };

/** What a write says that takes nothing: going on would never end. */
const tookNothing = () =>
  Object.assign(new Error('write: no bytes were taken'), { code: 'EIO', errno: -constants.errno.EIO });

/**
 * Writes all of these bytes; waits where a pipe is full.
 * @param position in the file; by default where the descriptor stands
 * @throws system errors
 */
export async function writeFully(fd: number, bytes: Uint8Array, position?: number): Promise<void> {
  let wait = WAIT.first;
  for (let at = 0; at < bytes.length; ) {
    try {
      const place = position === undefined ? undefined : position + at;
      const { bytesWritten } = await writeSome(fd, bytes, at, bytes.length - at, place);
      if (bytesWritten === 0) throw tookNothing();
      at += bytesWritten;
      wait = WAIT.first;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      await sleep(wait);
      wait = Math.min(2 * wait, WAIT.most);
    }
  }
}
