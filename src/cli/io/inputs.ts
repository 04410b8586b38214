/**
 * @file What compress, decompress and test share: which files they take, where outputs go, what is refused.
 */
import { lstat, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { isatty } from 'node:tty';
import { CODED_MODES } from '../../codec/block/modes.js';
import { type EngineWork, engineWork } from '../../codec/platform.js';
import { planFor } from '../../codec/strategy/choose.js';
import { levelSettings, modelFor, streamCount } from '../../codec/strategy/levels.js';
import {
  type CodecOptions,
  type CompressOptions,
  type Engine,
  inspect,
  loadModel,
  type Model,
  ShacompError,
} from '../../index.js';
import { chooseEngine } from '../../node/auto.js';
import { wantedEngine } from '../../node/engines.js';
import { environment } from '../../node/env.js';
import { findModel } from '../../node/models.js';
import { systemName } from '../../node/names.js';
import type { Flags } from '../options.js';
import { count } from '../terminal/format.js';
import { answer, detail, reportError, UserError, warn } from '../terminal/messages.js';
import { printable } from '../terminal/printable.js';
import { StandardOutputError } from '../terminal/results.js';
import { STDERR, STDIN, STDOUT } from './descriptors.js';
import {
  alreadyExists,
  fileChunks,
  type Input,
  makeFolder,
  openInput,
  STANDARD,
  sameFile,
  wouldOverwrite,
} from './files.js';
import { beforeSignalExit, endBySignal } from './signals.js';
import { expand, type Found } from './walk.js';
import { Worklist } from './worklist.js';

/** How a file is called in messages. */
export const displayName = (path: string): string => (path === STANDARD ? 'standard input' : printable(path));

/** The files to work on: the operands, or standard input if there are none and it is not a terminal. */
export function operands(files: readonly string[]): readonly string[] {
  if (files.length > 0) return files;
  if (isatty(STDIN)) throw new UserError('no files were given; name some, or see shacomp --help');
  return [STANDARD];
}

/**
 * Codec options from flags; the engine is chosen once for all files.
 * @param work what is to be done, where 'auto' may be chosen for that: the reason is then told
 */
export async function codecOptions(
  flags: Flags,
  work?: () => Promise<EngineWork | undefined>,
): Promise<CodecOptions & { engine: Engine }> {
  const threads = flags.threads || undefined;
  const auto = wantedEngine(flags.engine) === 'auto';
  const known = auto ? await work?.() : undefined;
  const { engine, why } = await chooseEngine(flags.engine, { threads, work: known });
  if (work && why) detail(`  ${why}`);
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

/**
 * Compression options from flags; the model is loaded only if they make use of one.
 * @param files what is to be compressed
 */
export async function compressOptions(
  flags: Flags,
  files?: readonly string[],
): Promise<CompressOptions & { model: Model | undefined; engine: Engine }> {
  const { mode, blockSize, long: window, streams } = flags;
  const level = levelOf(flags);
  const source = modelFor({ level, mode, model: flags.model });
  const model = source === undefined ? undefined : await loadModel(source);
  const work = files && (() => compression(files, flags, level, model));
  return { ...(await codecOptions(flags, work)), model, level, mode, blockSize, window, streams };
}

/** Bytes of a file; 0 for what is none, or is not there. */
const sizeOf = (path: string): Promise<number> =>
  path === STANDARD
    ? Promise.resolve(0)
    : stat(systemName(path)).then(
        (facts) => (facts.isFile() ? facts.size : 0),
        () => 0,
      );

/** What compressing files asks of an engine. */
async function compression(
  files: readonly string[],
  { mode, streams, blockSize, verify, memory }: Flags,
  level: number | undefined,
  model: Model | undefined,
): Promise<EngineWork | undefined> {
  const settings = levelSettings(level);
  const plan = planFor(settings, mode ?? 'auto', streams);
  let [bytes, longest] = [0, 0];
  for (const path of files) {
    const size = await sizeOf(path);
    bytes += size;
    longest = Math.max(longest, size);
  }
  const length = Math.min(longest, blockSize ?? settings.blockSize);
  const perBlock = streamCount(length, plan.streams, plan.mode?.maxStreams);
  return engineWork(
    plan.mode,
    model,
    { streams: perBlock, encode: bytes, decode: verify ? bytes : 0 },
    memory,
  );
}

/** Compressed files that are shorter are not looked into before they are decompressed. */
const LOOKED_INTO = 2 ** 18;

/** What decompressing files asks of an engine, by the longest one's first block with the network. */
export async function decompression(files: readonly string[], flags: Flags): Promise<EngineWork | undefined> {
  let [longest, size] = ['', 0];
  for (const path of files) {
    const bytes = await sizeOf(path);
    if (bytes > size) [longest, size] = [path, bytes];
  }
  if (size < LOOKED_INTO) return undefined;
  try {
    let model: Model | undefined;
    for await (const record of inspect(fileChunks(longest))) {
      if (record.kind === 'model')
        model = await findModel(
          record.id,
          flags.model === undefined ? undefined : await loadModel(flags.model),
        );
      if (record.kind !== 'block') continue;
      const mode = CODED_MODES.find(({ name }) => name === record.mode);
      const { streams, expanded, codedLength } = record;
      const decode = Math.round((size * expanded) / codedLength);
      return engineWork(mode, model, { streams, encode: 0, decode }, flags.memory);
    }
  } catch {
    // told when the file has its turn
  }
  return undefined;
}

/** Runs `work` for every file; a file that fails is reported and the next one taken. */
export async function forEachFile(
  files: readonly string[],
  flags: Flags,
  work: (path: string, run: Worklist) => Promise<void>,
  accept?: (name: string) => boolean,
): Promise<void> {
  const found: Found[] = [];
  const onError = (error: UserError) => reportError(error);
  // all are looked for before the first output appears, which is thus not taken for an input
  for await (const file of expand(files, { recursive: flags.recursive ?? false, accept, onError }))
    found.push(file);
  const run = new Worklist(found);
  for (let file = run.next(); file; file = run.next()) {
    try {
      await work(file.path, run);
    } catch (error) {
      if (error instanceof StandardOutputError) throw error;
      reportError(error, displayName(file.path), hintFor(error, flags));
    }
  }
}

/** Which flag is about what the library says of an error, in words that are not the command line's. */
function hintFor(error: unknown, flags: Flags): string | undefined {
  if (!(error instanceof ShacompError)) return undefined;
  if (error.code === 'ERR_MODEL_NOT_FOUND' && flags.model === undefined) return 'see --model FILE';
  if (error.code === 'ERR_MEMORY_LIMIT' && flags.memory !== undefined) return 'see --memory SIZE';
  return undefined;
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
  run: Worklist,
  flags: Flags,
  rules: TargetRules,
): Promise<{ input: Input; target: Target } | undefined> {
  const derived = !flags.stdout && flags.output === undefined && path !== STANDARD;
  if (path === STANDARD) {
    if (flags.outputDir !== undefined)
      throw new UserError('has no name for a file in --output-dir; use -o or -c');
    if (isatty(STDIN) && !flags.force)
      throw new UserError('is a terminal; give files, or -f to read from it');
  } else {
    const link = (await lstat(systemName(path))).isSymbolicLink();
    const file = await stat(systemName(path)).catch((error) => {
      if (!link) throw error;
    });
    // first, since this cannot be helped by -f
    if (derived && file?.isFile() === false)
      return skip('is not a regular file; skipped (use -c or -o FILE)', path);
    if (link && !flags.force && (derived || flags.rm))
      return skip('is a symbolic link; skipped (use -f to follow it)', path);
    if (flags.rm && !flags.force && !flags.stdout && file?.isFile() && file.nlink > 1)
      return skip(
        `has ${count(file.nlink - 1, 'other hard link')}; skipped (use -f to remove this name of it)`,
        path,
      );
  }
  let name = derived ? rules.derive(path) : flags.stdout ? STANDARD : (flags.output ?? STANDARD);
  if (name === undefined) return undefined;
  if (flags.outputDir !== undefined) {
    name = join(flags.outputDir, dirname(run.place), basename(name));
    await makeFolder(dirname(name));
  }
  if (name === STANDARD && rules.compressed && isatty(STDOUT) && !flags.force)
    throw new UserError('compressed bytes are not written to a terminal; use -o FILE, or -f to force it');
  const input = await openInput(path);
  try {
    if (name !== STANDARD && (await sameFile(input.stats, name)))
      throw new UserError('is the input itself; name another file', name);
    const obstacle = name === STANDARD ? undefined : await run.claim(name, path);
    if (obstacle !== undefined) throw new UserError(obstacle, name);
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
  if (input === STANDARD || !isatty(STDIN) || !isatty(STDERR)) throw alreadyExists(target);
  const reply = await ask(`shacomp: ${printable(target)}: already exists; overwrite it (y/n)? `);
  if (/^y(es)?$/i.test(reply.trim())) return true;
  return skip('not overwritten', target);
}

/** Asks on the terminal. The end of input (Ctrl-D, a terminal that goes away) answers with nothing. */
function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const forget = beforeSignalExit(() => terminal.close());
  return new Promise((resolve) => {
    // readline takes Ctrl-C from the terminal
    terminal.on('SIGINT', () => endBySignal('SIGINT'));
    let reply: string | undefined;
    terminal.on('close', () => {
      forget();
      if (reply === undefined) answer('');
      resolve(reply ?? '');
    });
    terminal.question(question, (text) => {
      reply = text;
      terminal.close();
    });
  });
}

/** @throws UserError if -o is given for more than one input */
export function checkSingleOutput(files: readonly string[], flags: Flags): void {
  if (flags.output === undefined || flags.output === STANDARD) return;
  if (files.length > 1 || flags.recursive)
    throw new UserError('-o takes one input; leave it out, or join the outputs with -c');
}
