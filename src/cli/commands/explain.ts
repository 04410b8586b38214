/** @file The command `explain`: where the bits of a file went. */

import { LIKELIEST } from '../../codec/explain/costs.js';
import {
  type Explanation,
  TRIED_BYTES,
  TRIED_LEVELS,
  type Trial,
  totals,
} from '../../codec/explain/explain.js';
import { pack } from '../../codec/explain/report-data.js';
import {
  advice,
  expensiveLines,
  isText,
  kinds,
  type Line,
  lines,
  regions,
  winner,
} from '../../codec/explain/summary.js';
import { humanBytes } from '../../format-bytes.js';
import { type CodecOptions, explain } from '../../index.js';
import { tryLevels } from '../../node/codec.js';
import { reportPage } from '../../node/report.js';
import { openInput, sameFile, writeFileSafely } from '../io/files.js';
import { compressOptions, displayName, operands } from '../io/inputs.js';
import type { Flags } from '../options.js';
import { table } from '../terminal/format.js';
import { heatLine, legend, showsColour } from '../terminal/heat.js';
import { note, UserError } from '../terminal/messages.js';
import { printable } from '../terminal/printable.js';
import { Progress } from '../terminal/progress.js';
import { result, resultJson, writeResult } from '../terminal/results.js';

/** Bytes whose text a report's page has. */
const SHOWN = 2 ** 18;
/** Most expensive lines that are listed. */
const EXPENSIVE = 5;
/** Regions of a file that is no text. */
const REGIONS = 32;
/** Characters of a line that are printed. */
const WIDTH = 160;

/** What is known of one file. */
interface Found {
  name: string;
  explanation: Explanation;
  /** bytes of the whole file, if it was cut */
  cutFrom?: number;
  trials: Trial[];
  advice: string[];
}

export async function explainFile(files: string[], flags: Flags): Promise<void> {
  const [path] = operands(files);
  if (flags.json && flags.tsv)
    throw new UserError('--json and --tsv are two forms of the same: give one of them');
  const found = await examine(path, flags);
  if (flags.html !== undefined) {
    const { name, explanation, advice, trials } = found;
    const page = await reportPage({
      kind: 'explain',
      explanation: pack(explanation, { name, advice, trials }, SHOWN),
    });
    await writeFileSafely(flags.html, Buffer.from(page), flags.force ?? false);
    note(`${name} : explained in ${printable(flags.html)}`);
  }
  if (flags.json) return resultJson(asJson(found));
  if (flags.tsv) return writeTsv(found.explanation);
  if (flags.html === undefined) return show(found, flags.lines);
}

async function examine(path: string, flags: Flags): Promise<Found> {
  const options = await compressOptions(flags);
  const { bytes, whole } = await beginning(path, flags);
  const { length } = bytes;
  const name = displayName(path);
  const tried = bytes.subarray(0, TRIED_BYTES);
  // what was asked for by name is not to be helped by another level
  const fixed = flags.model !== undefined || (flags.mode !== undefined && flags.mode !== 'auto');
  const progress = new Progress({ verb: 'explaining', name, total: 2 * length, flag: flags.progress });
  try {
    const explanation = await explain(bytes, {
      ...options,
      // in the terminal there is no place for them
      likeliest: Boolean(flags.json || flags.tsv || flags.html),
      onProgress: (done) => progress.update(done),
    });
    const trials = fixed || length === 0 ? [] : await tryOthers(tried, explanation, options);
    const own = trials.find(({ level }) => level === explanation.level)?.bytes;
    return {
      name,
      explanation,
      ...(whole > length && { cutFrom: whole }),
      trials,
      advice: advice(explanation, trials, own),
    };
  } finally {
    progress.stop();
  }
}

