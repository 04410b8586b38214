/**
 * @file File names that are not UTF-8. On POSIX a name is bytes; Node.js replaces what is no UTF-8 by U+FFFD,
 * which may be the name of another file. Here such a byte b is kept as the lone surrogate U+DC00 + b, which
 * no UTF-8 text holds (PEP 383, "surrogateescape"), so that names stay strings and nothing is lost.
 */
import { isUtf8 } from 'node:buffer';

const ESCAPE = 0xdc00;
/** Lone surrogates only: with the flag u, a pair is one character. */
const ESCAPED = /[\udc80-\udcff]/u;

/** A name as the system gave it. */
export function decodeName(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString();
  let name = '';
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((n) => at + n <= bytes.length && isUtf8(bytes.subarray(at, at + n)));
    name += length ? bytes.toString('utf8', at, at + length) : String.fromCharCode(ESCAPE + bytes[at]);
    at += length ?? 1;
  }
  return name;
}

/** A name as the functions of `node:fs` take it. */
export function systemName(name: string): string | Buffer {
  if (process.platform === 'win32' || !ESCAPED.test(name)) return name;
  const characters = Array.from(name, (character) =>
    ESCAPED.test(character) ? Buffer.of(character.charCodeAt(0) - ESCAPE) : Buffer.from(character),
  );
  return Buffer.concat(characters);
}
