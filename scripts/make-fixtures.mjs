#!/usr/bin/env node
/**
 * @file Writes fixtures/sha: `.sha` files that every engine must decode or refuse, with expected.json and
 * README.md. Run after `npm run build`. Needs fixtures/tiny.sharnn. The files are the format's memory: write
 * them anew only if the format version changes.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { encodeBlock } from '../dist/codec/block/block.js';
import { codedMode } from '../dist/codec/block/modes.js';
import { joinCodes, splitCodes } from '../dist/codec/block/stream-table.js';
import { checksum } from '../dist/codec/container/checksum.js';
import * as container from '../dist/codec/container/container.js';
import { copiesRecord } from '../dist/codec/container/copies.js';
import { Pauses } from '../dist/codec/event-loop.js';
import { referenceEngine as engine } from '../dist/engines/reference/engine.js';
import { compress, decompress, inspect, loadModel } from '../dist/index.js';

const folder = new URL('../fixtures/sha/', import.meta.url);
const model = await loadModel(new URL('../fixtures/tiny.sharnn', import.meta.url));
const { mixing } = engine;
const options = { model, engine, mode: 'network' };

const text = new TextEncoder().encode(
  'It was the best of times for compressors and the worst of times for entropy.\n' +
    'The network guesses, the coder writes down how wrong the guess was.\n'.repeat(4),
);
const many = new Uint8Array(3 * 4096).fill(0x20);
const everyByte = Uint8Array.from({ length: 256 }, (_, i) => i);

/** A member put together by hand: pieces of text with their modes, one block each. */
async function member(blocks, { total, window = null, withModel = true, sums = true, last = true } = {}) {
  const parts = [container.memberHeader()];
  if (total !== undefined) parts.push(container.lengthRecord(total));
  if (window) parts.push(container.windowRecord(window));
  let before = 0;
  let sum = 0;
  let named = !withModel;
  let whole = Buffer.alloc(0);
  for (const [i, { bytes, mode, streams = 1, copies }] of blocks.entries()) {
    const original = expanded(whole, bytes, copies);
    whole = Buffer.concat([whole, original]);
    sum = checksum(original, sum);
    const pushCopies = () => {
      if (copies) parts.push(copiesRecord(copies, before));
      before = copies?.at(-1).distance ?? before;
    };
    const header = { length: bytes.length, last: last && i === blocks.length - 1 };
    if (mode === 'stored') {
      pushCopies();
      parts.push(container.blockHeader({ ...header, mode, codedLength: bytes.length, streams: 0 }), bytes);
    } else {
      const coder = codedMode(mode);
      const network = coder.network ? engine.open(model, streams) : undefined;
      const payload = await encodeBlock(bytes, streams, coder, { network, mixing, pauses: new Pauses() });
      if (!payload) throw new Error('a fixture does not compress');
      if (!named && network) parts.push(container.modelRecord(model.id));
      named ||= network !== undefined;
      pushCopies();
      parts.push(container.blockHeader({ ...header, mode, codedLength: payload.length, streams }), payload);
    }
    parts.push(container.blockTrailer(sums ? sum : sum ^ 1));
  }
  const file = Buffer.concat(parts);
  originals.set(file, whole);
  return file;
}

/** What the members made here stand for. */
const originals = new Map();

/** The original bytes of a block with copies, byte by byte; zeros for what is not there. */
function expanded(before, literals, copies = []) {
  const bytes = [...before];
  let used = 0;
  for (const { literals: count, length, distance } of copies) {
    bytes.push(...literals.subarray(used, used + count));
    used += count;
    for (let i = 0; i < length; i++) bytes.push(bytes.at(-distance) ?? 0);
  }
  return Buffer.from([...bytes, ...literals.subarray(used)]).subarray(before.length);
}

const network = (bytes, streams) => ({ bytes, mode: 'network', streams });
const stored = (bytes) => ({ bytes, mode: 'stored' });
const mixed = (bytes, mode, streams) => ({ bytes, mode, streams });
const changed = (file, at, byte) => {
  const copy = Buffer.from(file);
  copy[at < 0 ? copy.length + at : at] = byte;
  return copy;
};
const raw = (...bytes) => Buffer.from([...container.memberHeader(), ...bytes]);

