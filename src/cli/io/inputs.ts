/** @file What compress, decompress and test share: which files they take, where outputs go, what is refused. */
import { lstat, stat } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { planFor } from '../../codec/strategy/choose.js';
import { levelSettings } from '../../codec/strategy/levels.js';
import {
  type CodecOptions,
  type CompressOptions,
  type Engine,
  type IntegerModel,
  loadModel,
} from '../../index.js';
import { selectEngine } from '../../node/engines.js';
import { environment } from '../../node/env.js';
import type { Flags } from '../options.js';
import { reportError, UserError, warn } from '../terminal/messages.js';
import { alreadyExists, expand, type Input, openInput, STANDARD, sameFile, wouldOverwrite } from './files.js';
import { endBySignal } from './signals.js';

/** How a file is called in messages. */
export const displayName = (path: string): string => (path === STANDARD ? 'standard input' : path);

/** The files to work on: the operands, or standard input if there are none and it is not a terminal. */
export function operands(files: readonly string[]): readonly string[] {
  if (files.length > 0) return files;
  if (process.stdin.isTTY) throw new UserError('no files were given; name some, or see shacomp --help');
  return [STANDARD];
}

/** Codec options from flags; the engine is chosen once for all files. */
export async function codecOptions(flags: Flags): Promise<CodecOptions & { engine: Engine }> {
  const threads = flags.threads || undefined;
  const engine = await selectEngine(flags.engine, { threads });
  return { model: flags.model, engine, threads, memoryLimit: flags.memory };
}

/** The level asked for: by a flag, else by SHACOMP_LEVEL. @throws UserError */
export function levelOf(flags: Flags): number | undefined {
  const wanted = environment('SHACOMP_LEVEL');
  if (flags.level !== undefined || !wanted) return flags.level;
  if (!/^[1-9]$/.test(wanted))
    throw new UserError(`SHACOMP_LEVEL must be a level from 1 to 9, not "${wanted}"`);
  return Number(wanted);
}

/** Compression options from flags; the model is loaded only if they make use of one. */
export async function compressOptions(
  flags: Flags,
): Promise<CompressOptions & { model: IntegerModel | undefined; engine: Engine }> {
  const { mode, blockSize } = flags;
  const level = levelOf(flags);
  const usesNetwork = planFor(levelSettings(level), mode ?? 'auto').mode?.network;
  const model = usesNetwork ? await loadModel(flags.model) : undefined;
  return { ...(await codecOptions(flags)), model, level, mode, blockSize };
}

/** Runs `work` for every file; a file that fails is reported and the next one taken. */
export async function forEachFile(
  files: readonly string[],
  flags: Flags,
  work: (path: string) => Promise<void>,
  accept?: (name: string) => boolean,
): Promise<void> {
  const paths = expand(files, { recursive: flags.recursive ?? false, accept });
  for (;;) {
    let path: string | undefined;
    try {
      const next = await paths.next();
      if (next.done) return;
      path = next.value;
      await work(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EPIPE') return endBySignal('SIGPIPE');
      reportError(error, path === undefined ? undefined : displayName(path));
      if (path === undefined) return;
    }
  }
}

/** Where the output of an input goes. */
export interface Target {
  /** "-" for standard output */
  path: string;
  overwrite: boolean;
}

export interface TargetRules {
  /** The name of the output where none is given; undefined, and a warning, if the input is to be skipped. */
  derive: (path: string) => string | undefined;
  /** whether the output is compressed bytes, which are not for terminals */
  compressed: boolean;
}

/**
 * Opens an input and decides where its output goes; undefined if it is skipped, which has been said then.
 * @throws UserError, system errors
 */
export async function openWithTarget(
  path: string,
  flags: Flags,
  rules: TargetRules,
): Promise<{ input: Input; target: Target } | undefined> {
  const derived = !flags.stdout && flags.output === undefined && path !== STANDARD;
  if (path === STANDARD) {
    if (process.stdin.isTTY && !flags.force)
      throw new UserError('is a terminal; give files, or -f to read from it');
  } else {
    const link = await lstat(path);
    if (link.isSymbolicLink() && !flags.force && (derived || flags.rm))
      return skip('is a symbolic link; skipped (use -f to follow it)', path);
    if (derived && !(await stat(path)).isFile())
      return skip('is not a regular file; skipped (use -c or -o FILE)', path);
  }
  const name = derived ? rules.derive(path) : flags.stdout ? STANDARD : (flags.output ?? STANDARD);
  if (name === undefined) return undefined;
  if (name === STANDARD && rules.compressed && process.stdout.isTTY && !flags.force)
    throw new UserError('compressed bytes are not written to a terminal; use -o FILE, or -f to force it');
  const input = await openInput(path);
  try {
    if (name !== STANDARD && (await sameFile(input.stats, name)))
      throw new UserError('is the input itself; name another file', name);
    const overwrite = name === STANDARD ? false : await mayOverwrite(name, path, flags);
    if (overwrite === undefined) {
      await input.close();
      return undefined;
    }
    return { input, target: { path: name, overwrite } };
  } catch (error) {
    await input.close();
    throw error;
  }
}

function skip(why: string, path: string): undefined {
  warn(why, path);
}

/**
 * Whether an existing file is to be replaced: false if none is there, undefined if the user says no.
 * @throws UserError where nobody can be asked
 */
async function mayOverwrite(target: string, input: string, flags: Flags): Promise<boolean | undefined> {
  if (flags.force) return true;
  if (!(await wouldOverwrite(target))) return false;
  if (input === STANDARD || !process.stdin.isTTY || !process.stderr.isTTY) throw alreadyExists(target);
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // readline takes Ctrl-C from the terminal
    terminal.on('SIGINT', () => endBySignal('SIGINT'));
    const reply = await terminal.question(`shacomp: ${target}: already exists; overwrite it (y/n)? `);
    if (/^y(es)?$/i.test(reply.trim())) return true;
  } finally {
    terminal.close();
  }
  return skip('not overwritten', target);
}

/** @throws UserError if -o is given for more than one input */
export function checkSingleOutput(files: readonly string[], flags: Flags): void {
  if (flags.output === undefined || flags.output === STANDARD) return;
  if (files.length > 1 || flags.recursive)
    throw new UserError('-o takes one input; leave it out, or join the outputs with -c');
}
