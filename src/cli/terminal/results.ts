/** @file Standard output: results are complete there, or the run fails. */
import { fstatSync, fsyncSync } from 'node:fs';
import { isatty } from 'node:tty';
import { writeFully } from '../../node/write-fully.js';
import { STDOUT, wasClosed } from '../io/descriptors.js';
import { endByBrokenPipe } from '../io/signals.js';
import { describe, UserError } from './messages.js';
import { printableJson, printableLines } from './printable.js';

/** Results cannot be handed out any more: no file that comes after can do better. */
export class StandardOutputError extends UserError {
  constructor(message: string, cause?: unknown) {
    super(message, 'standard output', { cause });
  }
}

let written = false;

/** @throws StandardOutputError if there is no standard output: best known before any work */
export function requireStandardOutput(): void {
  if (wasClosed(STDOUT)) throw new StandardOutputError('is closed');
}

/**
 * Writes bytes to standard output. A reader that has gone away ends the process, quietly.
 * @throws StandardOutputError
 */
export async function writeResult(bytes: Uint8Array): Promise<void> {
  if (!written) requireStandardOutput();
  written = true;
  try {
    // Windows shows Unicode only through its console functions, which Node.js calls
    if (process.platform === 'win32' && isatty(STDOUT)) await writeToConsole(bytes);
    else await writeFully(STDOUT, bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EPIPE') return endByBrokenPipe();
    throw new StandardOutputError(describe(error), error);
  }
}

const writeToConsole = (bytes: Uint8Array) =>
  new Promise<void>((resolve, reject) => {
    process.stdout.write(bytes, (error) => (error ? reject(error) : resolve()));
  });

/** Prints a result to standard output. @throws StandardOutputError */
export function result(text: string): Promise<void> {
  return writeResult(Buffer.from(`${printableLines(text)}\n`));
}

/** Prints a result for programs to standard output. @throws StandardOutputError */
export function resultJson(value: unknown): Promise<void> {
  return writeResult(Buffer.from(`${printableJson(JSON.stringify(value, null, 2))}\n`));
}

/**
 * Has what was written on the disk: some file systems say only then that they are full. @throws
 * StandardOutputError
 */
export function finishResults(): void {
  if (!written || !fstatSync(STDOUT).isFile()) return;
  try {
    fsyncSync(STDOUT);
  } catch (error) {
    // not every file system can
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'EINVAL' && code !== 'ENOTSUP' && code !== 'EROFS')
      throw new StandardOutputError(describe(error), error);
  }
}
