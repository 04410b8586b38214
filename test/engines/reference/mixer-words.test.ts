/** @file What the mixer takes for a word. */
import { describe, expect, it } from 'vitest';
import { Stream } from '../../../src/engines/reference/mixer-history.js';

/** Words in the order of the text, as their hashes: those that ended, and the one that goes on. */
function wordsOf(bytes: Uint8Array): number[] {
  const stream = new Stream(0);
  const block = new Uint8Array(bytes.length);
  const words: number[] = [];
  let lines = 0;
  bytes.forEach((byte, i) => {
    block[i] = byte;
    stream.update(block, byte, true);
    if (stream.lineWords > lines) words.push(stream.words[0]!);
    lines = stream.lineWords;
  });
  return stream.word ? [...words, stream.word] : words;
}

describe('words', () => {
  const plain = wordsOf(Buffer.from('said "Yes", Anna - and 25 km.'));

  it.each([
    ['quotes and dashes', 'said “Yes”, Anna — and 25 km…'],
    ['guillemets and a space that does not break', 'said «Yes», Anna\u00a0– and 25°km.'],
    ['full-width and Japanese marks', 'said「Yes」，Anna、and　25　km。'],
  ])('end at %s as they do at those of ASCII', (_, text) => {
    expect(plain).toHaveLength(5);
    expect(wordsOf(Buffer.from(text))).toEqual(plain);
  });

  it('have letters of every script, and what follows a mark is not its part', () => {
    expect(wordsOf(Buffer.from('Нева Été 東京 ひらがな ⅔x'))).toHaveLength(5);
    expect(wordsOf(Buffer.from('—x'))).toEqual(wordsOf(Buffer.from('x')));
  });

  it('keep what starts like a mark and is none: letters of 8-bit codes, text that is cut off', () => {
    // Windows-1251: two words that have the bytes of a lead and of one or two that continue
    const word = (...bytes: number[]) => wordsOf(Uint8Array.from(bytes));
    expect(word(0xe2, 0xe5, 0xe2)).toHaveLength(1);
    expect(word(0xc2, 0xb8)).toHaveLength(1);
    expect(word(0xe2, 0x80)).toHaveLength(1);
  });
});
