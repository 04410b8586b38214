/**
 * @file All file input and output: inputs of every kind, outputs that appear only when complete, folders,
 * metadata.
 */
import type { BigIntStats } from 'node:fs';
import { constants, type FileHandle, lstat, mkdir, open, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isatty } from 'node:tty';
import { systemName } from '../../node/names.js';
import { newFile, type PartialFiles } from '../../node/write-file.js';
import { writeFully } from '../../node/write-fully.js';
import { describe, UserError } from '../terminal/messages.js';
import { printable } from '../terminal/printable.js';
import { requireStandardOutput, writeResult } from '../terminal/results.js';
import { isStream, readAll, STDIN, wasClosed } from './descriptors.js';
import { addPartialFile, endByBrokenPipe, removePartialFile } from './signals.js';

/** The operand that stands for standard input, and with -o for standard output. */
export const STANDARD = '-';

const CHUNK = 2 ** 20;

/** An interrupted run removes what it has not finished. */
const PARTIAL_FILES: PartialFiles = { add: addPartialFile, remove: removePartialFile };

/** An open input. */
export interface Input {
  /** for messages */
  readonly name: string;
  /** undefined for standard input */
  readonly path: string | undefined;
  /** undefined for standard input */
  readonly stats: BigIntStats | undefined;
  /** bytes, if known before reading */
  readonly size: number | undefined;
  /** The bytes, once; a chunk is valid until the next one is asked for. */
  chunks(): AsyncGenerator<Uint8Array>;
  /** Whether it is not any more what it was when it was opened. */
  changed(): Promise<boolean>;
  close(): Promise<void>;
}

/** Opens a file, or standard input for "-". @throws system errors, UserError */
export async function openInput(path: string): Promise<Input> {
  if (path === STANDARD) return standardInput();
  const handle = await open(systemName(path), constants.O_RDONLY);
  const stats = await handle.stat({ bigint: true });
  if (stats.isDirectory()) {
    await handle.close();
    throw new UserError('is a folder; give files, or use -r');
  }
  // files of /proc say 0 and hold something, those of /sys say 4096 and hold less
  const told = stats.isFile() && stats.size > 0n && (stats.size > 4096n || stats.blocks > 0n);
  const size = told ? Number(stats.size) : undefined;
  return {
    name: printable(path),
    path,
    stats,
    size,
    chunks: () => (size === undefined ? readAll(handle.fd, CHUNK) : readFile(handle.fd, size)),
    async changed() {
      const now = await handle.stat({ bigint: true });
      return stats.isFile() && (now.size !== stats.size || now.mtimeNs !== stats.mtimeNs);
    },
    close: () => handle.close(),
  };
}

/**
 * As much of a file as there was when it was opened: one that grows is cut there. @throws system errors,
 * UserError
 */
async function* readFile(fd: number, size: number): AsyncGenerator<Uint8Array> {
  let left = size;
  for await (const chunk of readAll(fd, CHUNK)) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
  throw new UserError('became shorter while it was read');
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
    changed: async () => false,
    async close() {
      if (streams) process.stdin.destroy();
    },
  };
}

