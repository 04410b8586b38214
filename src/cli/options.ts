/**
 * @file Every option, declared once: the parser, the help, the tables of docs/cli.md, the man page and the
 * shells' completions are made from this list.
 */
import { InvalidArgumentError } from 'commander';
import {
  CODED_FORMATS,
  MAX_BLOCK_SIZE,
  MAX_STREAMS,
  MAX_WINDOW,
  type Mode,
} from '../codec/container/format.js';
import { MAX_EXPLAINED } from '../codec/explain/explain.js';
import { MIN_BLOCK_SIZE } from '../codec/options.js';
import { PRESETS, type PresetName } from '../model/architecture.js';
import { ENGINE_NAMES } from '../node/engines.js';
import {
  FINE_TUNING,
  HELD_OUT_SHARE,
  OPTIMIZERS,
  type Optimizer,
  TRAIN_DEFAULTS,
} from '../trainer/defaults.js';

/** What the command line's options say. */
export interface Flags {
  /** what a line without a command word asks for */
  operation?: 'compress' | 'decompress' | 'test' | 'list';
  output?: string;
  outputDir?: string;
  stdout?: boolean;
  force?: boolean;
  rm?: boolean;
  recursive?: boolean;
  suffix: string;
  /** -v counts up from 0, -q down */
  verbosity: number;
  progress?: boolean;
  verify: boolean;
  sparse: boolean;
  /** 1 to 9 */
  level?: number;
  mode?: 'auto' | Mode;
  model?: string;
  engine: string;
  /** 0: as many as the engine sees fit */
  threads: number;
  /** bytes */
  memory?: number;
  /** bytes */
  blockSize?: number;
  /** bytes; 0 for none */
  long?: number;
  streams?: number;
  measure?: boolean;
  json?: boolean;
  tsv?: boolean;
  html?: string;
  report?: string;
  /** bytes */
  limit: number;
  lines: number;
  only?: string[];
  all?: boolean;
  /** seconds */
  time: number;
  preset?: PresetName;
  from?: string;
  resume?: boolean;
  steps?: number;
  /** seconds */
  timeLimit?: number;
  seed: number;
  rate?: number;
  optimizer?: Optimizer;
  batch?: number;
  name?: string;
  weight?: Weight[];
  heldOut?: string[];
  calibrate?: string[];
  bits?: number;
}

export interface OptionSpec {
  /** as commander reads them: "-o, --output <file>" */
  flags: string;
  description: string;
  /** turns the text given into the value; `previous` is what the same option gave before */
  parse?: (text: string, previous: unknown) => unknown;
  default?: unknown;
  choices?: readonly string[];
  /** other values that the flag sets; the last flag on the line wins */
  sets?: Partial<Flags>;
  /** added to `verbosity` each time the flag is given */
  verbosity?: 1 | -1;
  /** left out of the help, because another entry describes it */
  hidden?: boolean;
}

/** @throws InvalidArgumentError */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(text);
  const bytes = match
    ? Number(match[1]) * 1024 ** ' KMGT'.indexOf(match[2].toUpperCase() || ' ')
    : Number.NaN;
  if (!Number.isSafeInteger(bytes) || bytes < 1)
    throw new InvalidArgumentError('give a number of bytes such as 65536, 64K, 16M or 2G.');
  return bytes;
}

/** Seconds from "90", "90s", "15m", "1.5h", "2d" or "1h30m". @throws InvalidArgumentError */
export function parseDuration(text: string): number {
  const units: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86400 };
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)([smhd]|$)/g)];
  const seconds = parts.reduce((sum, [, number, unit]) => sum + Number(number) * units[unit || 's'], 0);
  if (parts.map(([part]) => part).join('') !== text || !(seconds > 0))
    throw new InvalidArgumentError('give a time such as 90s, 15m, 1h30m or 2d.');
  return seconds;
}

