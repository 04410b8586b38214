/** @file Messages, which go to standard error, and the exit code they lead to. */
import { ShacompError } from '../../errors.js';
import { environment } from '../../node/env.js';
import { systemReason } from '../../node/file-errors.js';
import { writeMessage } from '../io/descriptors.js';
import { printable, printableLines } from './printable.js';

/** What the exit codes say. */
export const EXIT = { ok: 0, error: 1, warning: 2 } as const;

/** How much is said: -qq nothing, -q errors, then warnings and summaries, -v details. */
export const LEVEL = { silent: -2, quiet: -1, normal: 0, verbose: 1 } as const;

let verbosity: number = LEVEL.normal;
let code: number = EXIT.ok;

export function setVerbosity(to: number): void {
  verbosity = to;
}

export const verbose = (): boolean => verbosity >= LEVEL.verbose;
export const quiet = (): boolean => verbosity < LEVEL.normal;

/** The code to exit with, from what was reported so far. */
export const exitCode = (): number => code;

/** An error of the command line's own: the text says what is wrong and what to do. */
export class UserError extends Error {
  /** the file it is about */
  readonly file: string | undefined;
  constructor(message: string, file?: string, options?: ErrorOptions) {
    super(message, options);
    this.file = file;
  }
}

function print(text: string): void {
  writeMessage(`${printableLines(text)}\n`);
}

/** The run will end with exit code 1, though nothing is said. */
export function fail(): void {
  code = EXIT.error;
}

/**
 * Reports an error, about a file or about all; the run will end with exit code 1.
 * @param hint what to do about it here, after what the error says
 */
export function reportError(error: unknown, file?: string, hint?: string): void {
  code = EXIT.error;
  if (verbosity > LEVEL.silent) {
    const about = error instanceof UserError ? (error.file ?? file) : file;
    print(
      [
        'shacomp',
        ...(about === undefined ? [] : [printable(about)]),
        [describe(error), ...(hint ? [hint] : [])].join('; '),
      ].join(': '),
    );
  }
  if (environment('SHACOMP_DEBUG') && error instanceof Error) print(debugText(error));
}

/** Reports something that was passed over; the run will end with exit code 2 unless there are errors. */
export function warn(text: string, file?: string): void {
  if (code === EXIT.ok) code = EXIT.warning;
  if (verbosity >= LEVEL.normal)
    print(['shacomp', ...(file === undefined ? [] : [printable(file)]), text].join(': '));
}

/** A line about the run, such as a summary. */
export function note(text: string): void {
  if (verbosity >= LEVEL.normal) print(text);
}

/** A line for those who asked for details. */
export function detail(text: string): void {
  if (verbosity >= LEVEL.verbose) print(text);
}

/** A line that was asked for: printed at every level. */
export function answer(text: string): void {
  print(text);
}

/** An error in one line, for people. */
export function describe(error: unknown): string {
  if (error instanceof ShacompError || error instanceof UserError) return oneLine(error.message);
  const reason = systemReason(error);
  if (reason) return reason;
  if ((error as NodeJS.ErrnoException).code === 'ERR_OUT_OF_RANGE' || error instanceof RangeError)
    return `out of memory (${oneLine(text(error))})`;
  return `internal error: ${oneLine(text(error))}; please report it (SHACOMP_DEBUG=1 shows where it happened)`;
}

const text = (error: unknown) => (error instanceof Error ? error.message : String(error));
const oneLine = (message: string) => message.replaceAll(/\s*\n\s*/g, ' ').trim();

function debugText(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${debugText(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}