/** The last block of a file with other payload bytes and their number. */
async function withPayload(file, change) {
  const records = [];
  for await (const record of inspect(file)) if (record.kind === 'block') records.push(record);
  const block = records.at(-1);
  const end = file.length - 4;
  const start = end - block.codedLength;
  const payload = Buffer.from(change([...file.subarray(start, end)]));
  return Buffer.concat([
    file.subarray(0, block.offset),
    container.blockHeader({ ...block, codedLength: payload.length }),
    payload,
    file.subarray(end),
  ]);
}

/** A file of one network block of seven streams, its codes changed. */
const withCodes = (change) =>
  withPayload(seven, (bytes) => joinCodes(change(splitCodes(Uint8Array.from(bytes), 7))));

const plain = Buffer.from(await compress(text, options));
const seven = await member([network(text, 7)]);
const lines = new TextEncoder().encode(
  Array.from({ length: 120 }, (_, i) => `${i}\t2026-01-${(i % 28) + 1}\t${(i * i) % 97}\r\n`).join(''),
);
const marks = Buffer.from(
  [
    '“Is the ferry late?” asked Anna. “It isn’t,” said the keeper — “it sank…”',
    '«Паром опоздал?» — спросила Анна. «Нет», — ответил смотритель, — «он утонул…»',
    '「渡し船は遅れますか。」とアンナは聞いた。「いいえ、沈みました！」と番人は答えた（小声で）。',
    'Wind 25\u00a0km/h, 7°C; “Is the ferry late?” asked Anna again.',
  ]
    .map((line) => `${line}\n`)
    .join('')
    .repeat(3),
);

/** Records of numbers, calls of three functions, and a disc of one bit per pixel. */
function binaryData() {
  const data = new DataView(new ArrayBuffer(1200 + 900 + 24 * 60));
  for (let i = 0; i < 100; i++) {
    data.setUint32(12 * i, 1000 + i, true);
    data.setInt16(12 * i + 4, (i * i) % 611, true);
    data.setUint16(12 * i + 8, 0xff00 + (i % 7), true);
  }
  for (let at = 1200, i = 0; at + 9 < 2100; at += 9, i++) {
    data.setUint32(at, 0x8b485510 + (i % 5), true);
    data.setUint8(at + 4, 0xe8);
    data.setInt32(at + 5, 0x4000 + 0x170 * ((i * i) % 3) - (at + 9), true);
  }
  for (let y = 0; y < 60; y++)
    for (let x = 0; x < 192; x++)
      if ((x - 96) ** 2 + (y - 30) ** 2 < 800) {
        const at = 2100 + 24 * y + (x >> 3);
        data.setUint8(at, data.getUint8(at) | (128 >> (x & 7)));
      }
  return new Uint8Array(data.buffer);
}
const fast = await member([mixed(lines, 'mixing-fast', 1)]);

/** A mixed payload whose last byte can be one more and the same bits come of it: not every text has one. */
async function otherEnd() {
  for (let length = lines.length; ; length--) {
    const file = await member([mixed(lines.subarray(0, length), 'mixing-fast', 1)]);
    const changed = await withPayload(file, (bytes) => [...bytes.slice(0, -1), (bytes.at(-1) + 1) & 255]);
    const code = await decompress(changed, options).then(
      () => undefined,
      (error) => error.code,
    );
    if (code === 'ERR_CORRUPT') return changed;
  }
}
const three = [network(text.subarray(0, 150)), stored(text.subarray(150, 160)), network(text.subarray(160))];
const whole = await member(three);
const modelBytes = [1, ...model.id.subarray(0, 8)];
// member, model record, type, length (two bytes), coded length, streams
const payloadStart = 5 + 9 + 1 + 2 + (plain[17] > 127 ? 2 : 1) + 1;

/** A copy: literals before it, its length, its distance. */
const copy = (literals, length, distance) => ({ literals, length, distance });
const abc = Buffer.from('abc');
/** A member of one stored block with copies as they are given. */
const badCopies = (copies, window = 100) => member([{ ...stored(abc), copies }], { window });

