/** @file Text to train on: a mixture of files, read as many long streams; and held-out pieces. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ShacompError } from '../errors.js';
import { INITIAL_BYTE } from '../model/architecture.js';
import { fileError } from '../node/file-errors.js';
import { systemName } from '../node/names.js';
import { READ } from '../node/regular-file.js';
import { HELD_OUT_SHARE } from './defaults.js';
import type { Segment } from './network.js';
import { Random } from './random.js';

/** A file to train on. */
export interface TextSource {
  path: string;
  /** how often it is read, relative to what its length would have it (1) */
  weight?: number;
}

/**
 * Part of a file. It is opened for every read, so that any number of files can be trained on; the operating
 * system keeps what fits.
 */
export class TextFile {
  private constructor(
    readonly path: string,
    /** the part's place in the file */
    readonly begin: number,
    readonly end: number,
  ) {}

  /** @throws ShacompError ERR_FILE if the file cannot be read or is not a regular file */
  static open(path: string): TextFile {
    const size = withFile(path, (fd) => {
      const stat = fstatSync(fd);
      if (!stat.isFile()) throw new Error('is not a regular file');
      return stat.size;
    });
    return new TextFile(path, 0, size);
  }

  get length(): number {
    return this.end - this.begin;
  }

  split(at: number): [TextFile, TextFile] {
    const middle = this.begin + at;
    return [new TextFile(this.path, this.begin, middle), new TextFile(this.path, middle, this.end)];
  }

  /**
   * Fills `to` from `at` on.
   * @throws ShacompError ERR_FILE, also if the file has become shorter
   */
  read(at: number, to: Uint8Array): void {
    withFile(this.path, (fd) => {
      for (let done = 0; done < to.length; ) {
        const n = readSync(fd, to, done, to.length - done, this.begin + at + done);
        if (n === 0) throw new Error('it became shorter while it was used');
        done += n;
      }
    });
  }
}

