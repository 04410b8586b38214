/** @file The compressors that `bench` measures: ours, those of Node.js, and programs of the machine. */
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { type CompressOptions, compress, decompress } from '../../index.js';
import { UserError } from '../terminal/messages.js';

export interface Compressor {
  name: string;
  /** its settings, for people */
  settings: string;
  /** whether its times include starting a program */
  program: boolean;
  compress(data: Uint8Array): Promise<Uint8Array>;
  decompress(data: Uint8Array): Promise<Uint8Array>;
}

/** Zstandard is part of Node.js from 22.15 on. */
interface ZlibWithZstd {
  zstdCompress?: (
    data: Uint8Array,
    options: object,
    done: (error: Error | null, result: Buffer) => void,
  ) => void;
  zstdDecompress?: (data: Uint8Array, done: (error: Error | null, result: Buffer) => void) => void;
  constants: { ZSTD_c_compressionLevel?: number };
}

const gzip: Compressor = {
  name: 'gzip',
  settings: 'level 9',
  program: false,
  compress: (data) => promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.gzip)(data, { level: 9 }),
  decompress: (data) => promisify<Uint8Array, Buffer>(zlib.gunzip)(data),
};

const brotli: Compressor = {
  name: 'brotli',
  settings: 'quality 11, window 2^24',
  program: false,
  compress: (data) =>
    promisify<Uint8Array, zlib.BrotliOptions, Buffer>(zlib.brotliCompress)(data, {
      params: {
        [zlib.constants.BROTLI_PARAM_QUALITY]: 11,
        [zlib.constants.BROTLI_PARAM_LGWIN]: 24,
        [zlib.constants.BROTLI_PARAM_SIZE_HINT]: data.length,
      },
    }),
  decompress: (data) => promisify<Uint8Array, Buffer>(zlib.brotliDecompress)(data),
};

function zstdOfNode(): Compressor | undefined {
  const { zstdCompress, zstdDecompress, constants } = zlib as unknown as ZlibWithZstd;
  if (!zstdCompress || !zstdDecompress) return undefined;
  return {
    name: 'zstd',
    settings: 'level 19',
    program: false,
    compress: (data) =>
      promisify(zstdCompress)(data, { params: { [constants.ZSTD_c_compressionLevel!]: 19 } }),
    decompress: (data) => promisify(zstdDecompress)(data),
  };
}

/** A program that compresses standard input to standard output. */
function program(name: string, options: string[]): Compressor {
  return {
    name,
    settings: options.join(' '),
    program: true,
    compress: (data) => pipe(name, [...options, '-c'], data),
    decompress: (data) => pipe(name, ['-d', '-c'], data),
  };
}

function pipe(command: string, args: string[], data: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    child.stdin.on('error', () => {});
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0) resolve(Buffer.concat(output));
      else
        reject(
          new UserError(
            `${command} failed: ${Buffer.concat(errors).toString().trim() || `exit code ${status}`}`,
          ),
        );
    });
    child.stdin.end(data);
  });
}

/** Whether a program is there to be run. */
async function runs(name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const child = spawn(name, ['--version'], { stdio: 'ignore' });
    child.on('error', () => resolve(false));
    child.on('close', (status) => resolve(status === 0));
  });
}

/** What the package `arithmetic-coding` exports. */
interface ArithmeticCoding {
  encodeFromBuffer(data: Buffer): Buffer;
  decodeFromBuffer(data: Buffer): Buffer;
}

/**
 * An arithmetic coder with the frequencies of the file's bytes and no other model: what a model is worth. A
 * package of npm; undefined where it is not installed.
 */
export async function arithmeticCoding(): Promise<Compressor | undefined> {
  const name = 'arithmetic-coding';
  let coder: ArithmeticCoding;
  try {
    coder = createRequire(import.meta.url)(name);
  } catch {
    return undefined;
  }
  return {
    name,
    settings: 'order 0',
    program: false,
    compress: async (data) => coder.encodeFromBuffer(Buffer.from(data)),
    decompress: async (data) => coder.decodeFromBuffer(Buffer.from(data)),
  };
}

/** All that can be measured here, ours first. */
export async function compressors(options: CompressOptions, settings: string): Promise<Compressor[]> {
  const { model, engine, threads, memoryLimit } = options;
  const decoding = { model, engine, threads, memoryLimit };
  const list: Compressor[] = [
    {
      name: 'shacomp',
      settings,
      program: false,
      compress: (data) => compress(data, options),
      decompress: (data) => decompress(data, decoding),
    },
    gzip,
    brotli,
  ];
  const zstd = zstdOfNode();
  if (zstd) list.push(zstd);
  const programs = [
    ...(zstd ? [] : [program('zstd', ['-19'])]),
    program('xz', ['-9e', '-T1']),
    program('bzip2', ['-9']),
  ];
  for (const candidate of programs) if (await runs(candidate.name)) list.push(candidate);
  return list;
}
