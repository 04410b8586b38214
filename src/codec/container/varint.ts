/**
 * @file Unsigned integers of variable length: LEB128, seven bits per byte, lowest first, in the shortest
 * form.
 */
import { ShacompError } from '../../errors.js';
import type { ByteReader } from './byte-reader.js';

/** @param value an integer in [0, 2^53) */
export function encodeVarint(value: number): number[] {
  const bytes: number[] = [];
  while (value >= 128) {
    bytes.push((value % 128) + 128);
    value = Math.floor(value / 128);
  }
  bytes.push(value);
  return bytes;
}

/**
 * @param limit the largest value allowed, below 2^53
 * @throws ShacompError ERR_CORRUPT if the number is larger or not in its shortest form
 */
export async function readVarint(reader: ByteReader, limit: number, what: string): Promise<number> {
  let value = 0;
  for (let unit = 1; ; unit *= 128) {
    const byte = await reader.byte();
    value += (byte % 128) * unit;
    if (value > limit || (byte === 0 && unit > 1))
      throw new ShacompError('ERR_CORRUPT', `the compressed data is damaged: ${what} is out of range`);
    if (byte < 128) return value;
    if (unit * 128 > limit)
      throw new ShacompError('ERR_CORRUPT', `the compressed data is damaged: ${what} is out of range`);
  }
}

/**
 * A number at `at` in bytes that are all there, and where it ends.
 * @param limit the largest value allowed, below 2^46
 * @returns undefined if it does not end, is larger or not in its shortest form
 */
export function decodeVarint(
  bytes: Uint8Array,
  at: number,
  limit: number,
): { value: number; end: number } | undefined {
  let value = 0;
  for (let i = at, unit = 1; i < bytes.length && unit <= limit; i++, unit *= 128) {
    value += (bytes[i] % 128) * unit;
    if (value > limit || (bytes[i] === 0 && unit > 1)) return undefined;
    if (bytes[i] < 128) return { value, end: i + 1 };
  }
  return undefined;
}
