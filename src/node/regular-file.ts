/**
 * @file Regular files, opened so that nothing else can be read in their place: a pipe would hang, a device
 * never end.
 */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { systemName } from './names.js';

/** Opens a file for reading without waiting for a pipe's writer. */
export const READ = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0);

/** Most bytes that are asked for at a time. */
const PIECE = 2 ** 28;

/** A regular file that is open for reading. */
export interface RegularFile {
  /** bytes, when it was opened */
  readonly size: number;
  /**
   * Fills `to` from the file's byte `at` on.
   * @throws Error if the file has become shorter; system errors
   */
  read(to: Uint8Array, at: number): Promise<void>;
}

/**
 * Opens a regular file for as long as `use` takes.
 * @throws Error for anything else: folders, pipes, devices; system errors
 */
export async function withRegularFile<T>(path: string, use: (file: RegularFile) => Promise<T>): Promise<T> {
  // before it is opened, since that alone can do something to a device; and after, since it may be another
  // one now
  check(await stat(systemName(path)));
  const handle = await open(systemName(path), READ);
  try {
    const stats = await handle.stat();
    check(stats);
    return await use({ size: stats.size, read: (to, at) => fill(handle, to, at) });
  } finally {
    await handle.close();
  }
}

function check(stats: Stats): void {
  if (!stats.isFile()) throw new Error('is not a regular file');
}

async function fill(handle: FileHandle, to: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < to.length; ) {
    const { bytesRead } = await handle.read(to, done, Math.min(PIECE, to.length - done), at + done);
    if (bytesRead === 0) throw new Error('became shorter while it was read');
    done += bytesRead;
  }
}
