/**
 * @file CRC-32 of ISO 3309, as in gzip and PNG: polynomial 0x04C11DB7, bits reflected, both ends inverted.
 * Four bytes at a time ("slicing by 4", Kounavis and Berry 2005).
 */

const REFLECTED = 0xedb88320;

/** TABLES[k][b]: the remainder of byte b with k zero bytes behind it. */
const TABLES = makeTables();

function makeTables(): Int32Array[] {
  const tables = Array.from({ length: 4 }, () => new Int32Array(256));
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? REFLECTED : 0);
    tables[0][byte] = crc;
  }
  for (let k = 1; k < 4; k++)
    for (let byte = 0; byte < 256; byte++) {
      const crc = tables[k - 1][byte];
      tables[k][byte] = (crc >>> 8) ^ tables[0][crc & 0xff];
    }
  return tables;
}

/** Continues a CRC-32 over more bytes; that of no bytes is 0. */
export function crc32(bytes: Uint8Array, previous = 0): number {
  const [t0, t1, t2, t3] = TABLES;
  const { length } = bytes;
  let crc = ~previous;
  let i = 0;
  for (; i + 4 <= length; i += 4) {
    crc ^= bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    crc = t3[crc & 0xff] ^ t2[(crc >>> 8) & 0xff] ^ t1[(crc >>> 16) & 0xff] ^ t0[crc >>> 24];
  }
  for (; i < length; i++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[i]) & 0xff];
  return ~crc >>> 0;
}
