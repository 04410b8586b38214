/** @file Bytes to and from file descriptors: all of them or an error, whatever they lead to. */
import { constants as files, fstatSync, read, readFileSync, readlinkSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

export const STDIN = 0;
export const STDOUT = 1;
export const STDERR = 2;

const readSome = promisify(read);

/** Milliseconds to wait for a full pipe that does not block: at first, and at most. */
const WAIT = { first: 1, most: 50 };
/** Milliseconds after which a message that nobody takes is given up. */
const PATIENCE = 2000;

const isBusy = (error: unknown) => (error as NodeJS.ErrnoException).code === 'EAGAIN';

/**
 * Writes a message before it returns, so that it comes in order with all others. What cannot be written is
 * lost: there is nowhere to say so.
 */
export function writeMessage(text: string): void {
  const bytes = Buffer.from(text);
  const end = performance.now() + PATIENCE;
  for (let at = 0; at < bytes.length; ) {
    try {
      const n = writeSync(STDERR, bytes, at);
      if (n === 0) return;
      at += n;
    } catch (error) {
      if (!isBusy(error) || performance.now() > end) return;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT.first);
    }
  }
}

/**
 * Everything from where the descriptor stands. A chunk is valid until the next one is asked for. @throws
 * system errors
 */
export async function* readAll(fd: number, chunkSize: number): AsyncGenerator<Uint8Array> {
  const buffer = Buffer.allocUnsafe(chunkSize);
  for (let wait = WAIT.first; ; ) {
    try {
      const { bytesRead } = await readSome(fd, buffer, 0, chunkSize, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
      wait = WAIT.first;
    } catch (error) {
      if (!isBusy(error)) throw error;
      await sleep(wait);
      wait = Math.min(2 * wait, WAIT.most);
    }
  }
}

/** Whether it is a pipe or a socket, for which Node.js waits without a thread. */
export function isStream(fd: number): boolean {
  const stats = fstatSync(fd);
  return stats.isFIFO() || stats.isSocket();
}

/**
 * Whether a standard descriptor was closed when the program was started (`>&-`). Node.js opens /dev/null in
 * its place, for reading and writing, before any JavaScript runs. Some programs give their children the very
 * same, Python's DEVNULL and Node's 'ignore' among them, but no shell does. So the nearest ancestor that has
 * something else there decides: a shell has closed it. Known on Linux only; elsewhere false.
 */
export function wasClosed(fd: number): boolean {
  if (process.platform !== 'linux') return false;
  if (whatIs(process.pid, fd) !== 'null') return false;
  for (let pid = parentOf(process.pid); pid > 0; pid = parentOf(pid)) {
    const there = whatIs(pid, fd);
    if (there === 'closed') return true;
    if (there === 'other') return SHELL.test(commandOf(pid));
    if (there === 'unknown') return false;
  }
  return false;
}

const SHELL = /^(?:(?:ba|da|k|mk|z|c|tc|fi|a|ya)?sh|busybox)$/;

/**
 * Whether hangups were to be ignored when the program was started. Node.js takes that back before any
 * JavaScript runs, so it is told by what ignores them in shells: a parent that does (Linux), or `nohup`,
 * which shells put into `_`, and which leaves a standard input that was a terminal as /dev/null for writing
 * alone (GNU, on Linux).
 */
export function ignoresHangup(): boolean {
  if (basename(process.env['_'] ?? '') === 'nohup') return true;
  try {
    const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${process.ppid}/status`, 'latin1'));
    if (ignored && BigInt(`0x${ignored[1]}`) & (1n << BigInt(constants.signals.SIGHUP - 1))) return true;
    return nullMode(process.pid, STDIN) === files.O_WRONLY;
  } catch {
    // not Linux
    return false;
  }
}

/** What a process has as this descriptor; 'null' is /dev/null for reading and writing. */
function whatIs(pid: number, fd: number): 'null' | 'other' | 'closed' | 'unknown' {
  try {
    return nullMode(pid, fd) === files.O_RDWR ? 'null' : 'other';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' && commandOf(pid) !== '' ? 'closed' : 'unknown';
  }
}

/**
 * How a process has /dev/null open as this descriptor; undefined if that is something else. @throws system
 * errors
 */
function nullMode(pid: number, fd: number): number | undefined {
  if (readlinkSync(`/proc/${pid}/fd/${fd}`) !== '/dev/null') return undefined;
  const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1'));
  return flags ? Number.parseInt(flags[1], 8) & 3 : undefined;
}

/** The name of a process's program; '' if there is no such process. */
function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}

/** The process that started this one; 0 if it cannot be seen. */
function parentOf(pid: number): number {
  try {
    // "pid (name) state parent": the name may hold anything
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return 0;
  }
}
