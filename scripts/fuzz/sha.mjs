/**
 * @file `.sha` files: fixtures/sha taken apart into records, changed, and put together again with checksums,
 * lengths and model ids repaired, so that changes reach what lies behind these. A file is refused with one of
 * the documented codes or decoded, alike on every engine, whole or in pieces.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { decodeBlock } from '../../dist/codec/block/block.js';
import { CODED_MODES } from '../../dist/codec/block/modes.js';
import { joinCodes, splitCodes } from '../../dist/codec/block/stream-table.js';
import { ByteReader } from '../../dist/codec/container/byte-reader.js';
import { checksum } from '../../dist/codec/container/checksum.js';
import * as container from '../../dist/codec/container/container.js';
import { copiesRecord } from '../../dist/codec/container/copies.js';
import { Pauses } from '../../dist/codec/event-loop.js';
import { expand } from '../../dist/codec/repeats/expand.js';
import { History } from '../../dist/codec/repeats/history.js';
import { decompressChunks, inspect, loadModel } from '../../dist/index.js';
import { fastEngines, referenceEngine } from './engines.mjs';
import { changed, Finding } from './random.mjs';

const CODES = [
  'ERR_NOT_SHACOMP',
  'ERR_UNSUPPORTED_VERSION',
  'ERR_TRUNCATED',
  'ERR_CORRUPT',
  'ERR_CHECKSUM',
  'ERR_MODEL_NOT_FOUND',
  'ERR_MEMORY_LIMIT',
  'ERR_OUTPUT_TOO_LARGE',
];

const LIMITS = { memoryLimit: 2 ** 26, maxOutputLength: 2 ** 17 };

/** The records of a file as far as it can be read; blocks with their payload and checksum. */
async function takeApart(file) {
  const reader = new container.ContainerReader(new ByteReader([file]));
  const records = [];
  try {
    for (let record = await reader.next(); record; record = await reader.next())
      records.push(record.kind === 'block' ? { ...record, ...(await reader.payload()) } : record);
  } catch {
    // the good part will do
  }
  return records;
}

/** The bytes of a record. */
function encoded(record) {
  switch (record.kind) {
    case 'member':
      return container.memberHeader();
    case 'length':
      return container.lengthRecord(record.length);
    case 'window':
      return container.windowRecord(record.window);
    case 'model':
      return container.modelRecord(record.id);
    case 'block': {
      const stored = record.mode === 'stored';
      const header = container.blockHeader({ ...record, codedLength: record.payload.length });
      // a stored block has no length of its payload of its own
      const payload = stored ? record.payload.subarray(0, record.length) : record.payload;
      const copies =
        record.copies.length > 0 ? copiesRecord(record.copies, record.before ?? 0) : Buffer.alloc(0);
      return Buffer.concat([copies, header, payload, container.blockTrailer(record.checksum)]);
    }
    default:
      return record.length === 0 ? container.endRecord() : new Uint8Array(0);
  }
}

export const name = 'sha';

