/**
 * @file Files that appear whole or not at all: written beside their place, brought to the disk, then given
 * their name.
 */
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, lstat, open, rename, unlink } from 'node:fs/promises';
import { constants as system } from 'node:os';
import { dirname, join } from 'node:path';
import { systemName } from './names.js';
import { SparseWriter } from './sparse.js';
import { writeFully } from './write-fully.js';

/** How files are called until they are complete. */
const PARTIAL = { prefix: '.shacomp-', suffix: '.part' };

/** Whether a name is that of a file in the making, or of what a killed run left of one. */
export function isPartialFile(name: string): boolean {
  return name.startsWith(PARTIAL.prefix) && name.endsWith(PARTIAL.suffix);
}

/** Told of temporary files before they are made and once they are gone: for runs that may end in between. */
export interface PartialFiles {
  add(temporary: string): void;
  remove(temporary: string): void;
}

/** A file in the making. */
export interface NewFile {
  /** where it lies until it has its name */
  readonly temporary: string;
  readonly handle: FileHandle;
  /** Writes all of these bytes at the end. @throws system errors */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * All is written: gives it its length, if it ends with a hole. To be called before times are set. @throws
   * system errors
   */
  end(): Promise<void>;
  /** Brings it to the disk, ended. @throws system errors */
  finish(): Promise<void>;
  /**
   * Gives it its name.
   * @param overwrite whether a file that is there may be replaced
   * @throws system errors; EEXIST if one is there that may not
   */
  commit(overwrite: boolean): Promise<void>;
  /** Takes back what was not committed. */
  discard(): Promise<void>;
}

const unwatched: PartialFiles = { add() {}, remove() {} };

/**
 * Begins a file, which only its owner can read for now.
 * @param options.sparse whether zeros may become holes
 * @throws system errors
 */
export async function newFile(
  path: string,
  partial: PartialFiles = unwatched,
  { sparse = false } = {},
): Promise<NewFile> {
  const folder = dirname(path);
  const temporary = join(folder, `${PARTIAL.prefix}${randomBytes(6).toString('hex')}${PARTIAL.suffix}`);
  // before it is there: a signal may come at any time
  partial.add(temporary);
  let handle: FileHandle;
  try {
    handle = await open(systemName(temporary), 'wx', 0o600);
  } catch (error) {
    partial.remove(temporary);
    throw error;
  }
  const holes = sparse ? new SparseWriter(handle) : undefined;
  let closed = false;
  const close = async () => {
    if (!closed) await handle.close();
    closed = true;
  };
  return {
    temporary,
    handle,
    write: (bytes) => holes?.write(bytes) ?? writeFully(handle.fd, bytes),
    end: async () => holes?.finish(),
    async finish() {
      await holes?.finish();
      await handle.sync();
      await close();
    },
    async commit(overwrite) {
      await close();
      await giveName(temporary, path, overwrite);
      partial.remove(temporary);
      await syncFolder(folder);
    },
    async discard() {
      await close().catch(() => {});
      await unlink(systemName(temporary)).catch(() => {});
      partial.remove(temporary);
    },
  };
}

/**
 * Gives a complete file its name. Where it must not overwrite, a link does so without a gap between test and
 * act.
 */
async function giveName(temporary: string, path: string, overwrite: boolean): Promise<void> {
  const [from, to] = [systemName(temporary), systemName(path)];
  if (overwrite) return rename(from, to);
  try {
    await link(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
    // a file system without links
    const there = await lstat(to).then(
      () => true,
      () => false,
    );
    if (there)
      throw Object.assign(new Error('file already exists'), { code: 'EEXIST', errno: -system.errno.EEXIST });
    return rename(from, to);
  }
  await unlink(from);
}

/** Puts a folder's entries on the disk, where the system can. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(systemName(folder), constants.O_RDONLY).catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}
