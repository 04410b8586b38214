/** @file Text on a terminal, coloured by what its bytes cost. */
import { isatty } from 'node:tty';
import { sumOf } from '../../codec/explain/explain.js';
import { characterLength } from '../../codec/explain/summary.js';
import { environment } from '../../node/env.js';
import { STDOUT } from '../io/descriptors.js';
import { printable } from './printable.js';

/** Steps of cost, in bits: a character belongs to the last step that it reaches. */
const STEPS = [
  // background and letters of the 256 colours: from light to dark blue, then orange, which all eyes tell
  // apart
  { from: 0, colour: '' },
  { from: 1, colour: '48;5;153;38;5;16' },
  { from: 2, colour: '48;5;75;38;5;16' },
  { from: 4, colour: '48;5;25;38;5;231' },
  { from: 8, colour: '48;5;214;38;5;16' },
] as const;

/** Whether results are coloured: on a terminal, unless NO_COLOR or TERM=dumb say otherwise (no-color.org). */
export function showsColour(): boolean {
  return isatty(STDOUT) && !environment('NO_COLOR') && process.env['TERM'] !== 'dumb';
}

const paint = (text: string, colour: string) => (colour ? `\x1b[${colour}m${text}\x1b[0m` : text);

const colourOf = (bits: number) => STEPS.findLast(({ from }) => bits >= from)?.colour ?? '';

/** What the colours mean. */
export const legend = (): string =>
  STEPS.map(({ from, colour }, i) => {
    const next = STEPS[i + 1]?.from;
    return paint(` ${next === undefined ? `${from} bits and more` : `${from} to ${next}`} `, colour);
  }).join(' ');

/**
 * A line of text, without its line feed, as it is printed.
 * @param bits what its bytes cost; a character costs what its bytes do
 * @param most characters; what is cut off is told
 */
export function heatLine(bytes: Uint8Array, bits: Float32Array, colours: boolean, most: number): string {
  const decoder = new TextDecoder();
  let line = '';
  let run = '';
  let runColour = '';
  const flush = () => {
    line += colours ? paint(run, runColour) : run;
    run = '';
  };
  let at = 0;
  for (let shown = 0; at < bytes.length && shown < most; shown++) {
    const length = characterLength(bytes, at);
    const lone = length === 1 && bytes[at] >= 0x80;
    const text = lone
      ? `\\x${bytes[at].toString(16)}`
      : printable(decoder.decode(bytes.subarray(at, at + length)));
    const colour = colourOf(sumOf(bits, at, at + length));
    if (colour !== runColour) flush();
    runColour = colour;
    run += text;
    at += length;
  }
  flush();
  return at < bytes.length ? `${line} … ${bytes.length - at} bytes more` : line;
}
