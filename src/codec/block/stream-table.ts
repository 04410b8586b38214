/**
 * @file The payload of a network block: the lengths of the streams' codes but the last, which takes what is
 * left, and the codes in the order of the streams (docs/format.md, section 1.3).
 */
import { decodeVarint, encodeVarint } from '../container/varint.js';
import { damagedBlock } from './symbol-coder.js';

/** The payload made of the codes of all streams. */
export function joinCodes(codes: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const table = codes.slice(0, -1).flatMap(({ length }) => encodeVarint(length));
  const payload = new Uint8Array(codes.reduce((sum, { length }) => sum + length, table.length));
  payload.set(table);
  let at = table.length;
  for (const code of codes) {
    payload.set(code, at);
    at += code.length;
  }
  return payload;
}

/**
 * The codes of a payload, which share its memory.
 * @throws ShacompError ERR_CORRUPT if their lengths are damaged or more than the payload has
 */
export function splitCodes(payload: Uint8Array, streams: number): Uint8Array[] {
  const ends: number[] = [];
  let at = 0;
  let total = 0;
  while (ends.length < streams - 1) {
    const varint = decodeVarint(payload, at, payload.length);
    if (!varint) throw damagedBlock();
    total += varint.value;
    ends.push(total);
    at = varint.end;
  }
  const codes = payload.subarray(at);
  if (total > codes.length) throw damagedBlock();
  ends.push(codes.length);
  return ends.map((end, k) => codes.subarray(k > 0 ? ends[k - 1] : 0, end));
}