const integer =
  (low: number, high = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const n = Number(text);
    if (!/^\d+$/.test(text) || n < low || n > high)
      throw new InvalidArgumentError(
        high === Number.MAX_SAFE_INTEGER
          ? `give an integer of at least ${low}.`
          : `give an integer from ${low} to ${high}.`,
      );
    return n;
  };

/** @throws InvalidArgumentError */
function blockSize(text: string): number {
  const bytes = parseSize(text);
  if (bytes < MIN_BLOCK_SIZE || bytes > MAX_BLOCK_SIZE)
    throw new InvalidArgumentError('give a size from 8K to 64M.');
  return bytes;
}

/** @throws InvalidArgumentError */
function longWindow(text: string): number {
  const bytes = text === '0' ? 0 : parseSize(text);
  if (bytes > MAX_WINDOW) throw new InvalidArgumentError('give a size up to 2G.');
  return bytes;
}

/** @throws InvalidArgumentError */
function explainedSize(text: string): number {
  const bytes = parseSize(text);
  if (bytes > MAX_EXPLAINED) throw new InvalidArgumentError('give a size up to 64M.');
  return bytes;
}

const named = (text: string): string => {
  if (text === '') throw new InvalidArgumentError('give a name.');
  return text;
};

const suffix = (text: string): string => {
  if (!/^\.[^/\\]+$/.test(text)) throw new InvalidArgumentError('give a dot and letters, such as .sha.');
  return text;
};

const positive = (text: string): number => {
  const x = Number(text);
  if (!(x > 0 && x < 1)) throw new InvalidArgumentError('give a number between 0 and 1, such as 0.001.');
  return x;
};

const repeated = (text: string, previous: unknown): string[] => [...((previous as string[]) ?? []), text];

/** How often an input is read: the name of a file or folder, and a factor. */
export interface Weight {
  name: string;
  times: number;
}

function weight(text: string, previous: unknown): Weight[] {
  const [, name, number] = text.match(/^(.+)=([0-9.]+)$/) ?? [];
  const times = Number(number);
  if (!name || !Number.isFinite(times))
    throw new InvalidArgumentError('Give an input and a factor: data.txt=2.');
  return [...((previous as Weight[]) ?? []), { name, times }];
}

const list = (text: string): string[] => text.split(',').filter(Boolean);

/** -2 to -8: the help describes them at -1. */
const middleLevels = Object.fromEntries(
  [2, 3, 4, 5, 6, 7, 8].map((level): [string, OptionSpec] => [
    `level${level}`,
    { flags: `-${level}`, description: `level ${level}`, sets: { level }, hidden: true },
  ]),
) as Record<`level${2 | 3 | 4 | 5 | 6 | 7 | 8}`, OptionSpec>;

