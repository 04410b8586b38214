/** @file All file input and output: inputs of every kind, outputs that appear only when complete, folders, metadata. */
import { randomBytes } from 'node:crypto';
import type { Stats } from 'node:fs';
import {
  constants,
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  rename,
  stat,
  unlink,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isatty } from 'node:tty';
import { describe, UserError, warn } from '../terminal/messages.js';
import { requireStandardOutput, writeResult } from '../terminal/results.js';
import { isStream, readAll, STDIN, wasClosed, writeFully } from './descriptors.js';
import { addPartialFile, endByBrokenPipe, removePartialFile } from './signals.js';

/** The operand that stands for standard input, and with -o for standard output. */
export const STANDARD = '-';

const CHUNK = 2 ** 20;

/** An open input. */
export interface Input {
  /** for messages */
  readonly name: string;
  /** undefined for standard input */
  readonly path: string | undefined;
  /** undefined for standard input */
  readonly stats: Stats | undefined;
  /** bytes, if known before reading */
  readonly size: number | undefined;
  /** The bytes, once; a chunk is valid until the next one is asked for. */
  chunks(): AsyncGenerator<Uint8Array>;
  close(): Promise<void>;
}

/** Opens a file, or standard input for "-". @throws system errors, UserError */
export async function openInput(path: string): Promise<Input> {
  if (path === STANDARD) return standardInput();
  const handle = await open(path, constants.O_RDONLY);
  const stats = await handle.stat();
  if (stats.isDirectory()) {
    await handle.close();
    throw new UserError('is a folder; give files, or use -r');
  }
  // files of /proc say 0 and hold something
  const size = stats.isFile() && stats.size > 0 ? stats.size : undefined;
  return {
    name: path,
    path,
    stats,
    size,
    chunks: () => readAll(handle.fd, CHUNK),
    close: () => handle.close(),
  };
}

function standardInput(): Input {
  const streams = process.platform === 'win32' || isatty(STDIN) || isStream(STDIN);
  return {
    name: 'standard input',
    path: undefined,
    stats: undefined,
    size: undefined,
    async *chunks() {
      if (wasClosed(STDIN)) throw new UserError('is closed');
      // of what it does not know (folders, disks) the stream of Node.js makes an empty one
      if (streams) for await (const chunk of process.stdin) yield chunk;
      else yield* readAll(STDIN, CHUNK);
    },
    async close() {
      if (streams) process.stdin.destroy();
    },
  };
}

/** The chunks of a file that was just written. */
export async function* fileChunks(path: string): AsyncGenerator<Uint8Array> {
  const handle = await open(path, constants.O_RDONLY);
  try {
    yield* readAll(handle.fd, CHUNK);
  } finally {
    await handle.close();
  }
}

/** Where results go. */
export interface Output {
  /** for messages; undefined for standard output */
  readonly name: string | undefined;
  write(chunk: Uint8Array): Promise<void>;
  /** All is written: gives it the metadata of its source and has it on the disk. */
  finish(source: Stats | undefined): Promise<void>;
  /** The bytes as they lie on the disk, after `finish`; undefined where they cannot be read back. */
  readBack: (() => AsyncGenerator<Uint8Array>) | undefined;
  /** Gives it its name. */
  commit(): Promise<void>;
  /** Takes back what was not committed. */
  discard(): Promise<void>;
}

/** Standard output. @throws StandardOutputError */
export function standardOutput(): Output {
  requireStandardOutput();
  return {
    name: undefined,
    readBack: undefined,
    write: writeResult,
    async finish() {},
    async commit() {},
    async discard() {},
  };
}

/**
 * Opens a file for writing: a temporary file beside it that takes its name when complete. What is not a regular file
 * (a device, a pipe) is written to as it is.
 * @param overwrite whether a file that is there may be replaced
 * @throws system errors, UserError
 */
export async function openOutput(path: string, overwrite: boolean): Promise<Output> {
  const present = await stat(path).catch(() => undefined);
  if (present?.isDirectory()) throw new UserError('is a folder; name a file', path);
  if (present && !present.isFile()) return specialOutput(path);

  const folder = dirname(path);
  const temporary = join(folder, `.shacomp-${randomBytes(6).toString('hex')}.part`);
  // registered first: a signal may come at any time
  addPartialFile(temporary);
  const handle = await open(temporary, 'wx', 0o600).catch((error) => {
    removePartialFile(temporary);
    throw about(path, error);
  });
  let closed = false;
  const close = async () => {
    if (!closed) await handle.close();
    closed = true;
  };
  return {
    name: path,
    async write(chunk) {
      await writeFully(handle.fd, chunk).catch(blame(path));
    },
    async finish(source) {
      await copyMetadata(source, handle);
      await handle.sync().catch(blame(path));
      await close();
    },
    readBack: () => fileChunks(temporary),
    async commit() {
      await close();
      await giveName(temporary, path, overwrite);
      removePartialFile(temporary);
      await syncFolder(folder);
    },
    async discard() {
      await close();
      await unlink(temporary).catch(() => {});
      removePartialFile(temporary);
    },
  };
}

