/**
 * @file Reads and writes safetensors files: named tensors behind a JSON header.
 *
 * 8 bytes: length of the header (u64, little-endian); the header; the tensors' little-endian data, without gaps. The header maps
 * names to { dtype, shape, data_offsets: [begin, end) after the header }, and __metadata__ to a map of strings.
 * https://huggingface.co/docs/safetensors
 */
import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { endianness } from 'node:os';
import { ShacompError } from '../errors.js';
import { elements } from '../model/architecture.js';
import { fileError } from '../node/file-errors.js';

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

/** Longest header that is read. */
const MAX_HEADER = 16 << 20;

const invalid = (what: string) =>
  new ShacompError('ERR_CHECKPOINT_INVALID', `not a usable safetensors file: ${what}`);

interface Entry {
  dtype: TypeName;
  shape: number[];
  data_offsets: [number, number];
}

function checkEntry(name: string, value: unknown, size: number): Entry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Partial<Entry>;
  if (typeof dtype !== 'string' || !Object.hasOwn(TYPES, dtype))
    throw invalid(`${name} has the type ${String(dtype)}; F32 and U8 are supported`);
  const naturals = (x: unknown): x is number[] =>
    Array.isArray(x) && x.every((n) => Number.isSafeInteger(n) && n >= 0);
  if (!naturals(shape) || !naturals(offsets) || offsets.length !== 2)
    throw invalid(`${name} has no proper shape or offsets`);
  const length = elements(shape) * TYPES[dtype].BYTES_PER_ELEMENT;
  if (offsets[1] - offsets[0] !== length || offsets[1] > size)
    throw invalid(`${name} does not lie within the file as its shape says`);
  return { dtype, shape, data_offsets: offsets };
}

/** Bytes of float32 numbers in the file's order for this machine, or the other way round. */
const littleEndian = (floats: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> =>
  endianness() === 'LE' ? floats : Uint8Array.from(Buffer.from(floats).swap32());

/**
 * Parses a safetensors file. Tensors are copies.
 * @throws ShacompError ERR_CHECKPOINT_INVALID
 */
export function parseSafetensors(bytes: Uint8Array): SafeTensors {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 8) throw invalid('it is too short');
  const length = Number(view.getBigUint64(0, true));
  if (length > MAX_HEADER || length > bytes.length - 8) throw invalid('the header is longer than the file');
  let header: Record<string, unknown>;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch (error) {
    throw new ShacompError(
      'ERR_CHECKPOINT_INVALID',
      'not a usable safetensors file: the header is not JSON',
      { cause: error },
    );
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw invalid('the header is not an object');
  // Not subarray: the slice() of a Buffer would not copy.
  const body = new Uint8Array(bytes.buffer, bytes.byteOffset + 8 + length, bytes.length - 8 - length);
  const { __metadata__: given = {}, ...rest } = header;
  if (typeof given !== 'object' || given === null || Object.values(given).some((v) => typeof v !== 'string'))
    throw invalid('the metadata are not text');
  const entries = Object.entries(rest).map(
    ([name, value]) => [name, checkEntry(name, value, body.length)] as const,
  );
  entries.sort(([, { data_offsets: a }], [, { data_offsets: b }]) => a[0] - b[0] || a[1] - b[1]);
  const tensors = new Map<string, Tensor>();
  let end = 0;
  for (const [name, { dtype, shape, data_offsets }] of entries) {
    if (data_offsets[0] !== end) throw invalid(`${name} does not begin where the tensor before it ends`);
    end = data_offsets[1];
    const copy = body.slice(...data_offsets); // aligned
    tensors.set(name, {
      shape,
      data: dtype === 'U8' ? copy : new Float32Array(littleEndian(copy).buffer, 0, copy.length / 4),
    });
  }
  if (end !== body.length) throw invalid('the data is longer than its tensors');
  return { tensors, metadata: given as Record<string, string> };
}

/** The file as pieces to be written one after the other. The header is padded to a multiple of 8 bytes. */
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
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(text.length), true);
  const parts = [...tensors.values()].map(({ data }) => {
    const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    return data instanceof Uint8Array ? bytes : littleEndian(bytes);
  });
  return [length, text, ...parts];
}

/**
 * @throws ShacompError ERR_FILE, ERR_CHECKPOINT_INVALID
 */
export async function readSafetensors(path: string): Promise<SafeTensors> {
  let bytes: Uint8Array;
  try {
    const file = await open(path);
    try {
      if (!(await file.stat()).isFile()) throw new Error('is not a regular file');
      bytes = await file.readFile();
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(path, error);
  }
  try {
    return parseSafetensors(bytes);
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
  const temporary = `${path}.${randomBytes(4).toString('hex')}.part`;
  try {
    const file = await open(temporary, 'wx');
    try {
      for (const part of encodeSafetensors(content)) await file.writeFile(part);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw fileError(path, error);
  }
}
