/** @file The words of the command line, with file names that are not UTF-8. */
import { readFileSync } from 'node:fs';
import { decodeName } from '../node/names.js';
import { UserError } from './terminal/messages.js';

/** What Node.js puts in place of bytes that are no UTF-8. */
const REPLACED = '\ufffd';

/**
 * The words as {@link decodeName} gives them, taken from the system where Node.js has replaced bytes of them.
 * @throws UserError where that cannot be: a name with U+FFFD might be that of another file
 */
export function losslessWords(words: readonly string[]): string[] {
  const folders = process.env['SHACOMP_MODELS'];
  if (folders?.includes(REPLACED))
    throw new UserError('SHACOMP_MODELS: is not UTF-8; give the folders other names');
  if (!words.some((word) => word.includes(REPLACED))) return [...words];
  const raw = rawWords().slice(-words.length);
  return words.map((word, i) => {
    if (!word.includes(REPLACED)) return word;
    if (raw[i]?.toString() === word) return decodeName(raw[i]);
    throw new UserError(
      'is no UTF-8 name, and its bytes cannot be known here; use -r or standard input',
      word,
    );
  });
}

/** The process's words as bytes; empty where the system does not show them. */
function rawWords(): Buffer[] {
  const words: Buffer[] = [];
  try {
    const line = readFileSync('/proc/self/cmdline');
    for (let at = 0; at < line.length; ) {
      const end = line.indexOf(0, at);
      if (end < 0) return [];
      words.push(line.subarray(at, end));
      at = end + 1;
    }
  } catch {
    // not Linux
  }
  return words;
}
