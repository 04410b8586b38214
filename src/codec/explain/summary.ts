/**
 * @file Costs summed up as people read a file: by line, by kind of byte, by region; and what would have
 * helped.
 */
import { levelSettings } from '../strategy/levels.js';
import { type Explanation, type Totals, type Trial, totals } from './explain.js';

/** A range of bytes with what it cost, in bits. */
export interface Span extends Totals {
  start: number;
  end: number;
}

export interface Line extends Span {
  /** Number of the line, from 1. */
  number: number;
}

const span = (e: Explanation, start: number, end: number): Span => ({ start, end, ...totals(e, start, end) });

/** Lines, each with the line feed that ends it. */
export function lines(e: Explanation): Line[] {
  const found: Line[] = [];
  const { bytes } = e;
  for (let start = 0; start < bytes.length; ) {
    const feed = bytes.indexOf(10, start);
    const end = feed < 0 ? bytes.length : feed + 1;
    found.push({ number: found.length + 1, ...span(e, start, end) });
    start = end;
  }
  return found;
}

/** The lines that took most bits, most first. */
export const expensiveLines = (all: readonly Line[], count: number): Line[] =>
  [...all].sort((a, b) => b.coded - a.coded || a.start - b.start).slice(0, count);

/** The whole cut into at most `count` ranges of equal length. */
export function regions(e: Explanation, count: number): Span[] {
  const { length } = e.bytes;
  const size = Math.max(1, Math.ceil(length / count));
  return Array.from({ length: Math.ceil(length / size) }, (_, i) =>
    span(e, i * size, Math.min(length, (i + 1) * size)),
  );
}

/** Kinds of bytes, in the order of tables. */
export const KINDS = [
  'first letter of a word',
  'other letters of a word',
  'capital letters',
  'digits',
  'spaces and tabs',
  'line ends',
  'punctuation',
  'brackets and quotes',
  'other signs',
  'beyond ASCII, first byte',
  'beyond ASCII, other bytes',
  'control bytes',
] as const;

export interface Kind extends Totals {
  kind: (typeof KINDS)[number];
}

const isLetter = (c: number) => (c >= 97 && c <= 122) || (c >= 65 && c <= 90);
const BRACKETS = new Set([...'()[]{}<>"\'`'].map((c) => c.charCodeAt(0)));
const PUNCTUATION = new Set([...'.,;:!?'].map((c) => c.charCodeAt(0)));

/** Index in {@link KINDS} of a byte, by itself and the byte before. */
function kindOf(c: number, before: number): number {
  if (c >= 97 && c <= 122) return isLetter(before) ? 1 : 0;
  if (c >= 65 && c <= 90) return 2;
  if (c >= 48 && c <= 57) return 3;
  if (c === 32 || c === 9) return 4;
  if (c === 10 || c === 13) return 5;
  if (PUNCTUATION.has(c)) return 6;
  if (BRACKETS.has(c)) return 7;
  if (c < 32 || c === 127) return 11;
  if (c < 127) return 8;
  return c >= 192 ? 9 : 10;
}

/** Costs by kind of byte; kinds that there are none of are left out. */
export function kinds(e: Explanation): Kind[] {
  const sums = KINDS.map(
    (kind): Kind => ({ kind, bytes: 0, coded: 0, contexts: 0, ...(e.network && { network: 0 }) }),
  );
  for (let i = 0; i < e.bytes.length; i++) {
    const sum = sums[kindOf(e.bytes[i], i > 0 ? e.bytes[i - 1] : 10)];
    sum.bytes++;
    sum.coded += e.coded[i];
    sum.contexts += e.contexts[i];
    if (e.network) sum.network! += e.network[i];
  }
  return sums.filter(({ bytes }) => bytes > 0);
}

/** Who would have coded a byte in fewer bits alone: by a tenth of a bit at least, else it is a draw. */
export type Winner = 'network' | 'contexts' | 'draw';

export function winner(e: Explanation, i: number): Winner {
  if (!e.network) return 'contexts';
  const lead = e.contexts[i] - e.network[i];
  return lead > 0.1 ? 'network' : lead < -0.1 ? 'contexts' : 'draw';
}

/** Bytes of the UTF-8 character that begins at `at`; 1 where none begins. */
export function characterLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at];
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 1;
  for (let i = 1; i < length; i++) if ((bytes[at + i] & 0xc0) !== 0x80) return 1;
  return length;
}

/** Whether bytes are text: UTF-8 with hardly any control bytes. */
export function isText(bytes: Uint8Array): boolean {
  const start = bytes.subarray(0, 65536);
  let odd = 0;
  for (const c of start) if ((c < 32 && c !== 9 && c !== 10 && c !== 13 && c !== 12) || c === 127) odd++;
  if (odd * 100 > start.length) return false;
  try {
    // a character may be cut at the end
    new TextDecoder('utf-8', { fatal: true }).decode(start, { stream: true });
    return true;
  } catch {
    return false;
  }
}

const percent = (x: number) => `${(100 * x).toFixed(Math.abs(x) < 0.1 ? 1 : 0)} %`;
const LEAST = 0.005;

/**
 * What would have made the file smaller, and what would not, in sentences.
 * @param trials sizes of the same bytes, or of their beginning, at other levels
 * @param own size of what `trials` measured at the level of the explanation
 */
export function advice(e: Explanation, trials: readonly Trial[] = [], own = e.fileBytes): string[] {
  const { length } = e.bytes;
  if (length === 0) return ['The file is empty: there is nothing to save.'];
  const said: string[] = [];
  const best = [...trials].sort((a, b) => a.bytes - b.bytes || a.level - b.level)[0];
  if (best && best.level !== e.level && best.bytes < own * (1 - LEAST)) {
    const model =
      best.model && best.model !== levelSettings(e.level).model ? ` with the model ${best.model}` : '';
    said.push(`Level ${best.level}${model} makes it ${percent(1 - best.bytes / own)} smaller.`);
  } else if (trials.length > 0) {
    said.push('No other level makes it much smaller.');
  }
  const faster = trials.find(({ level, bytes }) => level < e.level && bytes <= own * (1 + LEAST));
  if (faster) said.push(`Level ${faster.level} is faster, and its file no larger.`);
  const sum = totals(e);
  const stored = e.blocks.filter(({ mode }) => mode === 'stored').reduce((n, block) => n + block.length, 0);
  if (stored * 2 > length)
    said.push(
      'Most of it is stored as it is: it is compressed or encrypted already, or random. Nothing would help.',
    );
  if (sum.network !== undefined && stored * 2 <= length) {
    const gain = 1 - sum.coded / sum.contexts;
    const used = e.blocks.some(({ mode }) => mode.startsWith('network'));
    if (used && gain > LEAST)
      said.push(
        `The network saves ${percent(gain)} of what the context models alone would take${
          gain < 0.03 ? ': a model trained on files of this kind would save more (shacomp train)' : ''
        }.`,
      );
    else
      said.push(
        'The network knows this kind of data no better than the context models: a model trained on such files might (shacomp train).',
      );
  }
  if (length < 4096)
    said.push(
      'So short a file ends before the context models have learned from it: several of a kind in one archive take less.',
    );
  return said;
}
