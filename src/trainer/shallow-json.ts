/** @file JSON from files that nobody has to trust: nesting costs a parser far more time than its bytes. */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Parses JSON whose arrays and objects are nested no deeper than `depth`.
 * @throws SyntaxError
 */
export function parseShallowJson(text: string, depth: number): unknown {
  let level = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === QUOTE) quoted = !quoted;
    else if (quoted && c === BACKSLASH) i++;
    else if (!quoted && (c === 0x5b || c === 0x7b) && ++level > depth)
      throw new SyntaxError(`nested deeper than ${depth} levels`);
    else if (!quoted && (c === 0x5d || c === 0x7d)) level--;
  }
  return JSON.parse(text);
}
