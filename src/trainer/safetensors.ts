/**
 * @file Reads and writes safetensors files: named tensors behind a JSON header.
 *
 * 8 bytes: length of the header (u64, little-endian); the header; the tensors' little-endian data, without
 * gaps. The header maps names to { dtype, shape, data_offsets: [begin, end) after the header }, and
 * __metadata__ to a map of strings. https://huggingface.co/docs/safetensors
 */
import { endianness } from 'node:os';
import { ShacompError } from '../errors.js';
import { elements } from '../model/architecture.js';
import { fileError } from '../node/file-errors.js';
import { withRegularFile } from '../node/regular-file.js';
import { newFile } from '../node/write-file.js';
import { parseShallowJson } from './shallow-json.js';

/** Element types read and written here. */
const TYPES = { F32: Float32Array, U8: Uint8Array } as const;
type TypeName = keyof typeof TYPES;

export interface Tensor {
  shape: number[];
  data: Float32Array | Uint8Array;
}

export interface SafeTensors {
  tensors: Map<string, Tensor>;
  metadata: Record<string, string>;
}

/** Longest header that is read and written. */
const MAX_HEADER = 4 << 20;
/** Levels of nesting in a header: names, their entries, shapes and offsets. */
const HEADER_DEPTH = 3;

const invalid = (what: string, cause?: unknown) =>
  new ShacompError('ERR_CHECKPOINT_INVALID', `not a usable safetensors file: ${what}`, { cause });

interface Entry {
  name: string;
  dtype: TypeName;
  shape: number[];
  data_offsets: [number, number];
}

interface Header {
  /** in the order of their data */
  entries: Entry[];
  metadata: Record<string, string>;
}

/** Text of the file in a message: short, on one line. */
const quoted = (text: string): string =>
  `"${text.length > 60 ? `${text.slice(0, 60)}…` : text}"`.replace(/[\p{C}\u2028\u2029]/gu, '?');

function checkEntry(name: string, value: unknown, size: number): Entry {
  const about = quoted(name);
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Partial<Entry>;
  if (typeof dtype !== 'string' || !Object.hasOwn(TYPES, dtype))
    throw invalid(
      `${about} has ${typeof dtype === 'string' ? `the type ${quoted(dtype)}` : 'no type'}; F32 and U8 are supported`,
    );
  const naturals = (x: unknown): x is number[] =>
    Array.isArray(x) && x.every((n) => Number.isSafeInteger(n) && n >= 0);
  if (!naturals(shape) || !naturals(offsets) || offsets.length !== 2)
    throw invalid(`${about} has no proper shape or offsets`);
  const length = elements(shape) * TYPES[dtype].BYTES_PER_ELEMENT;
  if (offsets[1] - offsets[0] !== length || offsets[1] > size)
    throw invalid(`${about} does not lie within the file as its shape says`);
  return { name, dtype, shape, data_offsets: offsets };
}

/** Length of the header that the first 8 bytes of a file of `size` bytes tell. */
function headerLength(start: Uint8Array, size: number): number {
  if (size < 8) throw invalid('it is too short');
  const length = Number(new DataView(start.buffer, start.byteOffset).getBigUint64(0, true));
  if (length > size - 8) throw invalid('the header is longer than the file');
  if (length > MAX_HEADER) throw invalid(`the header is longer than ${MAX_HEADER >> 20} MiB`);
  return length;
}

/** @param size bytes of data after the header */
function parseHeader(bytes: Uint8Array, size: number): Header {
  let header: unknown;
  try {
    header = parseShallowJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes), HEADER_DEPTH);
  } catch (error) {
    throw invalid('the header is not JSON of the kind expected', error);
  }
  const isObject = (x: unknown) => typeof x === 'object' && x !== null && !Array.isArray(x);
  if (!isObject(header)) throw invalid('the header is not an object');
  const { __metadata__: given = {}, ...rest } = header as Record<string, unknown>;
  if (!isObject(given) || Object.values(given as object).some((v) => typeof v !== 'string'))
    throw invalid('the metadata are not text');
  const entries = Object.entries(rest).map(([name, value]) => checkEntry(name, value, size));
  entries.sort(({ data_offsets: a }, { data_offsets: b }) => a[0] - b[0] || a[1] - b[1]);
  let end = 0;
  for (const { name, data_offsets } of entries) {
    if (data_offsets[0] !== end)
      throw invalid(`${quoted(name)} does not begin where the tensor before it ends`);
    end = data_offsets[1];
  }
  if (end !== size) throw invalid('the data is longer than its tensors');
  return { entries, metadata: given as Record<string, string> };
}