const files = {
  'good-empty': [
    Buffer.from(await compress(new Uint8Array(0), options)),
    'The shortest file: no bytes.',
    new Uint8Array(0),
  ],
  'good-stored': [
    Buffer.from(await compress(everyByte, { mode: 'stored' })),
    'Every byte value, stored, no model.',
    everyByte,
  ],
  'good-network': [plain, 'One network block, one stream.', text],
  'good-streams': [seven, 'Seven streams, the last ones a byte shorter, each with a code of its own.', text],
  'good-many-streams': [
    await member([network(many, 4096)]),
    'As many streams as there can be, three spaces each.',
    many,
  ],
  'good-blocks': [
    whole,
    'A network block, a stored one, a network block; the total length is not written.',
    text,
  ],
  'good-mixing-fast': [fast, 'A block of context mixing alone, fast profile. No model is needed.', lines],
  'good-mixing-full': [
    await member([mixed(lines, 'mixing-full', 1)]),
    'A block of context mixing alone, full profile.',
    lines,
  ],
  'good-mixing-streams': [
    await member([mixed(lines, 'mixing-full', 5)]),
    'Five streams that share what they learn, without a network.',
    lines,
  ],
  'good-mixing-binary': [
    await member([mixed(binaryData(), 'mixing-full', 1), mixed(binaryData(), 'network-mixing-full', 2)]),
    'Numbers, machine code and a picture of two colours, which have contexts of their own.',
    Buffer.concat([binaryData(), binaryData()]),
  ],
  'good-mixing-marks': [
    await member([mixed(marks, 'mixing-fast', 1), mixed(marks, 'mixing-full', 2)]),
    'Quotes, dashes and full-width marks, which end words.',
    Buffer.concat([marks, marks]),
  ],
  'good-network-mixing-fast': [
    await member([mixed(text, 'network-mixing-fast', 1)]),
    'The network and the fast profile mixed.',
    text,
  ],
  'good-network-mixing-full': [
    await member([mixed(lines, 'network-mixing-full', 3)]),
    'The network and the full profile mixed, three streams.',
    lines,
  ],
  'good-modes': [
    await member([
      mixed(lines, 'mixing-fast', 1),
      network(text, 2),
      stored(everyByte),
      mixed(text, 'network-mixing-full', 2),
      mixed(lines, 'mixing-full', 2),
    ]),
    'A block of every kind. The model is named before the first that needs it.',
    Buffer.concat([lines, text, everyByte, text, lines]),
  ],
  'good-predictable': [
    await member([mixed(new Uint8Array(3000).fill(0xff), 'mixing-full', 1)]),
    'Bytes so predictable that they take almost no payload.',
    new Uint8Array(3000).fill(0xff),
  ],
  'good-length': [await member(three, { total: text.length }), 'The same with the total length.', text],
  'good-members': [
    Buffer.concat([
      plain,
      await compress(new Uint8Array(0), options),
      await member([stored(everyByte)]),
      plain,
    ]),
    'Four members, an empty one and a stored one among them.',
    Buffer.concat([text, everyByte, text]),
  ],
  'good-flushed': [
    Buffer.concat([await member(three, { last: false }), Buffer.of(7)]),
    'The last block is not marked, an end of blocks follows.',
    text,
  ],
  'good-padded': [
    Buffer.concat([plain, Buffer.alloc(100), whole, Buffer.alloc(1)]),
    'Two members, each with zero bytes behind it.',
    Buffer.concat([text, text]),
  ],
  'good-copies': [
    await member(
      [
        { ...network(text, 2), copies: [copy(10, 9, 10), copy(text.length - 10, 300, 1)] },
        { ...stored(abc), copies: [copy(1, 300, 320), copy(0, 5, 320), copy(2, 70, 3)] },
        { ...mixed(lines, 'mixing-fast', 1), copies: [copy(lines.length, lines.length, lines.length)] },
      ],
      { window: 4000 },
    ),
    'Blocks with copies: of blocks before, of the block itself, runs, one after the other, behind the last literal.',
    'expanded',
  ],
  'good-copies-alone': [
    await member([{ ...stored(Buffer.of(0)), copies: [copy(1, 99_999, 1)] }], { total: 100_000, window: 1 }),
    'A byte and its run.',
    new Uint8Array(100_000),
  ],
  'bad-copies-no-window': [
    await badCopies([copy(1, 2, 1)], null),
    'Copies in a member without a window.',
    'ERR_CORRUPT',
  ],
  'bad-copies-distance': [await badCopies([copy(1, 2, 0)]), 'A copy at the distance 0.', 'ERR_CORRUPT'],
  'bad-copies-start': [
    await badCopies([copy(2, 2, 3)]),
    'A copy of a byte before the first one.',
    'ERR_CORRUPT',
  ],
  'bad-copies-window': [
    await badCopies([copy(3, 2, 3)], 2),
    'A copy from farther than the window.',
    'ERR_CORRUPT',
  ],
  'bad-copies-empty': [await badCopies([copy(1, 0, 1)]), 'A copy of no bytes.', 'ERR_CORRUPT'],
  'bad-copies-literals': [
    await badCopies([copy(4, 2, 1)]),
    'More literals before a copy than the block has.',
    'ERR_CORRUPT',
  ],
  'bad-copies-long': [
    raw(9, 100, 8, 6, 1, 0x80, 0x80, 0x80, 0x20, 2, 0x82, 3, 97, 98, 99, 0, 0, 0, 0),
    'A block that stands for more than 2^26 bytes.',
    'ERR_CORRUPT',
  ],
  'bad-copies-nothing': [raw(9, 100, 8, 0, 0x82, 1, 65, 0, 0, 0, 0), 'Copies, but none.', 'ERR_CORRUPT'],
  'bad-copies-cut': [
    raw(9, 100, 8, 2, 1, 2, 0x82, 1, 65, 0, 0, 0, 0),
    'A copy that ends in its middle.',
    'ERR_CORRUPT',
  ],
  'bad-copies-end': [
    Buffer.concat([raw(9, 100), copiesRecord([copy(0, 1, 1)], 0), Buffer.of(0)]),
    'Copies that no block follows.',
    'ERR_CORRUPT',
  ],
  'bad-window': [raw(9, 0, 0), 'A window of no bytes.', 'ERR_CORRUPT'],
  'bad-window-late': [
    Buffer.concat([await member([stored(abc)], { last: false }), Buffer.of(9, 100, 7)]),
    'A window after a block.',
    'ERR_CORRUPT',
  ],
  'bad-padding': [
    Buffer.concat([plain, Buffer.alloc(100), Buffer.of(10)]),
    'A line feed after zero bytes.',
    'ERR_CORRUPT',
  ],
  'bad-end-of-nothing': [raw(7), 'An end of blocks in a member without any.', 'ERR_CORRUPT'],
  'bad-nothing': [Buffer.alloc(0), 'An empty file is not a compressed empty file.', 'ERR_TRUNCATED'],
  'bad-magic': [Buffer.from('It was the best of times'), 'Not ours.', 'ERR_NOT_SHACOMP'],
  'bad-cut-payload': [plain.subarray(0, plain.length - 20), 'Ends in the payload.', 'ERR_TRUNCATED'],
  'bad-cut-sum': [plain.subarray(0, plain.length - 1), 'Ends in the sum.', 'ERR_TRUNCATED'],
  'bad-cut-blocks': [
    await member(three.slice(0, 2), { last: false }),
    'The last block is missing.',
    'ERR_TRUNCATED',
  ],
  'bad-flipped-payload': [
    changed(plain, payloadStart + 8, plain[payloadStart + 8] ^ 16),
    'One bit of the payload is wrong.',
    ['ERR_CHECKSUM', 'ERR_CORRUPT'],
  ],
  'bad-sum': [
    await member([network(text)], { sums: false }),
    'The sum is not that of the bytes.',
    'ERR_CHECKSUM',
  ],
  'bad-stored-byte': [
    changed(await member([stored(text)]), 20, 0),
    'A stored byte is wrong.',
    'ERR_CHECKSUM',
  ],
  'bad-payload-tail': [
    await withPayload(plain, (bytes) => [...bytes, 0]),
    'The payload is a byte longer than an encoder makes it, though it decodes to the right bytes.',
    'ERR_CORRUPT',
  ],
  'bad-stream-tail': [
    await withCodes(([first, ...others]) => [Uint8Array.of(...first, 0), ...others]),
    'The code of the first stream is a byte longer than an encoder makes it.',
    'ERR_CORRUPT',
  ],
  'bad-stream-order': [
    await withCodes(([a, b, ...others]) => [b, a, ...others]),
    'The codes of two streams have changed places.',
    ['ERR_CHECKSUM', 'ERR_CORRUPT'],
  ],
  'bad-stream-border': [
    await withPayload(seven, ([first, ...others]) => [first + 1, ...others]),
    'The code of the first stream takes a byte of the second.',
    ['ERR_CHECKSUM', 'ERR_CORRUPT'],
  ],
  'bad-stream-lengths': [
    await withPayload(seven, ([, ...others]) => [127, ...others]),
    'The lengths of the codes are more than the payload has.',
    'ERR_CORRUPT',
  ],
  'bad-stream-varint': [
    await withPayload(seven, ([first, ...others]) => [first | 128, 0, ...others]),
    'The length of a code is not in its shortest form.',
    'ERR_CORRUPT',
  ],
  'bad-no-stream-lengths': [
    raw(...modelBytes, 0x83, 9, 3, 5, 0, 0, 0, 0, 0, 0, 0),
    'The payload ends in the lengths of the codes.',
    'ERR_CORRUPT',
  ],
  'bad-mixed-streams': [
    raw(0x84, ...[0x80, 0x20], 3, ...[0x81, 0x08], 0, 1, 2, 3, 0, 0, 0, 0),
    'More streams than a block with mixing can have.',
    'ERR_CORRUPT',
  ],
  'bad-block-order': [
    await (async () => {
      const [a, b, c] = [text.subarray(0, 50), text.subarray(50, 100), text.subarray(100)].map(stored);
      const good = await member([a, b, c]);
      const size = 1 + 1 + 50 + 4;
      return Buffer.concat([
        good.subarray(0, 5),
        good.subarray(5 + size, 5 + 2 * size),
        good.subarray(5, 5 + size),
        good.subarray(5 + 2 * size),
      ]);
    })(),
    'Two stored blocks have changed places; each of them is intact.',
    'ERR_CHECKSUM',
  ],
  'bad-total-length': [
    await member(three, { total: text.length + 1 }),
    'The blocks hold a byte less than the total length says.',
    'ERR_CORRUPT',
  ],
  'bad-trailing': [Buffer.concat([plain, Buffer.from('\n')]), 'A line feed after the end.', 'ERR_CORRUPT'],
  'bad-end-after-block': [
    Buffer.concat([await member([stored(text)], { last: false }), Buffer.of(0)]),
    'An end record after a block, in the place of an end of blocks.',
    'ERR_CORRUPT',
  ],
  'bad-no-model': [
    await member([network(text)], { withModel: false }),
    'A network block without a model record.',
    'ERR_CORRUPT',
  ],
  'bad-model-unused': [
    raw(...modelBytes, 0x82, 1, 65, 0x21, 0x0a, 0xd6, 0xd3),
    'A model record before a stored block.',
    'ERR_CORRUPT',
  ],
  'bad-empty-block': [raw(0x82, 0, 0, 0, 0, 0), 'A block of no bytes.', 'ERR_CORRUPT'],
  'bad-varint': [
    raw(0x82, 0x81, 0x00, 65, 0x8b, 0x9e, 0xd9, 0xd3),
    'A length that is not in its shortest form.',
    'ERR_CORRUPT',
  ],
  'bad-block-length': [raw(0x82, 0x81, 0x80, 0x80, 0x20, 0, 0), 'A block of 2^26 + 1 bytes.', 'ERR_CORRUPT'],
  'bad-coded-length': [
    raw(...modelBytes, 0x83, 3, 3, 1, 1, 2, 3, 0, 0, 0, 0),
    'A network block that is not smaller than its bytes.',
    'ERR_CORRUPT',
  ],
  'bad-no-streams': [
    raw(...modelBytes, 0x83, 9, 3, 0, 1, 2, 3, 0, 0, 0, 0),
    'A network block of no streams.',
    'ERR_CORRUPT',
  ],
  'bad-many-streams': [
    raw(...modelBytes, 0x83, 9, 3, 10, 1, 2, 3, 0, 0, 0, 0),
    'More streams than bytes.',
    'ERR_CORRUPT',
  ],
  'bad-hungry': [
    raw(...modelBytes, 0x83, 0x80, 0x80, 0x80, 0x20, 3, 1, 1, 2, 3, 0, 0, 0, 0),
    'Three bytes that claim to be 64 MiB.',
    'ERR_CORRUPT',
  ],
  'bad-unknown-model': [
    changed(plain, 6, plain[6] ^ 0xff),
    'Needs a model that nobody has.',
    'ERR_MODEL_NOT_FOUND',
  ],
  'unsupported-version': [changed(plain, 4, 4), 'Format version 4.', 'ERR_UNSUPPORTED_VERSION'],
  'unsupported-old-version': [
    changed(plain, 4, 2),
    'Format version 2, which was never published.',
    'ERR_UNSUPPORTED_VERSION',
  ],
  'bad-mixing-payload': [
    changed(fast, fast.length - 40, fast.at(-40) ^ 16),
    'One bit of a mixed payload is wrong.',
    ['ERR_CHECKSUM', 'ERR_CORRUPT'],
  ],
  'bad-mixing-tail': [
    await withPayload(fast, (bytes) => [...bytes, 0]),
    'A mixed payload is a byte longer than an encoder makes it.',
    'ERR_CORRUPT',
  ],
  'bad-mixing-end': [
    await otherEnd(),
    'The last byte of a mixed payload is one more, though it decodes to the right bytes.',
    'ERR_CORRUPT',
  ],
  'bad-mixing-hungry': [
    raw(0x84, 0x80, 0x80, 0x80, 0x20, 3, 1, 1, 1, 2, 3, 0, 0, 0, 0),
    'Three bytes of mixed payload that claim to be 64 MiB.',
    'ERR_CORRUPT',
  ],
  'bad-mixing-no-model': [
    await member([mixed(text, 'network-mixing-fast', 1)], { withModel: false }),
    'A block that mixes the network, without a model record.',
    'ERR_CORRUPT',
  ],
  'unsupported-profile': [
    raw(0x84, 20, 3, 1, 2, 1, 2, 3, 0, 0, 0, 0),
    'A mixing profile that there is not.',
    'ERR_UNSUPPORTED_VERSION',
  ],
  'unsupported-record': [raw(0x40, 0), 'A record type without a meaning.', 'ERR_UNSUPPORTED_VERSION'],
  'unsupported-flag': [raw(0x80), 'The mark of the last block on an end record.', 'ERR_UNSUPPORTED_VERSION'],
};

rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const expected = {};
let readme = `# Files to check a decoder of \`.sha\` against

Their model is \`fixtures/tiny.sharnn\`. \`good-*\` must decode; \`bad-*\` and \`unsupported-*\` must be refused.
\`expected.json\` has the length and SHA-256 of what comes out, or the codes of this library's error.
Written by \`scripts/make-fixtures.mjs\`; they stay as they are as long as the format version does.

| file | what it is | what comes out |
|---|---|---|
`;
for (const [name, [bytes, sentence, given]] of Object.entries(files)) {
  const result = given === 'expanded' ? originals.get(bytes) : given;
  writeFileSync(new URL(`${name}.sha`, folder), bytes);
  const errors = typeof result === 'string' ? [result] : Array.isArray(result) ? result : undefined;
  expected[name] = errors
    ? { errors }
    : { length: result.length, sha256: createHash('sha256').update(result).digest('hex') };
  readme += `| \`${name}.sha\` | ${sentence} | ${errors ? errors.join(' or ') : `${result.length} bytes`} |\n`;
}
writeFileSync(new URL('expected.json', folder), `${JSON.stringify(expected, null, 2)}\n`);
writeFileSync(new URL('README.md', folder), readme);
console.log(`${Object.keys(files).length} files in fixtures/sha`);
