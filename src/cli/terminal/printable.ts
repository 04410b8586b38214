/** @file Text of others on a terminal: names of files and models must not command it. */

/** Controls, line ends of Unicode, what turns the direction of text, and halves of characters. */
const UNSAFE = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\p{Cs}]/gu;
const NAMED: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** One line that shows a name: "a\x1b[31m", bytes that are no UTF-8 as "\xe9"; an empty one as "''". */
export function printable(name: string): string {
  return name === '' ? "''" : name.replaceAll(UNSAFE, visible);
}

/** Lines of ours, with whatever else they hold made visible. */
export function printableLines(text: string): string {
  return text.replaceAll(UNSAFE, (character) => (character === '\n' ? character : visible(character)));
}

/** The same JSON with such characters as \u escapes. */
export function printableJson(json: string): string {
  return json.replaceAll(UNSAFE, (character) =>
    character === '\n' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function visible(character: string): string {
  const code = character.charCodeAt(0);
  if (character in NAMED) return NAMED[character];
  // a byte of a name, as src/node/names.ts keeps it
  const byte = code >= 0xdc80 && code <= 0xdcff ? code - 0xdc00 : code;
  return byte < 256 ? `\\x${byte.toString(16).padStart(2, '0')}` : `\\u${byte.toString(16)}`;
}
