/**
 * @file A tiny model that knows how often letters occur: enough to make text smaller without any training.
 */
import { encodeModel, type IntegerModel, parseModel } from '../../src/model/sharnn.js';
import { randomModel } from './random-model.js';

/** Rough shares of what English text is made of, in thousandths. */
const SHARES: Record<string, number> = {
  ' ': 170,
  e: 100,
  t: 74,
  a: 66,
  o: 62,
  n: 58,
  i: 56,
  s: 53,
  h: 50,
  r: 50,
  d: 34,
  l: 33,
  u: 23,
  c: 23,
  m: 20,
  f: 19,
  w: 18,
  g: 17,
  y: 16,
  p: 16,
  b: 12,
  v: 8,
  k: 6,
  '\n': 20,
  ',': 10,
  '.': 10,
}; // prettier-ignore

/**
 * A random network of the tiny preset whose output leans to English letters. The same seed gives the same
 * bytes.
 */
export function lettersModel(seed = 1): IntegerModel {
  const model = randomModel({ seed });
  const outputBias = Int32Array.from({ length: 256 }, (_, byte) => {
    const share = (SHARES[String.fromCharCode(byte)] ?? (byte >= 32 && byte < 127 ? 0.5 : 0.02)) / 1000;
    return Math.round(4096 * Math.log2(share));
  });
  // the network's own prediction keeps some weight
  const output = { ...model.output, multiplier: model.output.multiplier.map((m) => m >> 5) };
  return parseModel(encodeModel({ ...model, name: 'letters', output, outputBias }));
}

/** Words in random order: `length` bytes of text that is like nothing else but the model above. */
export function sampleText(length: number, seed = 1): Buffer {
  const words = 'the of and to in a is that for it as was with be by on not he his but at are this'.split(
    ' ',
  );
  let state = seed >>> 0;
  let text = '';
  while (text.length < length) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    text += words[(state >>> 16) % words.length] + ((state >>> 8) % 12 === 0 ? '.\n' : ' ');
  }
  return Buffer.from(text.slice(0, length));
}
