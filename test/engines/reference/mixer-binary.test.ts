/** @file What the mixing coder takes for binary data, and what it reads out of it. */
import { describe, expect, it } from 'vitest';
import {
  Calls,
  nearest9,
  neighbourhoods,
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
const russian = 'Вечером на пристани было тихо, и только чайки спорили о рыбе.\n'.repeat(5);

/** Windows-1251: the Russian letters at 0xC0. */
const inWindows1251 = (text: string): Uint8Array =>
  Uint8Array.from(text, (c) => (c >= 'А' && c <= 'я' ? c.charCodeAt(0) - 0x410 + 0xc0 : c.charCodeAt(0)));

describe('what looks binary', () => {
  it.each([
    ['English', Buffer.from(english)],
    ['Russian in UTF-8', Buffer.from(russian)],
    ['Russian in one byte per letter', inWindows1251(russian)],
    ['UTF-16', Buffer.from(english, 'utf16le')],
    ['Latin-1', Buffer.from('Un été à Paris, où l’ôn déjeunait près du marché.\n'.repeat(5), 'latin1')],
    [
      'an escape now and then',
      Buffer.from('\x1b[31mfailed\x1b[0m after some long while of waiting\n'.repeat(9)),
    ],
  ])('not text: %s', (_, bytes) => {
    expect(streamOf(bytes).binary).toBe(0);
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
  const pixel = (x: number, y: number): number => (picture[y * width + (x >> 3)]! >> (7 - (x & 7))) & 1;

  it('are recognized by their rows', () => {
    const { stream } = streamOf(picture);
    expect(stream.stride).toBe(width);
    expect(stream.bilevel).toBe(true);
    expect(streamOf(new Uint8Array(Buffer.from(english))).stream.bilevel).toBe(false);
  });

  it('gives the pixels around the next one', () => {
    const stream = new Stream(0);
    const y = 40;
    for (const byte of picture.subarray(0, y * width + 9)) stream.update(picture, byte, true);
    stream.stride = width;
    const behind = (d: number) => stream.behind(picture, d);
    for (let bitIndex = 0; bitIndex < 8; bitIndex++) {
      const x = 9 * 8 + bitIndex;
      const c0 = (256 | picture[stream.position]!) >> (8 - bitIndex);
      const pixels = pixelsAt(stream, behind, c0, bitIndex);
      expect(pixels.left & 255).toBe([...Array(8)].reduce((n, _, k) => n | (pixel(x - 1 - k, y) << k), 0));
      pixels.above.forEach((row, k) => {
        for (let dx = -7; dx <= 7; dx++) expect((row >> (7 - dx)) & 1).toBe(pixel(x + dx, y - 1 - k));
      });
      const numbers = neighbourhoods(pixels);
      expect(numbers).toHaveLength(PIXEL_CONTEXTS.length);
      expect(nearest9(pixels) & 4).toBe(4 * pixel(x + 1, y - 1));
    }
  });
});