/** An error of the output: messages are about the input unless told otherwise. */
const about = (path: string, error: unknown) => new UserError(describe(error), path, { cause: error });

const blame = (path: string) => (error: unknown) => {
  throw about(path, error);
};

async function specialOutput(path: string): Promise<Output> {
  const handle = await open(path, 'w').catch((error) => {
    throw about(path, error);
  });
  return {
    name: path,
    readBack: undefined,
    write: (chunk) =>
      writeFully(handle.fd, chunk).catch((error) => {
        if (error.code === 'EPIPE') endByBrokenPipe();
        throw about(path, error);
      }),
    finish: () => handle.close().catch(blame(path)),
    async commit() {},
    discard: () => handle.close().catch(() => {}),
  };
}

/** Gives a complete file its name. Where it must not overwrite, a link does so without a gap between test and act. */
async function giveName(temporary: string, path: string, overwrite: boolean): Promise<void> {
  if (overwrite) return rename(temporary, path);
  try {
    await link(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw alreadyExists(path);
    // a file system without links
    if (await exists(path)) throw alreadyExists(path);
    return rename(temporary, path);
  }
  await unlink(temporary);
}

export const alreadyExists = (path: string): UserError =>
  new UserError('already exists; use -f to overwrite it', path);

/** Whether there is anything by this name, a broken link included. */
export async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** Whether a regular file (or a link) is there that writing would replace. */
export async function wouldOverwrite(path: string): Promise<boolean> {
  if (!(await exists(path))) return false;
  const target = await stat(path).catch(() => undefined);
  return target === undefined || target.isFile();
}

/** Whether two paths lead to one file. */
export async function sameFile(a: Stats | undefined, path: string): Promise<boolean> {
  const b = await stat(path).catch(() => undefined);
  return a !== undefined && b !== undefined && a.isFile() && a.dev === b.dev && a.ino === b.ino;
}

/** Permissions, times and, where allowed, the owner of the source; without one, what a new file has. */
async function copyMetadata(source: Stats | undefined, handle: FileHandle): Promise<void> {
  if (!source?.isFile()) return handle.chmod(0o666 & ~process.umask());
  let mode = source.mode & 0o777;
  const own = await handle.stat();
  if (own.uid !== source.uid || own.gid !== source.gid) {
    try {
      await handle.chown(source.uid, source.gid);
    } catch {
      // another group: it gets no more than everybody
      if (own.gid !== source.gid) mode &= 0o707 | ((mode & 0o007) << 3);
    }
  }
  await handle.chmod(mode);
  await handle.utimes(source.atime, source.mtime);
}

/** Puts a folder's entries on the disk, where the system can. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY).catch(() => undefined);
  await handle?.sync().catch(() => {});
  await handle?.close();
}

/** Removes an input, if it is still the file that was read. @throws system errors, UserError */
export async function removeInput(path: string, read: Stats): Promise<void> {
  const now = await stat(path);
  if (now.dev !== read.dev || now.ino !== read.ino || now.size !== read.size || now.mtimeMs !== read.mtimeMs)
    throw new UserError('has changed since it was read; it was not removed');
  await unlink(path);
}

/** Writes a small file whole: a temporary file, then its name. */
export async function writeFileSafely(path: string, bytes: Uint8Array, overwrite: boolean): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const output = await openOutput(path, overwrite);
  try {
    await output.write(bytes);
    await output.finish(undefined);
    await output.commit();
  } catch (error) {
    await output.discard();
    throw error;
  }
}

export interface Expansion {
  /** go into folders */
  recursive: boolean;
  /** which of a folder's files are taken */
  accept?: (name: string) => boolean;
  /** whether to take files and folders whose names begin with a dot (default: yes) */
  hidden?: boolean;
}

/** The operands with folders replaced by the files in them, in order of name; folders are warned about without -r. */
export async function* expand(
  paths: readonly string[],
  { recursive, accept = () => true, hidden = true }: Expansion,
): AsyncGenerator<string> {
  const wanted = (name: string) => hidden || !name.startsWith('.');
  async function* walk(folder: string): AsyncGenerator<string> {
    const entries = await readdir(folder, { withFileTypes: true }).catch((error) => {
      throw about(folder, error);
    });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = join(folder, entry.name);
      if (!wanted(entry.name)) continue;
      if (entry.isDirectory()) yield* walk(path);
      else if (entry.isFile() && accept(entry.name)) yield path;
    }
  }
  for (const path of paths) {
    if (path === STANDARD || !(await isFolder(path))) yield path;
    else if (recursive) yield* walk(path);
    else warn('is a folder; skipped (use -r to go into folders)', path);
  }
}

const isFolder = (path: string): Promise<boolean> =>
  stat(path).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
