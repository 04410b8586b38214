/** @file The checksum of the original bytes: CRC-32 of ISO 3309, as in gzip and PNG. */
import { crc32 } from 'node:zlib';

/** Continues a checksum over more bytes; that of no bytes is 0. */
export const checksum = (bytes: Uint8Array, previous = 0): number => crc32(bytes, previous);