/** @param data of the tensor, which nobody else has */
const tensorOf = ({ dtype, shape }: Entry, data: Uint8Array<ArrayBuffer>): Tensor => ({
  shape,
  data: dtype === 'U8' ? data : new Float32Array(littleEndian(data).buffer, 0, data.length / 4),
});

/** Bytes of float32 numbers in the file's order for this machine, or the other way round. */
const littleEndian = (floats: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> =>
  endianness() === 'LE' ? floats : Uint8Array.from(Buffer.from(floats).swap32());

/**
 * Parses a safetensors file. Tensors are copies.
 * @throws ShacompError ERR_CHECKPOINT_INVALID
 */
export function parseSafetensors(bytes: Uint8Array): SafeTensors {
  const start = 8 + headerLength(bytes.subarray(0, 8), bytes.length);
  const { entries, metadata } = parseHeader(bytes.subarray(8, start), bytes.length - start);
  const tensors = new Map<string, Tensor>();
  for (const entry of entries) {
    const [begin, end] = entry.data_offsets;
    // a copy is aligned; the slice() of a Buffer would not copy
    tensors.set(entry.name, tensorOf(entry, new Uint8Array(bytes.subarray(start + begin, start + end))));
  }
  return { tensors, metadata };
}

/**
 * The file as pieces to be written one after the other. The header is padded to a multiple of 8 bytes.
 * @throws ShacompError ERR_CHECKPOINT_INVALID if the header is longer than is read
 */
export function encodeSafetensors({ tensors, metadata }: SafeTensors): Uint8Array[] {
  // without a prototype: a tensor may have any name
  const header: Record<string, unknown> = Object.assign(Object.create(null), { __metadata__: metadata });
  let at = 0;
  for (const [name, { shape, data }] of tensors) {
    header[name] = {
      dtype: data instanceof Uint8Array ? 'U8' : 'F32',
      shape,
      data_offsets: [at, at + data.byteLength],
    };
    at += data.byteLength;
  }
  const json = JSON.stringify(header);
  const text = new TextEncoder().encode(json + ' '.repeat(-Buffer.byteLength(json) & 7));
  if (text.length > MAX_HEADER) throw invalid(`the header is longer than ${MAX_HEADER >> 20} MiB`);
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  const parts = [...tensors.values()].map(({ data }) => {
    const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    return data instanceof Uint8Array ? bytes : littleEndian(bytes);
  });
  return [length, text, ...parts];
}

/**
 * Reads a file's metadata and the tensors wanted, all of them by default. Memory is taken for these alone.
 * @param wanted makes of the metadata what tells, by name and shape, the tensors to read
 * @throws ShacompError ERR_FILE, ERR_CHECKPOINT_INVALID; what `wanted` throws
 */
export async function readSafetensors(
  path: string,
  wanted: (metadata: Record<string, string>) => (name: string, shape: readonly number[]) => boolean = () =>
    () =>
      true,
): Promise<SafeTensors> {
  try {
    return await withRegularFile(path, async ({ size, read }) => {
      const start = new Uint8Array(Math.min(8, size));
      await read(start, 0);
      const length = named(path, () => headerLength(start, size));
      const header = new Uint8Array(length);
      await read(header, 8);
      const { entries, metadata } = named(path, () => parseHeader(header, size - 8 - length));
      const isWanted = wanted(metadata);
      const tensors = new Map<string, Tensor>();
      for (const entry of entries.filter(({ name, shape }) => isWanted(name, shape))) {
        const [begin, end] = entry.data_offsets;
        const data = new Uint8Array(end - begin);
        await read(data, 8 + length + begin);
        tensors.set(entry.name, tensorOf(entry, data));
      }
      return { tensors, metadata };
    });
  } catch (error) {
    throw error instanceof ShacompError ? error : fileError(path, error);
  }
}

/** What `run` gives; its errors tell the file. */
function named<T>(path: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof ShacompError)) throw error;
    throw new ShacompError(error.code, `${path}: ${error.message}`, { cause: error });
  }
}

/**
 * Writes a file that appears whole or not at all.
 * @throws ShacompError ERR_FILE
 */
export async function writeSafetensors(path: string, content: SafeTensors): Promise<void> {
  const file = await newFile(path).catch((error) => {
    throw fileError(path, error);
  });
  try {
    // a checkpoint is no secret: as readable as any new file
    await file.handle.chmod(0o666 & ~process.umask());
    for (const part of encodeSafetensors(content)) await file.write(part);
    await file.finish();
    await file.commit(true);
  } catch (error) {
    await file.discard();
    throw error instanceof ShacompError ? error : fileError(path, error);
  }
}