/** Sizes of the beginning of a file at the level of its explanation and at others. */
async function tryOthers(
  tried: Uint8Array,
  { level, bytes, fileBytes }: Explanation,
  { engine, threads, memoryLimit }: CodecOptions,
): Promise<Trial[]> {
  const known = tried.length === bytes.length;
  const levels = [...new Set([...TRIED_LEVELS, ...(known ? [] : [level])])].filter(
    (l) => !known || l !== level,
  );
  const trials = await tryLevels(tried, { engine, threads, memoryLimit }, levels);
  if (known) trials.push({ level, bytes: fileBytes });
  return trials.sort((a, b) => a.level - b.level);
}

/** The first `limit` bytes of an input, and how many there are, as far as is known. */
async function beginning(path: string, flags: Flags): Promise<{ bytes: Uint8Array; whole: number }> {
  const { limit, html } = flags;
  const input = await openInput(path);
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    if (html !== undefined && (await sameFile(input.stats, html)))
      throw new UserError('is the input itself; name another file', html);
    for await (const chunk of input.chunks()) {
      parts.push(new Uint8Array(chunk.subarray(0, limit - Math.min(limit, length))));
      length += chunk.length;
      if (length > limit) break;
    }
  } finally {
    await input.close();
  }
  return { bytes: Buffer.concat(parts), whole: Math.max(length, input.size ?? 0) };
}

const perByte = (bits: number | undefined, bytes: number) =>
  bits === undefined || bytes === 0 ? '-' : (bits / bytes).toFixed(3);
const size = (bits: number | undefined) => (bits === undefined ? '-' : String(Math.ceil(bits / 8)));

async function show({ name, explanation: e, cutFrom, advice }: Found, mostLines: number): Promise<void> {
  const colours = showsColour();
  const { length } = e.bytes;
  const text = isText(e.bytes);
  const all = text ? lines(e) : [];
  if (text && length > 0) {
    const shown = all.slice(0, mostLines);
    if (shown.length > 0) await print(['   bits', ...shown.map((line) => heat(e, line, colours, false))]);
    const rest = all.length - shown.length;
    if (rest > 0)
      await result(
        `        … ${rest} lines more (--lines ${all.length} shows them, --html FILE makes a page)`,
      );
    if (colours) await print(['', `bits of a character: ${legend()}`]);
  } else if (length > 0) {
    await result(offsets(e));
  }
  const sum = totals(e);
  const cut = cutFrom === undefined ? '' : `, the first of ${cutFrom}: --limit says how many`;
  await result(
    `\n${name}: ${length} bytes${cut} => ${e.fileBytes} bytes at level ${e.level} (${modes(e)}), ${perByte(8 * e.fileBytes, length)} bits per byte`,
  );
  const rows = [
    ['', 'Bits per byte', 'Bytes'],
    ['as coded', perByte(sum.coded, length), size(sum.coded)],
    ['contexts alone', perByte(sum.contexts, length), size(sum.contexts)],
  ];
  if (e.model)
    rows.push([
      `network alone (${printable(e.model.name)})`,
      perByte(sum.network, length),
      size(sum.network),
    ]);
  await result(table(rows));
  if (length === 0) return;
  const byKind = kinds(e).map((k) => [
    k.kind,
    String(k.bytes),
    perByte(k.coded, k.bytes),
    perByte(k.contexts, k.bytes),
    perByte(k.network, k.bytes),
    `${((100 * k.coded) / (sum.coded || 1)).toFixed(1)}%`,
  ]);
  await result(
    `\n${table([['Kind of byte', 'Bytes', 'Coded', 'Contexts', 'Network', 'Of all bits'], ...byKind])}`,
  );
  if (text) {
    await result('\nMost expensive lines');
    await print(expensiveLines(all, EXPENSIVE).map((line) => heat(e, line, colours, true)));
  }
  await result(`\n${advice.join('\n')}`);
}

const print = (texts: readonly string[]) => writeResult(Buffer.from(`${texts.join('\n')}\n`));

const modes = (e: Explanation) => [...new Set(e.blocks.map(({ mode }) => mode))].join(', ') || 'empty';

