/** @file The checksum of the original bytes. */
import { crc32 } from '../../crc32.js';

/** Continues a checksum over more bytes; that of no bytes is 0. */
export type Checksum = (bytes: Uint8Array, previous: number) => number;

export const checksum: Checksum = (bytes, previous) => crc32(bytes, previous);
