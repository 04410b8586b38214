/** @file What the page of a report holds: an explanation or a training run as JSON, arrays in base64. */
import { hex } from '../../model/id.js';
import { partOf } from './costs.js';
import {
  type ExplainedBlock,
  type Explanation,
  MAX_EXPLAINED,
  type Totals,
  type Trial,
  totals,
} from './explain.js';

/** Costs are kept in 1/512 bit. */
const UNIT = 512;

export interface PackedExplanation {
  /** What the file is called. */
  name: string;
  /** Bytes of the whole file; `bytes` may hold only its beginning. */
  length: number;
  level: number;
  fileBytes: number;
  totals: Totals;
  blocks: ExplainedBlock[];
  /** id in hexadecimal */
  model?: { name: string; id: string; bytes: number };
  advice: string[];
  trials: Trial[];
  bytes: string;
  coded: string;
  contexts: string;
  network?: string;
  likeliest?: string;
  chances?: string;
  codedLikeliest?: string;
  codedChances?: string;
}

/** What a self-contained page shows. */
export type ReportData =
  | { kind: 'explain'; explanation: PackedExplanation }
  | { kind: 'train'; training: TrainingCurve };

/** A training run, so far. */
export interface TrainingCurve {
  /** what is trained, and whether the run has ended */
  name: string;
  ended: boolean;
  /**
   * one for each report of the run: seconds trained, bytes read, bits per byte of the training text, bytes
   * per second
   */
  reports: { elapsed: number; bytes: number; bitsPerByte: number; bytesPerSecond: number }[];
  /** one for each measurement: mean over the held-out files, and each file's, in bits per byte */
  evaluations: { elapsed: number; mean: number; files: [path: string, bits: number][] }[];
  /** what rounding to integers cost, in bits per byte */
  rounding?: { path: string; float: number; integer: number }[];
  /** held-out text by its cost in the network as the run began, and in the model that was made */
  before?: PackedExplanation;
  passage?: PackedExplanation;
}

/** What a page says beside the explanation. */
export interface PackedNotes {
  name: string;
  advice: string[];
  trials: Trial[];
}

function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

/**
 * Probabilities Q16 in steps of 1/4096: finer ones are not shown, and would be a third of a page. One that is
 * not 0 stays so.
 */
function packChances(chances: Uint16Array): string {
  const rounded = chances.map((p) => (p === 0 ? 0 : Math.max(1, Math.min(65535, (p + 8) & ~15))));
  return packWords(rounded, rounded.length);
}

/** 16-bit numbers, little-endian. */
function packWords(values: Iterable<number>, count: number): string {
  const bytes = new Uint8Array(2 * count);
  let at = 0;
  for (const value of values) {
    bytes[at++] = value & 255;
    bytes[at++] = value >> 8;
  }
  return toBase64(bytes);
}

function unpackWords(text: string): Uint16Array {
  const bytes = fromBase64(text);
  return Uint16Array.from({ length: bytes.length >> 1 }, (_, i) => bytes[2 * i] | (bytes[2 * i + 1] << 8));
}

/** What rounding loses of one byte's cost goes to the next one, so that every sum stays right. */
function packBits(bits: Float32Array): string {
  let carry = 0;
  const rounded = Array.from(bits, (b) => {
    const exact = b * UNIT + carry;
    const whole = Math.max(0, Math.min(65535, Math.round(exact)));
    carry = exact - whole;
    return whole;
  });
  return packWords(rounded, bits.length);
}

const unpackBits = (text: string): Float32Array => Float32Array.from(unpackWords(text), (n) => n / UNIT);

/**
 * @param most bytes that are kept with their costs; of the rest only the sums are
 */
export function pack(
  e: Explanation,
  { name, advice, trials }: PackedNotes,
  most = MAX_EXPLAINED,
): PackedExplanation {
  const kept = partOf(e, 0, Math.min(most, e.bytes.length));
  const { coded, contexts, network, likeliest, chances, codedLikeliest, codedChances } = kept;
  return {
    name,
    length: e.bytes.length,
    level: e.level,
    fileBytes: e.fileBytes,
    totals: totals(e),
    blocks: e.blocks,
    ...(e.model && {
      model: { ...e.model, id: hex(e.model.id) },
    }),
    advice,
    trials,
    bytes: toBase64(e.bytes.subarray(0, coded.length)),
    coded: packBits(coded),
    contexts: packBits(contexts),
    ...(network && { network: packBits(network) }),
    ...(likeliest && { likeliest: toBase64(likeliest) }),
    ...(chances && { chances: packChances(chances) }),
    ...(codedLikeliest && { codedLikeliest: toBase64(codedLikeliest) }),
    ...(codedChances && { codedChances: packChances(codedChances) }),
  };
}

/** The explanation of the bytes that were kept. */
export function unpack(p: PackedExplanation): Explanation {
  return {
    bytes: fromBase64(p.bytes),
    level: p.level,
    fileBytes: p.fileBytes,
    blocks: p.blocks,
    ...(p.model && {
      model: {
        ...p.model,
        id: Uint8Array.from(p.model.id.match(/../g) ?? [], (h) => Number.parseInt(h, 16)),
      },
    }),
    coded: unpackBits(p.coded),
    contexts: unpackBits(p.contexts),
    ...(p.network && { network: unpackBits(p.network) }),
    ...(p.likeliest && { likeliest: fromBase64(p.likeliest) }),
    ...(p.chances && { chances: unpackWords(p.chances) }),
    ...(p.codedLikeliest && { codedLikeliest: fromBase64(p.codedLikeliest) }),
    ...(p.codedChances && { codedChances: unpackWords(p.codedChances) }),
  };
}