/** One line with its cost before it. */
function heat(
  e: Explanation,
  { number, start, end, coded }: Line,
  colours: boolean,
  numbered: boolean,
): string {
  const stop = end > start && e.bytes[end - 1] === 10 ? end - 1 : end;
  const text = heatLine(e.bytes.subarray(start, stop), e.coded.subarray(start, stop), colours, WIDTH);
  const place = numbered ? `  line ${number}:` : '';
  return `${coded.toFixed(0).padStart(7)}${place} ${text}`;
}

/** Where in a file that is no text the bits went. */
function offsets(e: Explanation): string {
  const rows = regions(e, REGIONS).map(({ start, bytes, coded, contexts, network }) => [
    `0x${start.toString(16).padStart(6, '0')}`,
    humanBytes(bytes),
    perByte(coded, bytes),
    perByte(contexts, bytes),
    perByte(network, bytes),
    '#'.repeat(Math.round((2 * coded) / bytes)),
  ]);
  return table(
    [['Offset', 'Bytes', 'Coded', 'Contexts', 'Network', 'Bits per byte, # is half a bit'], ...rows],
    [0, 5],
  );
}

const round = (bits: number) => Number(bits.toFixed(4));

/** The likeliest bytes at i by the network, or by what codes, with their probabilities. */
function likeliest(e: Explanation, i: number, by: 'network' | 'coded'): [number, number][] {
  const [bytes, chances] = by === 'network' ? [e.likeliest, e.chances] : [e.codedLikeliest, e.codedChances];
  return Array.from({ length: LIKELIEST }, (_, k): [number, number] => [
    bytes?.[i * LIKELIEST + k] ?? 0,
    Number(((chances?.[i * LIKELIEST + k] ?? 0) / 65536).toFixed(5)),
  ]).filter(([, p]) => p > 0);
}

function asJson({ name, explanation: e, cutFrom, trials, advice }: Found) {
  return {
    file: name,
    level: e.level,
    originalBytes: e.bytes.length,
    ...(cutFrom !== undefined && { cutFrom }),
    fileBytes: e.fileBytes,
    model: e.model ? { ...e.model, id: Buffer.from(e.model.id).toString('hex') } : null,
    blocks: e.blocks,
    totals: totals(e),
    kinds: kinds(e),
    regions: regions(e, REGIONS),
    lines: isText(e.bytes) ? lines(e) : [],
    trials,
    advice,
    bytes: Array.from(e.bytes, (byte, offset) => ({
      offset,
      byte,
      coded: round(e.coded[offset]),
      contexts: round(e.contexts[offset]),
      ...(e.network && { network: round(e.network[offset]), won: winner(e, offset) }),
      codedLikeliest: likeliest(e, offset, 'coded'),
      ...(e.likeliest && { likeliest: likeliest(e, offset, 'network') }),
    })),
  };
}

/**
 * A row for every byte: offset, byte, bits as coded, of the contexts, of the network, who won, likeliest
 * bytes by the network and by what codes.
 */
async function writeTsv(e: Explanation): Promise<void> {
  const columns = ['offset', 'byte', 'coded', 'contexts', 'network', 'won', 'likeliest', 'codedLikeliest'];
  let text = `${columns.join('\t')}\n`;
  for (let i = 0; i < e.bytes.length; i++) {
    const likely = (['network', 'coded'] as const).map((by) =>
      likeliest(e, i, by)
        .map(([byte, p]) => `${byte}:${p}`)
        .join(' '),
    );
    const network = e.network ? e.network[i].toFixed(4) : '';
    const row = [
      i,
      e.bytes[i],
      e.coded[i].toFixed(4),
      e.contexts[i].toFixed(4),
      network,
      e.network ? winner(e, i) : '',
      ...likely,
    ];
    text += `${row.join('\t')}\n`;
    if (text.length > 65536) {
      await writeResult(Buffer.from(text));
      text = '';
    }
  }
  await writeResult(Buffer.from(text));
}
