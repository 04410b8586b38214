/** @file Options of the codec, and what is checked about them. */
import type { Engine } from '../engines/engine.js';
import { ShacompError } from '../errors.js';
import { kindOf } from './bytes.js';
import { CODED_FORMATS, MAX_BLOCK_SIZE, MAX_STREAMS, MAX_WINDOW, type Mode } from './container/format.js';
import { checkModelSource, type ModelSource } from './platform.js';
import { MAX_LEVEL } from './strategy/levels.js';

/** How far a run is. Decoded bytes are counted as they are decoded, before their checksum is known. */
export interface Progress {
  bytesIn: number;
  bytesOut: number;
}

/** What compressing and decompressing share. */
export interface CodecOptions {
  /** Name, path, bytes or parsed form of the model. When decompressing, tried before the installed ones. */
  model?: ModelSource;
  /**
   * Engine to code with: `auto` (default), a name that `engines` lists, or an engine itself. All give the
   * same bytes.
   */
  engine?: string | Engine;
  /**
   * Threads, where there are any; by default one for each processor. Blocks of 256 KiB and more are coded
   * side by side, each in a thread with memory of its own, as far as `memoryLimit` allows; a file of one
   * block has the threads of the engine.
   */
  threads?: number;
  /**
   * Most bytes of memory to use beside the model and the input: ERR_MEMORY_LIMIT if a block needs more.
   * `compress` and `decompress` count what they gather of their result as well, and its copy.
   */
  memoryLimit?: number;
  /** Aborts the run: it throws the signal's reason. */
  signal?: AbortSignal;
  /** Called now and then during the run. */
  onProgress?: (progress: Progress) => void;
}

export interface CompressOptions extends CodecOptions {
  /** From 1, the fastest, to 9, the smallest; 6 by default. `docs/levels.md` says what each does. */
  level?: number;
  /**
   * Bytes per block, 8 KiB to 64 MiB, by default those of the level. Blocks are independent of each other.
   */
  blockSize?: number;
  /**
   * `auto` (default): what the level says, for each block. Any other mode codes all blocks, or stores those
   * that gain nothing.
   */
  mode?: 'auto' | Mode;
  /**
   * Bytes over which long repeats are looked for, up to 2 GiB; 0 for none. By default 128 MiB, but at most a
   * quarter of `memoryLimit`, and none if that is below 1 MiB. Decompressing takes as much memory beside what
   * a block needs.
   */
  window?: number;
  /**
   * Streams that the network reads side by side in a block, 1 to 4096: many are fast, few make smaller files.
   * By default as the level finds best. With mixing at most 1024; blocks without the network always have one.
   */
  streams?: number;
  /**
   * Length of the input in bytes, if known: written to files of several blocks. ERR_OPTIONS if it is wrong.
   */
  size?: number;
}

export interface DecompressOptions extends CodecOptions {
  /** Most bytes to decompress to: ERR_OUTPUT_TOO_LARGE if there are more. */
  maxOutputLength?: number;
}

/** The window where none is asked for, in bytes. */
export const DEFAULT_WINDOW = 2 ** 27;

/** Below this, in bytes, a window is not worth its memory. */
const LEAST_WINDOW = 2 ** 20;

/** Bytes over which repeats are looked for. @param options of compression, checked */
export function windowOf({ window, size = Number.POSITIVE_INFINITY, memoryLimit }: CompressOptions): number {
  const quarter = 2 ** Math.floor(Math.log2((memoryLimit ?? Number.MAX_SAFE_INTEGER) / 4));
  const most = quarter < LEAST_WINDOW ? 0 : Math.min(DEFAULT_WINDOW, quarter);
  return Math.min(window ?? most, Math.max(1, size));
}

/** Below this, block headers alone would make incompressible data grow by more than 0.1 %. */
export const MIN_BLOCK_SIZE = 2 ** 13;

/** @throws ShacompError ERR_OPTIONS */
function checkInteger(
  name: string,
  value: number | undefined,
  low: number,
  high = Number.MAX_SAFE_INTEGER,
): void {
  if (value === undefined || (Number.isInteger(value) && value >= low && value <= high)) return;
  const range = high === Number.MAX_SAFE_INTEGER ? `at least ${low}` : `from ${low} to ${high}`;
  throw new ShacompError('ERR_OPTIONS', `${name} must be an integer ${range}, not ${value}`);
}

/** @throws ShacompError ERR_OPTIONS */
function check(name: string, right: boolean, what: string, value: unknown): void {
  if (!right) throw new ShacompError('ERR_OPTIONS', `${name} must be ${what}, not ${kindOf(value)}`);
}

function checkCodecOptions(options: CodecOptions): void {
  check('options', typeof options === 'object' && options !== null, 'an object', options);
  const { model, engine, signal, onProgress } = options;
  if (model !== undefined) checkModelSource(model);
  const engineFits = typeof engine === 'string' || typeof (engine as Engine | null)?.open === 'function';
  check('engine', engine === undefined || engineFits, 'the name of an engine or an engine', engine);
  check('signal', signal === undefined || signal instanceof AbortSignal, 'an AbortSignal', signal);
  check('onProgress', onProgress === undefined || typeof onProgress === 'function', 'a function', onProgress);
  checkInteger('threads', options.threads, 1, 1024);
  checkInteger('memoryLimit', options.memoryLimit, 1);
}

/** @throws ShacompError ERR_OPTIONS */
export function checkCompressOptions(options: CompressOptions): void {
  checkCodecOptions(options);
  checkInteger('blockSize', options.blockSize, MIN_BLOCK_SIZE, MAX_BLOCK_SIZE);
  checkInteger('size', options.size, 0);
  checkInteger('window', options.window, 0, MAX_WINDOW);
  checkInteger('streams', options.streams, 1, MAX_STREAMS);
  checkInteger('level', options.level, 1, MAX_LEVEL);
  const modes = ['auto', 'stored', ...CODED_FORMATS.map(({ name }) => name)];
  if (options.mode !== undefined && !modes.includes(options.mode))
    throw new ShacompError('ERR_OPTIONS', `mode must be one of ${modes.join(', ')}, not ${options.mode}`);
}

/** @throws ShacompError ERR_OPTIONS */
export function checkDecompressOptions(options: DecompressOptions): void {
  checkCodecOptions(options);
  checkInteger('maxOutputLength', options.maxOutputLength, 0);
}