export async function prepare() {
  const folder = new URL('../../fixtures/sha/', import.meta.url);
  const files = readdirSync(folder)
    .filter((file) => file.endsWith('.sha'))
    .map((file) => readFileSync(new URL(file, folder)));
  const model = await loadModel(new URL('../../fixtures/tiny.sharnn', import.meta.url));
  const parts = (await Promise.all(files.map(takeApart))).filter((records) =>
    records.some((r) => r.kind === 'block'),
  );
  const blocks = parts.flat().filter((record) => record.kind === 'block');
  const engines = await fastEngines();
  const [{ mixing }] = engines;

  /** The original that a block decodes to, whatever its checksum says; undefined if it is refused. */
  async function original({ mode: name, payload, length, streams }) {
    if (name === 'stored') return payload.subarray(0, length);
    const mode = CODED_MODES.find((m) => m.name === name);
    let network;
    try {
      if (mode.network) network = engines[0].open(model, streams);
      return await decodeBlock(payload, length, streams, mode, { network, mixing, pauses: new Pauses() });
    } catch {
      return undefined;
    } finally {
      network?.close();
    }
  }

  /** A copy, one that the block can have more often than not. */
  const copyOf = (random, block) => ({
    literals: random.chance(0.9) ? random.below(1 + block.length / 4) : random.number(),
    length: random.chance(0.9) ? 1 + random.below(3000) : random.number(),
    distance: random.chance(0.9) ? 1 + random.below(1 + block.length) : 1 + (random.number() % 2 ** 32),
  });

  /** Literals and copies, put together; the literals alone if there are copies of what is not there. */
  async function withCopies(literals, copies, history) {
    let [at, used] = [0, 0];
    for (const { literals: count, length, distance } of copies) {
      used += count;
      at += count + length;
      if (
        used > literals.length ||
        at > LIMITS.maxOutputLength ||
        distance > history.end + at - length ||
        distance < 1
      )
        return literals;
    }
    return expand(literals, copies, history, at + literals.length - used, new Pauses());
  }

  /**
   * The codes of a network block, whose lengths stand before them; undefined for another one or a broken one.
   */
  function codesOf({ mode, payload, streams }) {
    try {
      return mode === 'network' && streams > 1 ? splitCodes(payload, streams) : undefined;
    } catch {
      return undefined;
    }
  }

  /** A payload whose codes were changed, one of them or their number, and whose table of lengths is right. */
  function changeCodes(random, block, codes) {
    const at = random.below(codes.length);
    const change = random.pick([
      () => codes.splice(at, 1, changed(random, codes[at])),
      () => codes.splice(at, 1, changed(random, codes[at], codes)),
      () => codes.splice(at, 1),
      () => codes.splice(at, 0, random.pick(codes)),
      () => codes.reverse(),
    ]);
    change();
    if (codes.length > 0) Object.assign(block, { payload: joinCodes(codes), streams: codes.length });
  }

  function changeBlock(random, block) {
    const codes = random.chance(0.7) ? codesOf(block) : undefined;
    if (codes) return changeCodes(random, block, codes);
    const payloads = blocks.map((other) => other.payload);
    const change = random.pick([
      () => ({ payload: changed(random, block.payload, payloads) }),
      () => ({ payload: changed(random, block.payload) }),
      () => ({ length: random.chance(0.7) ? 1 + random.below(5000) : random.number() }),
      () => ({ streams: random.chance(0.7) ? 1 + random.below(70) : random.number() }),
      () => ({ mode: random.pick(['stored', ...CODED_MODES.map((mode) => mode.name)]) }),
      () => ({ last: !block.last }),
      () => ({ checksum: random.below(2 ** 32) }),
      () => ({ copies: block.copies.filter(() => random.chance(0.7)) }),
      () => ({ copies: [...block.copies, copyOf(random, block)] }),
      () => ({ copies: block.copies.map((copy) => (random.chance(0.5) ? copyOf(random, block) : copy)) }),
    ]);
    Object.assign(block, change());
  }

  /** A file made of records that were changed; the number of what is left broken is small. */
  async function structured(random) {
    const records = structuredClone(random.pick(parts));
    for (let n = 1 + random.below(3); n > 0; n--) {
      const at = random.below(records.length);
      const change = random.pick([
        () => records[at].kind === 'block' && changeBlock(random, records[at]),
        () => records[at].kind === 'block' && changeBlock(random, records[at]),
        () => records.splice(at, 1),
        () => records.splice(at, 0, structuredClone(random.pick(records))),
        () => records.splice(at, 0, structuredClone(random.pick(random.pick(parts)))),
        () => Object.assign(records[at], records[at].kind === 'length' && { length: random.number() }),
        () => Object.assign(records[at], records[at].kind === 'model' && { id: random.bytes(8) }),
        () => Object.assign(records[at], records[at].kind === 'window' && { window: random.number() }),
        () => records.splice(1, 0, { kind: 'window', window: 1 + random.below(2 ** 20) }),
      ]);
      change();
      if (records.length === 0) return new Uint8Array(0);
    }
    if (random.chance(0.8)) {
      let sum = 0;
      let history = new History(2 ** 20);
      let before = 0;
      for (const record of records) {
        if (record.kind === 'member') {
          sum = 0;
          history = new History(2 ** 20);
          before = 0;
        }
        if (record.kind === 'block') {
          record.before = before;
          before = record.copies.at(-1)?.distance ?? before;
        }
        if (
          record.kind !== 'block' ||
          !(record.length <= LIMITS.maxOutputLength) ||
          !(record.streams <= 4096)
        )
          continue;
        const literals = await original(record);
        if (!literals) continue;
        const bytes = await withCopies(literals, record.copies, history);
        history.append(bytes);
        record.checksum = sum = checksum(bytes, sum);
        record.expanded = bytes.length;
      }
    }
    if (random.chance(0.7)) {
      const total = records.reduce((sum, r) => sum + (r.kind === 'block' ? r.expanded : 0), 0);
      for (const record of records) if (record.kind === 'length') record.length = total;
    }
    return Buffer.concat(records.map(encoded));
  }

  /** What becomes of a file: the bytes in hexadecimal, or the code. */
  async function outcome(file, engine, pieces) {
    const source = pieces ? pieces.map((at, i) => file.subarray(at, pieces[i + 1])) : [file];
    const out = [];
    try {
      for await (const block of decompressChunks(source, { model, engine, ...LIMITS })) out.push(block);
      return Buffer.concat(out).toString('hex');
    } catch (error) {
      if (!CODES.includes(error.code)) throw new Finding(`${engine.name}: ${error.stack}`);
      // what was given out before is the same as well
      return `${error.code} after ${Buffer.concat(out).toString('hex')}`;
    }
  }

  return {
    seeds: files,
    make: async (random) =>
      random.chance(0.2) ? changed(random, random.pick(files), files) : structured(random),
    async run(file, random) {
      const [first, ...others] = engines;
      const expected = await outcome(file, first);
      const engine = random.chance(0.05)
        ? referenceEngine
        : random.pick(others.length > 0 ? others : [first]);
      const pieces = [0, random.below(file.length + 1), random.below(file.length + 1)].sort((a, b) => a - b);
      const found = await outcome(file, engine, pieces);
      if (found !== expected)
        throw new Finding(
          `${first.detail}: ${expected.slice(0, 80)}, ${engine.name} ${engine.detail}: ${found.slice(0, 80)}`,
        );
      try {
        for await (const _ of inspect(file));
      } catch (error) {
        if (!CODES.includes(error.code)) throw new Finding(`inspect: ${error.stack}`);
      }
      return expected.startsWith('ERR') ? expected.split(' ')[0] : 'decoded';
    },
  };
}
