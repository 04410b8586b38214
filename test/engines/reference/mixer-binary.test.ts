/** @file What the mixing coder takes for binary data, and what it reads out of it. */
import { describe, expect, it } from 'vitest';
import {
  Calls,
  nearest9,
  nearest12,
  neighbourhoods,
  PIXEL_BITS,
  PIXEL_CONTEXTS,
  pixelsAt,
} from '../../../src/engines/reference/mixer-binary.js';
import { Stream } from '../../../src/engines/reference/mixer-history.js';

/** A stream that has taken in these bytes, and in how many places it looked binary. */
function streamOf(bytes: Uint8Array): { stream: Stream; binary: number } {
  const stream = new Stream(0);
  let binary = 0;
  for (const byte of bytes) {
    stream.update(bytes, byte, true);
    if (stream.binary) binary++;
  }
  return { stream, binary };
}

const english = 'The harbour was quiet; two boats lay at the quay, and nobody had seen the third.\n'.repeat(
  5,
);
const russian =
  'Вечером на пристани было тихо, и только чайки спорили о рыбе.\n'.repeat(3) +
  'Государственные предприятия обеспечивали железнодорожное сообщение.\n'.repeat(4);

/** Windows-1251: the Russian letters at 0xC0. */
const inWindows1251 = (text: string): Uint8Array =>
  Uint8Array.from(text, (c) => (c >= 'А' && c <= 'я' ? c.charCodeAt(0) - 0x410 + 0xc0 : c.charCodeAt(0)));

describe('what looks binary', () => {
  it.each([
    ['English', Buffer.from(english)],
    ['Russian in UTF-8', Buffer.from(russian)],
    ['Russian in one byte per letter', inWindows1251(russian)],
    ['English in UTF-16', Buffer.from(english, 'utf16le')],
    ['capitals in one byte per letter', inWindows1251('ПРАВИТЕЛЬСТВО СОЕДИНЁННОГО КОРОЛЕВСТВА\n'.repeat(9))],
    ['Latin-1', Buffer.from('Un été à Paris, où l’ôn déjeunait près du marché.\n'.repeat(5), 'latin1')],
    [
      'an escape now and then',
      Buffer.from('\x1b[31mfailed\x1b[0m after some long while of waiting\n'.repeat(9)),
    ],
  ])('not text: %s', (_, bytes) => {
    expect(streamOf(bytes).binary).toBe(0);
  });

  it('hardly ever Russian in UTF-16', () => {
    const bytes = Buffer.from(russian, 'utf16le');
    expect(streamOf(bytes).binary).toBeLessThan(bytes.length * 0.2);
  });

  it.each([
    ['32-bit numbers', new Uint8Array(Int32Array.from({ length: 100 }, (_, i) => i * i).buffer)],
    ['floats', new Uint8Array(Float64Array.from({ length: 60 }, (_, i) => Math.sqrt(i)).buffer)],
    ['a grey ramp', Uint8Array.from({ length: 400 }, (_, i) => 130 + (i % 100))],
  ])('%s', (_, bytes) => {
    expect(streamOf(bytes).binary).toBeGreaterThan(bytes.length * 0.8);
  });
});

describe('calls', () => {
  it('expects a call to go where one went, byte by byte', () => {
    const block = new Uint8Array(400);
    const view = new DataView(block.buffer);
    const calls = new Calls();
    const behindOf = (position: number) => (d: number) => (position >= d ? block[position - d]! : 0);
    const callAt = (at: number, to: number) => {
      block[at - 2] = 0x10;
      block[at - 1] = 0x20;
      block[at] = 0xe8;
      view.setInt32(at + 1, to - (at + 5), true);
    };
    callAt(50, 0x23456);
    calls.update(55, behindOf(55));
    callAt(300, 0x23456);
    for (let known = 0; known < 4; known++) {
      const position = 301 + known;
      expect(calls.expected(position, behindOf(position))).toEqual({
        place: known + 1,
        byte: block[position]! | 256,
      });
    }
    expect(calls.expected(200, behindOf(200))).toEqual({ place: 0, byte: 0 });
  });
});

describe('pictures of two colours', () => {
  const width = 24; // bytes
  const picture = Uint8Array.from({ length: width * 120 }, (_, i) => {
    const [x, y] = [(i % width) * 8, Math.floor(i / width)];
    let byte = 0;
    for (let k = 0; k < 8; k++) byte = (byte << 1) | ((x + k - 90) ** 2 + (y - 60) ** 2 < 2500 ? 1 : 0);
    return byte;
  });

  it('are recognized by their rows', () => {
    const { stream } = streamOf(picture);
    expect(stream.stride).toBe(width);
    expect(stream.bilevel).toBe(true);
    expect(streamOf(new Uint8Array(Buffer.from(english))).stream.bilevel).toBe(false);
  });

  it('gives the pixels around the next one', () => {
    let seed = 5;
    const noise = picture.map(() => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return seed >> 16;
    });
    const pixel = (x: number, y: number): number => (noise[y * width + (x >> 3)]! >> (7 - (x & 7))) & 1;
    /** Pixels of a row from dx on, the rightmost lowest. */
    const run = (x: number, y: number, dx: number, n: number): number =>
      [...Array(n)].reduce((bits, _, k) => (bits << 1) | pixel(x + dx + k, y), 0);
    const stream = new Stream(0);
    const y = 40;
    for (const byte of noise.subarray(0, y * width + 9)) stream.update(noise, byte, true);
    stream.stride = width;
    const behind = (d: number) => stream.behind(noise, d);
    for (let bitIndex = 0; bitIndex < 8; bitIndex++) {
      const x = 9 * 8 + bitIndex;
      const c0 = (256 | noise[stream.position]!) >> (8 - bitIndex);
      const pixels = pixelsAt(stream, behind, c0, bitIndex);
      const rows = (own: number, above: readonly [number, number][]) => {
        let [number, bits] = [run(x, y, -own, own), own];
        above.forEach(([dx, n], k) => {
          number |= run(x, y - 1 - k, dx, n) << bits;
          bits += n;
        });
        return number;
      };
      expect(pixels.left & 0xfff).toBe(run(x, y, -12, 12));
      expect(pixels.above.map((row) => row & 0x7fff)).toEqual([1, 2, 3].map((k) => run(x, y - k, -7, 15)));
      const few = rows(2, [
        [-1, 3],
        [-1, 3],
        [0, 1],
      ]);
      expect(nearest9(pixels)).toBe(few);
      expect(nearest12(pixels)).toBe(
        rows(4, [
          [-2, 5],
          [-1, 3],
        ]),
      );
      const numbers = neighbourhoods(pixels);
      expect(numbers).toHaveLength(PIXEL_CONTEXTS.length);
      expect(numbers.slice(0, 5)).toEqual([
        rows(4, [
          [-3, 7],
          [-2, 5],
        ]),
        few,
        rows(8, [[-3, 8]]),
        rows(3, [
          [-2, 5],
          [-2, 5],
          [-1, 3],
        ]),
        rows(1, [[-7, 15]]),
      ]);
      for (const number of numbers) expect(number).toBeLessThan(2 ** PIXEL_BITS);
    }
  });
});
