/** @file The checksum of the original bytes. */
import { crc32 } from '../../crc32.js';

/** Continues a checksum over more bytes; that of no bytes is 0. */
export const checksum = (bytes: Uint8Array, previous = 0): number => crc32(bytes, previous);