/** The chunks of a file that was just written. */
export async function* fileChunks(path: string): AsyncGenerator<Uint8Array> {
  const handle = await open(systemName(path), constants.O_RDONLY);
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
  finish(source: BigIntStats | undefined): Promise<void>;
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
 * Opens a file for writing: a temporary file beside it that takes its name when complete. What is not a
 * regular file (a device, a pipe) is written to as it is.
 * @param overwrite whether a file that is there may be replaced
 * @param options.sparse whether zeros may become holes, where it is a regular file
 * @throws system errors, UserError
 */
export async function openOutput(
  path: string,
  overwrite: boolean,
  options: { sparse?: boolean } = {},
): Promise<Output> {
  const present = await stat(systemName(path)).catch(() => undefined);
  if (present?.isDirectory()) throw new UserError('is a folder; name a file', path);
  if (present && !present.isFile()) return specialOutput(path);

  const file = await newFile(path, PARTIAL_FILES, options).catch(blame(path));
  return {
    name: printable(path),
    write: (chunk) => file.write(chunk).catch(blame(path)),
    async finish(source) {
      await file.end().catch(blame(path));
      await copyMetadata(source, file.handle).catch(blame(path));
      await file.finish().catch(blame(path));
    },
    readBack: () => fileChunks(file.temporary),
    commit: () =>
      file.commit(overwrite).catch((error) => {
        throw error.code === 'EEXIST' ? alreadyExists(path) : about(path, error);
      }),
    discard: () => file.discard(),
  };
}

/** An error of the output: messages are about the input unless told otherwise. */
const about = (path: string, error: unknown) => new UserError(describe(error), path, { cause: error });

const blame = (path: string) => (error: unknown) => {
  throw about(path, error);
};

async function specialOutput(path: string): Promise<Output> {
  const handle = await open(systemName(path), 'w').catch(blame(path));
  return {
    name: printable(path),
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

export const alreadyExists = (path: string): UserError =>
  new UserError('already exists; use -f to overwrite it', path);

/** Whether there is anything by this name, a broken link included. */
export async function exists(path: string): Promise<boolean> {
  return lstat(systemName(path)).then(
    () => true,
    () => false,
  );
}

/** Whether a regular file (or a link) is there that writing would replace. */
export async function wouldOverwrite(path: string): Promise<boolean> {
  if (!(await exists(path))) return false;
  const target = await stat(systemName(path)).catch(() => undefined);
  return target === undefined || target.isFile();
}

/** Whether two paths lead to one file. */
export async function sameFile(a: BigIntStats | undefined, path: string): Promise<boolean> {
  const b = await stat(systemName(path), { bigint: true }).catch(() => undefined);
  return a !== undefined && b !== undefined && a.isFile() && a.dev === b.dev && a.ino === b.ino;
}

/** Permissions, times and, where allowed, the owner of the source; without one, what a new file has. */
async function copyMetadata(source: BigIntStats | undefined, handle: FileHandle): Promise<void> {
  if (!source?.isFile()) return handle.chmod(0o666 & ~process.umask());
  let mode = Number(source.mode) & 0o777;
  const own = await handle.stat({ bigint: true });
  if (own.uid !== source.uid || own.gid !== source.gid) {
    try {
      await handle.chown(Number(source.uid), Number(source.gid));
    } catch {
      // another group: it gets no more than everybody
      if (own.gid !== source.gid) mode &= 0o707 | ((mode & 0o007) << 3);
    }
  }
  await handle.chmod(mode);
  await setTimes(handle, source);
}

/**
 * Gives a file the times of its source; its time of change is that one or as little later as can be, so that
 * `make` does not find it outdated. Node.js takes seconds as a double and libuv cuts them to microseconds;
 * some file systems keep whole seconds, or every second one.
 */
async function setTimes(handle: FileHandle, source: BigIntStats): Promise<void> {
  const wanted = Number(source.mtimeNs) / 1e9;
  const ulp = 2 ** (Math.floor(Math.log2(Math.abs(wanted) || 1)) - 52);
  const later = (grain: number) => (Math.floor(wanted / grain) + 1) * grain;
  const attempts = [0, 1, 2, 3, 4, 5].map((n) => wanted + n * ulp);
  for (const time of [...attempts, later(1e-3), later(1), later(2)]) {
    // a negative number would be taken for the present
    await handle.utimes(source.atime, time < 0 ? new Date(Math.ceil(1000 * time)) : time);
    if ((await handle.stat({ bigint: true })).mtimeNs >= source.mtimeNs) return;
  }
}

/** Removes an input, if it is still the file that was read. @throws system errors, UserError */
export async function removeInput(path: string, read: BigIntStats): Promise<void> {
  const now = await stat(systemName(path), { bigint: true });
  if (now.dev !== read.dev || now.ino !== read.ino || now.size !== read.size || now.mtimeNs !== read.mtimeNs)
    throw new UserError('has changed since it was read; it was not removed');
  await unlink(systemName(path));
}

/** Makes a folder, and those that it is in, unless they are there. @throws UserError */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(systemName(path), { recursive: true }).catch(blame(path));
}

/** Writes a small file whole: a temporary file, then its name. */
export async function writeFileSafely(path: string, bytes: Uint8Array, overwrite: boolean): Promise<void> {
  await makeFolder(dirname(path));
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