function withFile<T>(path: string, use: (fd: number) => T): T {
  try {
    const fd = openSync(systemName(path), READ);
    try {
      return use(fd);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    throw fileError(path, error);
  }
}

/**
 * Mean lengths of the pieces that streams read: most long, some short, so that cold starts are trained too.
 */
const LONG = 48 * 1024;
const SHORT = 3 * 1024;
const SHORT_SHARE = 0.5;
/** How far after a random place a line's start is looked for. */
const LINE_SEARCH = 4096;

/** Mean length of the pieces that are read of a file: its end cuts some off. */
function meanPiece(length: number, steps: number): number {
  // E min(x, r), x exponentially distributed with mean m, r uniform in [0, length]
  const cut = (m: number) => m * (1 - (m / length) * (1 - Math.exp(-length / m)));
  return Math.max(steps, SHORT_SHARE * cut(SHORT) + (1 - SHORT_SHARE) * cut(LONG));
}

/** A stream reads `left` more bytes at `at` of a file. */
interface Stream {
  /** the file's index */
  file: number;
  at: number;
  left: number;
}

export interface SamplerState {
  random: number;
  streams: Stream[];
}

/**
 * B streams that read contiguous text. When its piece ends, a stream is reset and jumps to a random line of a
 * random file. The same seed gives the same segments.
 */
export class Sampler {
  private readonly random: Random;
  private readonly cumulative: number[];
  private streams: Stream[];

  /**
   * @param weights how many bytes are read of each file, relative to each other; 0 leaves it out
   * @throws ShacompError ERR_OPTIONS if nothing can be read, or a weight is none
   */
  constructor(
    private readonly files: readonly TextFile[],
    weights: readonly number[],
    readonly batch: number,
    readonly steps: number,
    seed: number,
  ) {
    const bad = weights.find((weight) => !(weight >= 0 && Number.isFinite(weight)));
    if (bad !== undefined)
      throw new ShacompError('ERR_OPTIONS', `the weight of a file must be 0 or more, not ${bad}`);
    let sum = 0;
    this.cumulative = files.map(
      ({ length }, i) => (sum += length > 0 ? weights[i] / meanPiece(length, steps) : 0),
    );
    if (!(sum > 0))
      throw new ShacompError('ERR_OPTIONS', 'there is no text to train on: no files, or all are empty');
    this.random = new Random(seed);
    this.streams = Array.from({ length: batch }, () => ({ file: 0, at: 0, left: 0 }));
  }

  get state(): SamplerState {
    return { random: this.random.state, streams: structuredClone(this.streams) };
  }

  /** Streams whose place is not in these files (another selection was trained on before) jump anew. */
  set state({ random, streams }: SamplerState) {
    this.random.state = random;
    this.streams = streams.map(({ file, at, left }) => {
      const length = this.files[file]?.length ?? 0;
      const within = Number.isSafeInteger(at) && Number.isSafeInteger(left) && at > 0 && at + left <= length;
      return within ? { file, at, left } : { file: 0, at: 0, left: 0 };
    });
  }

  /** The next segment of every stream. */
  next(): Segment {
    const { batch, steps } = this;
    const inputs = new Uint8Array(batch * steps);
    const targets = new Uint8Array(batch * steps);
    const resets = new Uint8Array(batch);
    const text = new Uint8Array(steps + 1);
    this.streams.forEach((stream, b) => {
      if (stream.left < steps) {
        Object.assign(stream, this.jump());
        resets[b] = 1;
      }
      const file = this.files[stream.file];
      if (resets[b]) {
        text[0] = INITIAL_BYTE;
        const available = Math.min(steps, file.length - stream.at);
        file.read(stream.at, text.subarray(1, 1 + available));
        // A file shorter than a segment repeats.
        for (let i = 1 + available; i <= steps; i++) text[i] = text[i - available];
      } else file.read(stream.at - 1, text);
      stream.at += steps;
      stream.left -= steps;
      inputs.set(text.subarray(0, steps), b * steps);
      targets.set(text.subarray(1), b * steps);
    });
    return { inputs, targets, resets };
  }

  private jump(): Stream {
    const { random, steps } = this;
    const total = this.cumulative[this.cumulative.length - 1];
    const x = random.uniform() * total;
    const index = this.cumulative.findIndex((c) => x < c);
    const file = this.files[index];
    const room = file.length - steps;
    const mean = random.uniform() < SHORT_SHARE ? SHORT : LONG;
    const wanted = Math.max(steps, Math.floor(random.exponential(mean)));
    if (room <= 0) return { file: index, at: 0, left: steps };
    const place = Math.floor(random.uniform() * room);
    const ahead = new Uint8Array(Math.min(LINE_SEARCH, room - place));
    file.read(place, ahead);
    const at = place + ahead.indexOf(INITIAL_BYTE) + 1;
    return { file: index, at, left: Math.min(wanted, file.length - at) };
  }
}

/** Of how many files the held-out ends are measured. */
const MOST_MEASURED = 64;

/** Of every file what is trained on and its end, which is not. */
export const divide = (files: readonly TextFile[]): [text: TextFile, end: TextFile][] =>
  files.map((file) => file.split(Math.ceil(file.length * (1 - HELD_OUT_SHARE))));

/** Divides files into what is trained on and their ends, on some of which the network is measured. */
export function holdOut(files: readonly TextFile[]): { texts: TextFile[]; measured: TextFile[] } {
  const parts = divide(files);
  const every = Math.ceil(parts.length / MOST_MEASURED);
  return {
    texts: parts.map(([text]) => text),
    measured: parts.map(([, end]) => end).filter((_, i) => i % every === 0),
  };
}

/** A held-out file's text, cut into pieces that start cold. */
export interface HeldOut {
  path: string;
  /** each `length` bytes long */
  pieces: Uint8Array[];
}

/**
 * Takes about `bytes` bytes of each file as `count` equal pieces spread over it, whole segments long. Files
 * shorter than a segment are left out.
 */
export function heldOutPieces(
  files: readonly TextFile[],
  bytes: number,
  count: number,
  steps: number,
): HeldOut[] {
  return files.flatMap((file) => {
    const total = Math.min(bytes, file.length);
    const pieces = Math.max(1, Math.min(count, Math.floor(total / (4 * steps))));
    const length = Math.floor(total / pieces / steps) * steps;
    if (length === 0) return [];
    return [
      {
        path: file.path,
        pieces: Array.from({ length: pieces }, (_, i) => {
          const piece = new Uint8Array(length);
          file.read(Math.floor((file.length * i) / pieces), piece);
          return piece;
        }),
      },
    ];
  });
}
