/**
 * @file What the full profile does with bytes that are no text: numbers, records, machine code and pictures
 * of one bit per pixel. Where a stream looks binary, contexts of words and structure give way to these.
 */
import { hash2 } from './mixer-tables.js';

/** What is read of a stream's past: the part of `Stream` that counts here. */
export interface BinaryPast {
  readonly start: number;
  readonly position: number;
  /** the last four bytes, newest lowest */
  readonly c4: number;
  readonly record: number;
  readonly phase: number;
  readonly bilevel: boolean;
}

/** Bytes of a stream by their distance behind the next one, 0 before the stream's start. */
export type Behind = (distance: number) => number;

/** The last n bytes, at most 4, as a number whose lower byte is first. */
function lastBytes(behind: Behind, n: number): number {
  let value = 0;
  for (let i = 0; i < n; i++) value |= behind(n - i) << (8 * i);
  return value;
}

/** Targets of x86 calls and jumps: E8 or E9, and 32 bits, relative to what follows them. */
export class Calls {
  /** Places in the block where calls went, by the bytes of the place known so far. */
  readonly #targets = new Uint32Array(65536);

  /** @param key the target's `known` lowest bytes; if none is known, the two bytes before the opcode */
  #at(key: number, known: number): number {
    return hash2(key, known) >>> 16;
  }

  /** Takes in a call whose last byte has just been coded. */
  update(position: number, behind: Behind): void {
    if ((behind(5) & 0xfe) !== 0xe8) return;
    const target = (position + lastBytes(behind, 4)) >>> 0;
    this.#targets[this.#at(behind(6) | (behind(7) << 8), 0)] = target;
    for (let known = 1; known < 4; known++)
      this.#targets[this.#at(target & ((1 << (8 * known)) - 1), known)] = target;
  }

  /**
   * What the next byte will be if a call goes where one went before.
   * @returns the number of the byte in the call, 1 to 4, or 0 outside; the byte | 256, or 0 if there is none
   */
  expected(position: number, behind: Behind): { place: number; byte: number } {
    for (let known = 0; known < 4; known++) {
      if ((behind(known + 1) & 0xfe) !== 0xe8) continue;
      const end = position + 4 - known;
      const key = known
        ? (end + lastBytes(behind, known)) & ((1 << (8 * known)) - 1)
        : behind(2) | (behind(3) << 8);
      const target = this.#targets[this.#at(key, known)]!;
      return { place: known + 1, byte: target ? (((target - end) >>> (8 * known)) & 255) | 256 : 0 };
    }
    return { place: 0, byte: 0 };
  }
}

