/** @file What each stream of the mixing reference remembers of its past, and the contexts made of it. */
import { binaryContexts, type Calls } from './mixer-binary.js';
import { hash2 } from './mixer-tables.js';

export const MATCH_MODELS = 3;

/** A repeat found: where its continuation lies, how long it has held, recent mispredictions. */
export interface Match {
  position: number;
  length: number;
  misses: number;
}

const code = (c: string): number => c.charCodeAt(0);
const isOneOf = (c: number, characters: string): boolean =>
  c < 128 && characters.includes(String.fromCharCode(c));

/** Class of a byte, 1..15. */
export function byteClass(c: number): number {
  if (c >= code('a') && c <= code('z')) return 1;
  if (c >= code('A') && c <= code('Z')) return 2;
  if (c >= code('0') && c <= code('9')) return 3;
  if (c === 32) return 4;
  if (c === 10 || c === 13) return 5;
  if (c === 9) return 6;
  if (c < 32) return c === 0 ? 7 : 8;
  if (isOneOf(c, '"\'`')) return 9;
  if (isOneOf(c, '<>{}[]()')) return 10;
  if (isOneOf(c, '.,;:!?')) return 11;
  if (isOneOf(c, '=/+-*&|')) return 12;
  if (c < 128) return 13;
  return c < 192 ? 14 : 15;
}

/** Hash of the n bytes before `position`. */
export function hashPast(block: Uint8Array, position: number, n: number): number {
  let h = 0;
  for (let i = 1; i <= n; i++) {
    h = Math.imul(h + block[position - i]! + 1, 0x2f0b4c47);
    h ^= h >>> 14;
  }
  return h >>> 0;
}

/** Of U+0080 to U+00BF, those that are no letters in 8-bit codes: space, quotes, paragraph, degree, dot. */
const LATIN_MARKS = [0xa0, 0xa7, 0xab, 0xb0, 0xb7, 0xbb];

/** Whether a mark of UTF-8 ends here: U+2000 to 2FFF, U+3000 to 303F, U+FF00 to FF3F, some of U+00xx. */
function endsMark(c4: number): boolean {
  const [c, c1, c2] = [c4 & 255, (c4 >>> 8) & 255, (c4 >>> 16) & 255];
  const continues = (byte: number) => byte >= 0x80 && byte < 0xc0;
  if (!continues(c)) return false;
  if (c1 === 0xc2) return LATIN_MARKS.includes(c);
  if (!continues(c1)) return false;
  return c2 === 0xe2 || (c2 === 0xe3 && c1 === 0x80) || (c2 === 0xef && c1 === 0xbc);
}

/** Bytes that followed one byte, and two bytes, newest lowest; shared by all streams. */
export class Followers {
  readonly one = new Uint32Array(256);
  readonly two = new Uint32Array(65536);

  update(c4: number, byte: number): void {
    for (const [table, at] of [
      [this.one, c4 & 255],
      [this.two, c4 & 0xffff],
    ] as const)
      table[at] = (table[at]! << 8) | byte;
  }
}

