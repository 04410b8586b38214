/**
 * @file How a model file holds its weights: each matrix in a prefix code of its own (Huffman 1952), which
 * brings weights of 7 bits to about 6. The code is canonical: its lengths alone give it (docs/format.md,
 * section 2.1).
 */

/** A code word has at most so many bits: the decoder's table, 4096 entries, stays in the first cache. */
const MOST_BITS = 12;
/** -127 .. 127, as value + 127 */
const VALUES = 255;
/** Bytes of a code's lengths: two to a byte. */
const LENGTHS = 128;

/** Fewest bytes that `count` packed weights take: no code word is shorter than a bit. */
export const leastPacked = (count: number): number => LENGTHS + Math.ceil(count / 8);

/**
 * Most bytes that an encoder makes of `count` weights: where codes of 8 bits are no worse, it takes these.
 */
export const mostPacked = (count: number): number => LENGTHS + count;

/** Lengths of the code words of values that occur so often, 0 for those that do not occur. */
function codeLengths(counts: Uint32Array): Uint8Array {
  const lengths = new Uint8Array(VALUES);
  const present = [...counts.keys()].filter((v) => counts[v] > 0);
  if (present.length === 1) lengths[present[0]] = 1;
  if (present.length < 2) return lengths;
  // A tree too deep becomes flatter when the rare values count more.
  for (let least = 1; ; least *= 2) {
    const nodes = present.map((v) => ({ weight: Math.max(counts[v], least), values: [v] }));
    lengths.fill(0);
    while (nodes.length > 1) {
      nodes.sort((a, b) => b.weight - a.weight);
      const [a, b] = nodes.splice(-2) as [(typeof nodes)[0], (typeof nodes)[0]];
      const values = [...a.values, ...b.values];
      for (const v of values) lengths[v]++;
      nodes.push({ weight: a.weight + b.weight, values });
    }
    if (Math.max(...lengths) <= MOST_BITS) return lengths;
  }
}

/**
 * Code word of each value: shorter ones first, then by value; undefined if the lengths are no complete prefix
 * code.
 */
function codeWords(lengths: Uint8Array): Uint16Array | undefined {
  const words = new Uint16Array(VALUES);
  let word = 0;
  let used = 0;
  for (let bits = 1; bits <= MOST_BITS; bits++) {
    for (let v = 0; v < VALUES; v++) {
      if (lengths[v] !== bits) continue;
      words[v] = word++;
      used++;
      if (word > 1 << bits) return undefined;
    }
    word <<= 1;
  }
  // one value alone has the word 0, and 1 stands for nothing
  return word === 1 << (MOST_BITS + 1) || (used === 1 && lengths.includes(1)) ? words : undefined;
}

/** Packs weights of -127 to 127. */
export function packWeights(weights: Int8Array): Uint8Array<ArrayBuffer> {
  const counts = new Uint32Array(VALUES);
  for (const w of weights) counts[w + 127]++;
  let lengths = codeLengths(counts);
  const size = () => lengths.reduce((sum, bits, v) => sum + bits * counts[v], 0);
  // the code that gives 0 seven bits and all others eight, which is complete too
  const even = new Uint8Array(VALUES).fill(8).fill(7, 127, 128);
  if (size() > 8 * weights.length) lengths = even;
  const words = codeWords(lengths) as Uint16Array;
  const packed = new Uint8Array(LENGTHS + Math.ceil(size() / 8));
  for (let v = 0; v < VALUES; v++) packed[v >> 1] |= lengths[v] << (4 * (v & 1));
  let at = LENGTHS;
  let pending = 0;
  let bits = 0;
  for (const w of weights) {
    pending = (pending << lengths[w + 127]) | words[w + 127];
    for (bits += lengths[w + 127]; bits >= 8; bits -= 8) packed[at++] = pending >> (bits - 8);
    pending &= 0xff;
  }
  if (bits > 0) packed[at] = pending << (8 - bits);
  return packed;
}

/**
 * Unpacks `to.length` weights.
 * @param packed begins with them
 * @returns the bytes that they took, or undefined if this is nothing that {@link packWeights} gives
 */
export function unpackWeights(packed: Uint8Array, to: Int8Array): number | undefined {
  if (packed.length < LENGTHS) return undefined;
  const lengths = Uint8Array.from({ length: VALUES }, (_, v) => (packed[v >> 1] >> (4 * (v & 1))) & 15);
  const words = codeWords(lengths);
  if (!words || packed[LENGTHS - 1] >> 4 !== 0) return undefined;
  // by the next bits: the value and how many of the bits are its word; 0 bits where they begin none
  const table = new Uint16Array(1 << MOST_BITS);
  for (let v = 0; v < VALUES; v++) {
    if (lengths[v] === 0) continue;
    const from = words[v] << (MOST_BITS - lengths[v]);
    table.fill((v << 4) | lengths[v], from, from + (1 << (MOST_BITS - lengths[v])));
  }
  let at = LENGTHS;
  let pending = 0;
  let bits = 0;
  for (let i = 0; i < to.length; i++) {
    while (bits < MOST_BITS) {
      // zeros behind the end: it is looked at once, below
      pending = ((pending & 0xffff) << 8) | (at < packed.length ? packed[at] : 0);
      at++;
      bits += 8;
    }
    const entry = table[(pending >> (bits - MOST_BITS)) & ((1 << MOST_BITS) - 1)];
    if (entry === 0) return undefined;
    to[i] = (entry >> 4) - 127;
    bits -= entry & 15;
  }
  // whole bytes that were read ahead
  const end = at - (bits >> 3);
  const rest = (pending >> (bits & ~7)) & ((1 << (bits & 7)) - 1);
  return end <= packed.length && rest === 0 ? end : undefined;
}