/** The contexts of binary data and the numbers of those whose places they take. */
export function binaryContexts(stream: BinaryPast, behind: Behind, calls: Calls): [number, number, number][] {
  const { position, record, phase } = stream;
  const at = position - stream.start;
  const [c1, c2, c3, b4, b5, b6] = [1, 2, 3, 4, 5, 6].map(behind) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const b8 = behind(8);
  // the byte a record back, two, and the neighbours of the first
  const up = behind(record);
  const up2 = behind(2 * record);
  const upLeft = behind(record + 1);
  const upRight = behind(record - 1);
  // 16-bit numbers, lower byte first: what the one a record back, and those two, make likely
  const odd = at & 1;
  const number16 = (distance: number) => behind(distance) | (behind(distance - 1) << 8);
  const same = number16(record + odd);
  const linear = 2 * same - number16(2 * record + odd);
  const ofNumber = (n: number) => (odd ? ((n - c1 + 128) >> 8) & 255 : (n >> 4) & 0xfff);
  const call = calls.expected(position, behind);
  const target = call.byte | (call.place << 9);
  const contexts: [number, number, number][] = [
    // place in the record
    [7, phase, 0],
    [11, phase, c1 | 0x100],
    [12, phase, up | 0x200],
    // bytes of the record before
    [20, up | (upLeft << 8) | (upRight << 16), 0],
    [27, up | (upLeft << 8) | (upRight << 16) | (c1 << 24), up2],
    [41, up | ((upRight >> 6) << 8) | ((upLeft & 3) << 10) | ((c1 & 7) << 12), 0],
    // what continues a slope
    [21, (up + c1 - upLeft) & 255, phase],
    [22, (2 * up - up2) & 255, phase],
    [51, (c1 + up) >> 1, phase],
    [52, (2 * c1 - c2) & 255, phase],
    [55, (c1 + upRight - upLeft) & 255, up],
    [24, ofNumber(linear), odd],
    [29, ofNumber(same), odd ? (c1 >> 5) | 8 : 0],
    // numbers of two and four bytes
    [28, b4 | (b8 << 8), at & 3],
    [17, b4 | (b8 << 8) | (behind(12) << 16), at & 3],
    [54, b4 | ((c1 >> 4) << 8), at & 3],
    [56, c1 | (c2 << 8), at & 3],
    [30, c2 | (b4 << 8), odd],
    // sparse
    [32, c1 | (b5 << 8), 0],
    [33, c1 | (b6 << 8), 0],
    [34, c2 | (b6 << 8), 0],
    [35, c3 | (b6 << 8), 0],
    [36, b4 | (b8 << 8) | (c1 << 16), 0],
    [37, c3 | (c1 << 8), 0],
    [53, stream.c4 & 0xf0f0f0, b4],
    // machine code
    [18, target, call.byte ? 0 : c1 | (c2 << 8)],
    [19, target, call.byte ? c1 : 0x100],
  ];
  // no slots for those that have pixels instead
  if (stream.bilevel) contexts.push(...PIXEL_CONTEXTS.map((i): [number, number, number] => [i, 0, 0]));
  return contexts.map(([i, a, b]) => [i, a, hash2(b, 0x62696e)]);
}

/** Contexts whose histories are those of pixels instead in a picture of two colours. */
export const PIXEL_CONTEXTS = [17, 18, 19, 20, 24, 27, 29] as const;
/** Bits of the number of a neighbourhood of pixels. */
export const PIXEL_BITS = 18;

/**
 * Rows of pixels around the next one: its own, in which bit 0 is the last one, and three above, where bit 7
 * is.
 */
export interface Pixels {
  readonly left: number;
  readonly above: readonly [number, number, number];
}

/** @param c0, bitIndex the byte so far */
export function pixelsAt({ c4, record }: BinaryPast, behind: Behind, c0: number, bitIndex: number): Pixels {
  const row = (distance: number) =>
    ((behind(distance + 1) << 16) | (behind(distance) << 8) | behind(distance - 1)) >> (8 - bitIndex);
  return {
    left: (c4 << bitIndex) | (c0 & ((1 << bitIndex) - 1)),
    above: [row(record), row(2 * record), row(3 * record)],
  };
}

/**
 * Neighbourhoods of the next pixel, by {@link PIXEL_CONTEXTS}: some as JBIG2's templates (ITU-T T.88,
 * 6.2.5).
 */
export function neighbourhoods({ left, above: [a, b, c] }: Pixels): number[] {
  return [
    (left & 15) | (((a >> 4) & 127) << 4) | (((b >> 5) & 31) << 11),
    nearest9({ left, above: [a, b, c] }),
    (left & 255) | (((a >> 3) & 255) << 8),
    (left & 7) | (((a >> 5) & 31) << 3) | (((b >> 5) & 31) << 8) | (((c >> 6) & 7) << 13),
    (left & 1) | ((a & 0x7fff) << 1),
    hash2((left & 63) | (((a >> 3) & 511) << 6) | (((b >> 4) & 127) << 15) | (((c >> 5) & 31) << 22), 5) >>>
      (32 - PIXEL_BITS),
    hash2((left & 0xfff) | (((a >> 1) & 0xfff) << 12), 6) >>> (32 - PIXEL_BITS),
  ];
}

/** The nine nearest pixels. */
export const nearest9 = ({ left, above: [a, b, c] }: Pixels): number =>
  (left & 3) | (((a >> 6) & 7) << 2) | (((b >> 6) & 7) << 5) | (((c >> 7) & 1) << 8);

/** The twelve nearest pixels. */
export const nearest12 = ({ left, above: [a, b] }: Pixels): number =>
  (left & 15) | (((a >> 5) & 31) << 4) | (((b >> 6) & 7) << 9);