/** Digests of one stream's past. All numbers are unsigned 32-bit. */
export class Stream {
  readonly start: number;
  position: number;
  c4 = 0; // the last four bytes, newest lowest
  c8 = 0; // the four before
  word = 0; // hash of the letters since the last other byte
  wordLength = 0;
  wordBefore = 0; // both before the last byte from 0xC0 on
  lengthBefore = 0;
  readonly words = [0, 0, 0, 0]; // the words before, newest first
  text = 0; // hash of the last word and what came since
  line: number; // index of the current line's first byte
  above: number; // index of the line before
  aboveLength = 0;
  lineHash = 0; // of the line's first four bytes
  indent = 0;
  lineWords = 0; // words ended in this line
  template = 0; // hash of the line's first six words and what is between them, digits left out
  readonly templates = [0, 0]; // those of the two lines before, newest first
  shape = 0; // classes of the last bytes, 4 bits each
  format = 0; // hash of the token with letters and digits folded
  number = 0; // length of the current number, at most 9
  masked4 = 0; // c4 and c8 with every digit as '0'
  masked8 = 0;
  // Structure: open brackets and tags, each with the hash of the path to it.
  readonly nesting = Array.from({ length: 32 }, () => ({ kind: 0, path: 0 }));
  depth = 0;
  quote = 0; // quote character that is open
  token = 0; // hash of the string or token being read
  name = 0; // hash of the last string
  key = 0; // hash of the key whose value is being read
  lastKey = 0;
  valueAbove = 0; // index of the corresponding byte of the value that this key had last time, 0: none
  readonly valueStart = new Uint32Array(256); // where values last began, by a hash of key and path
  tag = 0; // 0 outside, 1 behind '<', 2 in a name, 3 in a closing tag, 4 in attributes
  tagName = 0;
  // Fields of the line.
  field = 0;
  fieldHash = 0;
  fieldAbove = 0; // index of the corresponding byte of the same field above, 0: none
  readonly fieldStart = new Uint32Array(64);
  // Records of fixed length.
  readonly seen = new Uint32Array(256 * 3); // where each byte was last seen, newest first
  stride = 0;
  strideCandidate = 0;
  strideVotes = 0;
  strange = 0; // how little the last bytes look like text, at most 512
  owed = 0; // bytes that the UTF-8 character still has
  alike = 0; // how many bytes were almost those a record back, at most 255
  readonly matches: Match[] = Array.from({ length: MATCH_MODELS }, () => ({
    position: 0,
    length: 0,
    misses: 0,
  }));
  hashes: number[] = []; // of the contexts for the next byte

  constructor(start: number) {
    this.start = this.position = this.line = this.above = start;
  }

  get column(): number {
    return this.position - this.line;
  }

  get path(): number {
    return this.nesting[this.depth & 31]!.path;
  }

  /** Whether the last bytes look like anything but text. */
  get binary(): boolean {
    return this.strange >= 32;
  }

  /** Whether they look like rows of pixels of one bit. */
  get bilevel(): boolean {
    return this.binary && this.stride >= 16 && this.alike >= 128;
  }

  /** Length of a record: numbers of four bytes where none was found. */
  get record(): number {
    return this.stride || 4;
  }

  /** Place in the record, with the record's length. */
  get phase(): number {
    return ((this.position - this.start) % this.record) | (this.record << 16);
  }

  /** The byte so far behind the next one; 0 before the stream's start. */
  behind(block: Uint8Array, distance: number): number {
    return distance !== 0 && this.position - this.start >= distance ? block[this.position - distance]! : 0;
  }

  /** Takes in one byte, already in the block at `position`. */
  update(block: Uint8Array, c: number, full: boolean): void {
    const c1 = this.c4 & 255;
    const kind = byteClass(c);
    this.position++;
    this.c8 = ((this.c8 << 8) | (this.c4 >>> 24)) >>> 0;
    this.c4 = ((this.c4 << 8) | c) >>> 0;
    this.shape = ((this.shape << 4) | kind) >>> 0;
    this.#updateWords(c, kind);
    if (full) {
      this.#updateNumbers(c, c1, kind);
      const { key, depth } = this;
      this.#updateStructure(c, c1, kind);
      this.#updateValues(c, key, depth);
      this.#updateTemplate(c, kind);
      this.#updateFields(c);
    }
    if (c === 10) {
      this.above = this.line;
      this.aboveLength = this.column;
      this.line = this.position;
      this.lineHash = this.lineWords = this.indent = this.field = this.fieldHash = 0;
      this.fieldAbove = this.above;
    } else {
      const { column } = this;
      if (column <= 4) this.lineHash = hash2(this.lineHash, c);
      if (this.indent + 1 === column && (c === 32 || c === 9)) this.indent = column;
    }
    if (full) {
      this.#updateStride(c);
      this.#updateStrange(c, kind);
      this.#updateAlike(block, c);
    }
  }