export const OPTIONS = {
  compress: {
    flags: '-z, --compress',
    description: 'compress (the default)',
    sets: { operation: 'compress' },
  },
  decompress: { flags: '-d, --decompress', description: 'decompress', sets: { operation: 'decompress' } },
  test: {
    flags: '-t, --test',
    description: 'check that files decompress, write nothing',
    sets: { operation: 'test' },
  },
  list: { flags: '-l, --list', description: 'say what is in files', sets: { operation: 'list' } },
  output: {
    flags: '-o, --output <file>',
    description: 'write to this file; only with one input',
    parse: named,
    sets: { stdout: false, outputDir: undefined },
  },
  outputDir: {
    flags: '--output-dir <folder>',
    description: 'write outputs below this folder; with -r, in folders like those of the inputs',
    parse: named,
    sets: { stdout: false, output: undefined },
  },
  stdout: {
    flags: '-c, --stdout',
    description: 'write to standard output',
    sets: { output: undefined, outputDir: undefined },
  },
  force: {
    flags: '-f, --force',
    description: 'overwrite files, follow symbolic links, write compressed bytes to a terminal',
  },
  overwrite: { flags: '-f, --force', description: 'overwrite files' },
  keep: { flags: '-k, --keep', description: 'keep the input (the default)', sets: { rm: false } },
  rm: { flags: '--rm', description: 'remove the input once the output was read back and verified' },
  recursive: { flags: '-r, --recursive', description: 'go into folders' },
  suffix: {
    flags: '-S, --suffix <.suf>',
    description: 'suffix of compressed files',
    parse: suffix,
    default: '.sha',
  },
  verify: { flags: '--no-verify', description: 'do not decompress the result to check it; twice as fast' },
  sparse: { flags: '--no-sparse', description: 'write all zeros, instead of leaving holes in the file' },
  level1: {
    flags: '-1, --fast',
    description: 'the fastest level; -2 to -8 lie between (default: -6)',
    sets: { level: 1 },
  },
  ...middleLevels,
  level9: { flags: '-9, --best', description: 'the level of the smallest files', sets: { level: 9 } },
  level: { flags: '--level <n>', description: 'level, 1 to 9', parse: integer(1, 9) },
  mode: {
    flags: '--mode <mode>',
    description: 'code all blocks this way, instead of as the level finds best',
    choices: ['auto', 'stored', ...CODED_FORMATS.map(({ name }) => name)],
  },
  model: {
    flags: '-m, --model <name>',
    description: 'model to use: the name of an installed one, or a .sharnn file',
    parse: named,
  },
  engine: {
    flags: '-e, --engine <name>',
    description: 'what runs the network; all engines write and read the same files',
    choices: ['auto', ...ENGINE_NAMES],
    default: 'auto',
  },
  threads: {
    flags: '-T, --threads <n>',
    description: 'threads to use; 0 for all',
    parse: integer(0, 1024),
    default: 0,
  },
  memory: {
    flags: '-M, --memory <size>',
    description: 'refuse what would take more memory than this, beside the model',
    parse: parseSize,
  },
  blockSize: {
    flags: '--block-size <size>',
    description: 'cut the input into blocks of this size, 8K to 64M, instead of those of the level',
    parse: blockSize,
  },
  long: {
    flags: '--long <size>',
    description: 'look for long repeats over this many bytes, up to 2G, or 0 for none (default: 128M)',
    parse: longWindow,
  },
  streams: {
    flags: '--streams <n>',
    description:
      'streams that the network reads side by side in a block, 1 to 4096, instead of as many as the level finds best: more are faster, fewer make smaller files',
    parse: integer(1, MAX_STREAMS),
  },
  quiet: { flags: '-q, --quiet', description: 'print errors only; -qq not even these', verbosity: -1 },
  verbose: { flags: '-v, --verbose', description: 'print more', verbosity: 1 },
  progress: { flags: '--progress', description: 'show progress even where standard error is not a terminal' },
  noProgress: { flags: '--no-progress', description: 'show no progress' },
  measure: {
    flags: '--measure',
    description: 'measure now, which takes some seconds, and keep the results: --engine auto goes by them',
  },
  measuredModel: {
    flags: '-m, --model <name>',
    description: 'with --measure, the model to measure with, instead of lite and base',
    parse: named,
  },
  json: { flags: '--json', description: 'print JSON' },
  tsv: { flags: '--tsv', description: 'print a table with a row for every byte' },
  html: {
    flags: '--html <file>',
    description: 'write a page to look at in a browser; it needs nothing else',
    parse: named,
  },
  report: {
    flags: '--report <file>',
    description:
      'keep a page about the run: learning curve, held-out files, speed, a text by its cost before and after',
    parse: named,
  },
  limit: {
    flags: '--limit <size>',
    description: 'explain the first bytes of a longer input, up to 64M',
    parse: explainedSize,
    default: 2 ** 20,
  },
  lines: { flags: '--lines <n>', description: 'lines of text to print', parse: integer(0), default: 40 },
  only: {
    flags: '--only <names>',
    description: 'compressors to measure, such as shacomp,xz',
    parse: list,
  },
  all: {
    flags: '--all',
    description:
      'measure arithmetic-coding as well, a coder without a model, where that package is installed',
  },
  time: {
    flags: '--time <time>',
    description: 'repeat a measurement until it has taken this long; the best run counts',
    parse: parseDuration,
    default: 1,
  },
  modelOutput: {
    flags: '-o, --output <model.sharnn>',
    description: 'the model to write (required)',
    parse: named,
  },
  preset: {
    flags: '-p, --preset <name>',
    description: 'size of a new network (default: lite)',
    choices: Object.keys(PRESETS),
  },
  from: {
    flags: '--from <model>',
    description:
      'start from the weights of a model, by name or file (.sharnn), or of a .safetensors file, instead of random ones; with a larger --preset the network is grown',
    parse: named,
  },
  resume: {
    flags: '--resume',
    description: 'go on with the run whose checkpoint lies beside the output',
  },
  timeLimit: {
    flags: '--time-limit <time>',
    description: 'length of the run: 90s, 15m, 1h30m (default: 1h, unless --steps is given)',
    parse: parseDuration,
  },
  steps: { flags: '--steps <n>', description: 'length of the run in steps', parse: integer(1) },
  batch: {
    flags: '--batch <n>',
    description: 'streams that are trained side by side',
    parse: integer(1, 4096),
  },
  rate: {
    flags: '--rate <x>',
    description: `highest learning rate (default: ${TRAIN_DEFAULTS.rate}, with --from ${FINE_TUNING.rate})`,
    parse: positive,
  },
  optimizer: {
    flags: '--optimizer <name>',
    description: `what steps the matrices of the layers (default: ${TRAIN_DEFAULTS.optimizer}, with --from ${FINE_TUNING.optimizer})`,
    choices: OPTIMIZERS,
  },
  seed: {
    flags: '--seed <n>',
    description: 'seed of all randomness',
    parse: integer(0, 2 ** 32 - 1),
    default: 1,
  },
  weight: {
    flags: '--weight <input=n>',
    description:
      'read this input, or folder of inputs, n times as often as its length would have it; may be repeated',
    parse: weight,
  },
  heldOut: {
    flags: '--held-out <file>',
    description: `text to measure on, may be repeated (default: the last ${100 * HELD_OUT_SHARE} % of every input, which is not trained on)`,
    parse: repeated,
  },
  name: { flags: '--name <text>', description: 'name in the model file (default: the name of the output)' },
  calibrate: {
    flags: '--calibrate <file>',
    description:
      'text like that the model is for, may be repeated: rounding is fitted to it, and its cost printed (required)',
    parse: repeated,
  },
  bits: {
    flags: '--bits <n>',
    description: 'bits of a weight: 8, 7 or 6; fewer are faster without VNNI instructions',
    parse: integer(6, 8),
    default: 7,
  },
} satisfies Record<string, OptionSpec>;

export type OptionName = keyof typeof OPTIONS;

/** A command: its words, its options and what runs it. */
export interface CommandSpec {
  /** The word that starts it; '' is what runs without one. */
  name: string;
  /** what it takes, as usage lines write it; '' for nothing */
  operands: string;
  summary: string;
  options: readonly OptionName[];
  run(operands: string[], flags: Flags): Promise<void>;
}

/** Options of every command that reports progress. */
export const TALK = ['quiet', 'verbose', 'progress', 'noProgress'] as const satisfies OptionName[];
/** Options of everything that runs a network. */
export const NETWORK = ['model', 'engine', 'threads', 'memory'] as const satisfies OptionName[];
/** Options of everything that compresses. */
export const CODING = [
  'level1',
  'level2',
  'level3',
  'level4',
  'level5',
  'level6',
  'level7',
  'level8',
  'level9',
  'level',
  'mode',
  'blockSize',
  'long',
  'streams',
] as const satisfies OptionName[];
/** Options of everything that writes one file per input. */
export const FILES = [
  'output',
  'outputDir',
  'stdout',
  'force',
  'keep',
  'rm',
  'recursive',
  'suffix',
] as const satisfies OptionName[];