  /** Letters are ASCII's and all bytes from 0x80 on. Behind a mark the word is what it was before it. */
  #updateWords(c: number, kind: number): void {
    if (kind === 15) [this.wordBefore, this.lengthBefore] = [this.word, this.wordLength];
    const mark = endsMark(this.c4);
    if (mark) [this.word, this.wordLength] = [this.wordBefore, this.lengthBefore];
    if (kind === 1 || kind === 2 || (kind >= 14 && !mark)) {
      this.word = hash2(this.word + 1, kind === 2 ? c + 32 : c);
      this.wordLength++;
    } else if (this.word !== 0) {
      this.words.pop();
      this.words.unshift(this.word);
      this.word = this.wordLength = 0;
      this.text = hash2(this.words[0]!, c);
      this.lineWords++;
    } else {
      this.text = hash2(this.text, c);
    }
  }

  #updateNumbers(c: number, c1: number, kind: number): void {
    if (kind === 3) this.number = Math.min(9, this.number + 1);
    else if (!isOneOf(c, '.,:-')) this.number = 0;
    if (isOneOf(c, ' \n"<>')) this.format = 0;
    const inWord = kind === 1 && c1 >= code('a') && c1 <= code('z');
    this.format = hash2(this.format, inWord ? 0 : kind <= 3 ? kind : c);
    this.masked8 = ((this.masked8 << 8) | (this.masked4 >>> 24)) >>> 0;
    this.masked4 = ((this.masked4 << 8) | (kind === 3 ? code('0') : c)) >>> 0;
  }

  #push(kind: number): void {
    const { path } = this;
    this.depth++;
    this.nesting[this.depth & 31] = { kind, path: hash2(path, hash2(kind, this.key)) };
    this.key = this.lastKey = 0;
  }

  /** Closes the innermost level of that kind with all in it; does nothing where there is none. */
  #pop(kind: number): void {
    for (let d = this.depth, n = 0; d > 0 && n < 31; d--, n++)
      if (this.nesting[d & 31]!.kind === kind) {
        this.depth = d - 1;
        this.key = this.lastKey = 0;
        return;
      }
  }

  /** Strings, keys, brackets and tags, as far as JSON, XML and program text have them in common. */
  #updateStructure(c: number, c1: number, kind: number): void {
    if (this.quote !== 0) {
      if (c === this.quote && c1 !== code('\\')) {
        this.quote = 0;
        this.name = this.token;
        this.token = 0;
      } else if (c === 10) {
        this.quote = this.token = 0;
      } else {
        this.token = hash2(this.token, c);
      }
      return;
    }
    this.#updateTag(c, c1, kind);
    if (c === code('"')) {
      this.quote = c;
      this.token = 0;
    } else if (isOneOf(c, '{[(')) {
      this.#push(c);
      this.token = 0;
    } else if (isOneOf(c, '}])')) {
      this.#pop(c === code(')') ? code('(') : c - 2);
      this.token = 0;
    } else if (c === code('<')) {
      this.tag = 1;
      this.tagName = this.token = 0;
    } else if (isOneOf(c, ':=')) {
      this.key = this.token !== 0 ? this.token : this.name;
      this.token = 0;
    } else if (isOneOf(c, ',;')) {
      this.lastKey = this.key;
      this.key = this.token = 0;
    } else if (isOneOf(c, '>\n')) {
      this.token = 0;
    } else if (c !== 32 && c !== 9) {
      this.token = hash2(this.token, c);
    }
  }

  #updateTag(c: number, c1: number, kind: number): void {
    if (this.tag === 0) return;
    if (this.tag === 1) {
      if (c === code('/')) {
        this.tag = 3;
      } else if (kind <= 2) {
        this.tag = 2;
        this.tagName = hash2(0, c);
      } else {
        this.tag = 0;
      }
    } else if (c === code('>')) {
      if (this.tag === 3) this.#pop(this.tagName);
      else if (c1 !== code('/')) this.#push(this.tagName);
      this.tag = 0;
    } else if (this.tag < 4 && (kind <= 3 || isOneOf(c, '-:'))) {
      this.tagName = hash2(c1 === code('/') ? 0 : this.tagName, c);
    } else {
      this.tag = c === 10 || this.tag === 3 ? 0 : 4;
    }
  }

  /** Goes along with the value that the same key, or the same place in the nesting, had last time. */
  #updateValues(c: number, keyBefore: number, depthBefore: number): void {
    if (this.valueAbove !== 0) this.valueAbove++;
    if (isOneOf(c, '\n,;') || this.depth < depthBefore) this.valueAbove = 0;
    if ((this.key !== keyBefore && this.key !== 0) || this.depth > depthBefore) {
      const at = hash2(this.path, this.key) >>> 24;
      this.valueAbove = this.valueStart[at]!;
      this.valueStart[at] = this.position;
    }
  }

  #updateTemplate(c: number, kind: number): void {
    if (c === 10) {
      this.templates.pop();
      this.templates.unshift(this.template);
      this.template = 0;
    } else if (kind !== 3 && this.lineWords < 6) {
      this.template = hash2(this.template, c);
    }
  }

  #updateFields(c: number): void {
    if (isOneOf(c, ',\t;| ')) {
      this.field++;
      this.fieldHash = 0;
      this.fieldAbove = this.fieldStart[this.field & 63]!;
      this.fieldStart[this.field & 63] = this.position;
    } else {
      this.fieldHash = hash2(this.fieldHash, c);
      if (this.fieldAbove !== 0) this.fieldAbove++;
    }
  }

  /** A byte seen three times before at equal distances votes for that distance. */
  #updateStride(c: number): void {
    const [newest, middle, oldest] = this.seen.subarray(c * 3, c * 3 + 3) as unknown as [
      number,
      number,
      number,
    ];
    const distance = (this.position - newest) >>> 0;
    if (distance > 1 && distance < 1024 && distance === newest - middle && distance === middle - oldest) {
      if (distance !== this.strideCandidate) {
        this.strideCandidate = distance;
        this.strideVotes = 0;
      } else if (++this.strideVotes > 6 && this.stride !== distance) {
        this.stride = distance;
        this.strideVotes = 0;
      }
    }
    this.seen.set([this.position, newest, middle], c * 3);
  }

  /**
   * Control characters and what is not UTF-8 count up, all else down, spaces and line ends the most. Not
   * counted are the upper bytes of UTF-16 and bytes from 0xC0 on in a row, which are letters in 8-bit codes.
   */
  #updateStrange(c: number, kind: number): void {
    const [c2, c3] = [(this.c4 >>> 8) & 255, (this.c4 >>> 16) & 255];
    const wide = (c === c3 && (c > 0 || c2 >= 32)) || (c === 0 && c2 === 32);
    const broken = this.owed > 0 ? c < 0x80 : c >= 0x80 && c < 0xc0;
    const step = (kind === 7 || kind === 8) && !wide ? 16 : broken ? 3 : kind === 4 || kind === 5 ? -24 : -1;
    this.strange = Math.max(0, Math.min(512, this.strange + step));
    if (c >= 0xc0) this.owed = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
    else this.owed = c >= 0x80 && this.owed > 0 ? this.owed - 1 : 0;
  }

  #updateAlike(block: Uint8Array, c: number): void {
    let different = c ^ this.behind(block, this.stride + 1);
    for (const _ of [1, 2]) different &= different - 1; // takes the lowest one away
    const step = this.stride >= 16 && different === 0 ? 1 : -3;
    this.alike = Math.max(0, Math.min(255, this.alike + step));
  }

  /** Contexts of the next byte as hashes; their order is part of the format. */
  setContexts(block: Uint8Array, full: boolean, followers: Followers, calls: Calls): void {
    const { c4, c8, column, word, words } = this;
    const c1 = c4 & 255;
    const behind = (distance: number): number => this.behind(block, distance);
    const lineAbove = (at: number): number => (this.aboveLength > at ? block[this.above + at]! : 0);
    const up = lineAbove(column);
    // orders 1-4
    const contexts: [number, number][] = [
      [c1, 0],
      [c4 & 0xffff, 0],
      [c4 & 0xffffff, 0],
      [c4, 0],
    ];
    if (!full) {
      contexts.push(
        // order 6, words, the byte above
        [c4, c8 & 0xffff],
        [word, c1],
        [word, words[0]!],
        [(up << 8) | c1, 1],
        // shapes, the beginning of the line, nothing at all
        [this.shape, c1],
        [this.shape, 0],
        [this.lineHash, word],
        [0, 0],
      );
    } else {
      const path = this.path;
      const fieldAbove =
        this.fieldAbove !== 0 && this.fieldAbove + 1 < this.line
          ? block[this.fieldAbove]! | (block[this.fieldAbove + 1]! << 8)
          : 0;
      const longest = this.matches[2]!.length
        ? this.matches[2]!
        : this.matches[1]!.length
          ? this.matches[1]!
          : this.matches[0]!;
      const { templates, valueAbove } = this;
      const valueBefore =
        valueAbove !== 0 && valueAbove + 1 < this.position
          ? block[valueAbove]! | (block[valueAbove + 1]! << 8)
          : 0;
      const past = (n: number): number =>
        hashPast(block, this.position, Math.min(n, this.position - this.start));
      const expected = longest.length ? block[longest.position]! | 256 : 0;
      contexts.push(
        // orders 5 and 6
        [c4, c8 & 0xff],
        [c4, c8 & 0xffff],
        // words, a skipped byte, the byte above
        [word, c1],
        [word, words[0]!],
        [c4 & 0xffff00, 0],
        [(up << 8) | c1, 1],
        // order 8, word pairs and triples, skips
        [c4, hash2(c8, 8)],
        [word, hash2(words[0]!, words[1]!)],
        [word, words[1]! + 77],
        [c4 & 0xffff0000, 0],
        [c4 & 0xff00ff, 0],
        [c4 & 0xff0000ff, 1],
        // lines, fields, indentation
        [(up << 8) | lineAbove(column + 1), c1],
        [Math.min(column, 255), this.lineHash],
        [this.field, this.fieldHash],
        [this.indent, hash2(this.lineHash, c1)],
        // keys and nesting
        [this.key, this.token],
        [path, c4 & 0xffff],
        [path, hash2(this.key, this.token)],
        // shapes of tokens and numbers
        [this.format, c1],
        [this.format, word],
        [this.shape, c1],
        [this.shape, 0],
        [this.number, hash2(words[0]!, c1)],
        // text
        [this.text, words[1]!],
        [this.lineWords, word],
        [this.text, word],
        [c4 & 0xf0f0f0f0, c8 & 0xf0f0],
        [up, hash2(word, c1)],
        [this.lineHash, word],
        // the same field of the line above
        [fieldAbove, c1],
        [fieldAbove & 255, hash2(this.field, this.fieldHash)],
        // bytes with digits masked
        [this.masked4, this.masked8],
        [this.masked4, c1],
        // what followed the last byte, or two, before
        [followers.one[c1]! & 0xffffff, c1],
        [followers.two[c4 & 0xffff]! & 0xffff, c4 & 0xffff],
        // the match's next byte and length
        [expected | (Math.min(longest.length, 31) << 9), c1],
        [this.lastKey, hash2(path, this.token)],
        [word, hash2(words[0]!, hash2(words[1]!, words[2]!))],
        // records
        [behind(this.stride), c1],
        [behind(this.stride), (behind(2 * this.stride) << 8) | (this.stride << 16)],
        [expected, hash2(word, c4 & 0xff00)],
        // the network's, set when its prediction is known
        [0, 0],
        [0, 0],
        // orders 11, 16 and 24
        [past(11), 1],
        [past(16), 2],
        [past(24), 3],
        // the value that the key had before
        [valueBefore, c1],
        [valueBefore & 255, hash2(this.key, this.token)],
        // templates of lines
        [templates[0]!, this.text],
        [this.template, word],
        [templates[0]!, hash2(templates[1]!, this.template)],
        [this.field, hash2(word, c1)],
      );
    }
    if (full && this.binary)
      for (const [i, a, b] of binaryContexts(this, behind, calls)) contexts[i] = [a, b];
    this.hashes = contexts.map(([a, b], i) => hash2(hash2(a, b), i));
  }
}
