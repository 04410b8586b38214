/** @file What is trained on, in which order, and how fast. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { INITIAL_BYTE } from '../../src/model/architecture.js';
import { heldOutPieces, holdOut, Sampler, TextFile } from '../../src/trainer/data.js';
import { rateAt } from '../../src/trainer/schedule.js';

const folder = mkdtempSync(join(tmpdir(), 'shacomp-data-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function textFile(content: string | Uint8Array): TextFile {
  const path = join(folder, `${files++}`);
  writeFileSync(path, content);
  return TextFile.open(path);
}

describe.each(['linear', 'sqrt', 'cosine'] as const)('the %s schedule', (decay) => {
  const rate = (progress: number) => rateAt({ peak: 2, warmup: 0.1, decay }, progress);

  it('rises linearly from 0 to the peak', () => {
    expect(rate(0)).toBe(0);
    expect(rate(0.05)).toBeCloseTo(1, 12);
    expect(rate(0.1)).toBeCloseTo(2, 12);
  });

  it('falls to exactly 0 and stays there', () => {
    const after = Array.from({ length: 91 }, (_, i) => rate(0.1 + i / 100));
    for (let i = 1; i < after.length; i++) expect(after[i]).toBeLessThan(after[i - 1]);
    expect(rate(1)).toBe(0);
    expect(rate(1.5)).toBe(0);
  });

  it('may be without warm-up, or nothing but warm-up', () => {
    expect(rateAt({ peak: 2, warmup: 0, decay }, 0)).toBe(2);
    expect(rateAt({ peak: 2, warmup: 1, decay }, 0.5)).toBe(1);
    expect(rateAt({ peak: 2, warmup: 1, decay }, 1)).toBe(0);
  });
});

/** Numbered lines: every place of the file can be told from what is there. */
const lines = (count: number, letter: string) =>
  Array.from(
    { length: count },
    (_, i) => `${letter}${String(i).padStart(8, '0')} ${'.'.repeat(i % 40)}\n`,
  ).join('');

describe('the sampler', () => {
  const STEPS = 64;
  const BATCH = 4;
  const texts = [lines(4000, 'a'), lines(500, 'b')];
  const opened = texts.map(textFile);
  const make = (seed: number, weights = [1, 1]) => new Sampler(opened, weights, BATCH, STEPS, seed);

  it('gives the same segments for the same seed, and others for another', () => {
    const [a, b, c] = [1, 1, 2].map((seed) => {
      const sampler = make(seed);
      return Array.from({ length: 50 }, () => sampler.next());
    });
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
  });

  it('reads contiguous text from a line on, with the byte before each', () => {
    const sampler = make(3);
    const read = Array.from({ length: BATCH }, () => '');
    const pieces: string[] = [];
    for (let n = 0; n < 1500; n++) {
      const { inputs, targets, resets } = sampler.next();
      for (let b = 0; b < BATCH; b++) {
        const input = Buffer.from(inputs.subarray(b * STEPS, (b + 1) * STEPS)).toString();
        const target = Buffer.from(targets.subarray(b * STEPS, (b + 1) * STEPS)).toString();
        if (input.slice(1) !== target.slice(0, -1)) expect.fail(`${input} does not precede ${target}`);
        if (resets[b]) {
          expect(input.charCodeAt(0)).toBe(INITIAL_BYTE);
          pieces.push(read[b]);
          read[b] = '';
        } else if (input[0] !== read[b].at(-1)) expect.fail('a stream jumped without a reset');
        read[b] += target;
      }
    }
    const whole = pieces.filter((piece) => piece !== '');
    expect(whole.length).toBeGreaterThan(20);
    for (const piece of whole) {
      expect(texts.some((text) => text.includes(piece))).toBe(true);
      expect(piece).toMatch(/^[ab]\d{8} /);
    }
  });

  it('reads as much of files as they weigh, whatever their length', () => {
    const share = (weights: number[]) => {
      const sampler = new Sampler(opened, weights, 16, 1024, 4);
      let b = 0;
      let all = 0;
      for (let n = 0; n < 500; n++)
        for (const byte of sampler.next().targets) {
          if (byte === 'a'.charCodeAt(0)) all++;
          if (byte === 'b'.charCodeAt(0)) b++;
        }
      return b / (all + b);
    };
    expect(share([1, 1])).toBeCloseTo(0.5, 1);
    expect(share([9, 1])).toBeCloseTo(0.1, 1);
    expect(share([1, 0])).toBe(0);
  });

  it('goes on from its state', () => {
    const sampler = make(5);
    for (let n = 0; n < 20; n++) sampler.next();
    const other = make(99);
    other.state = JSON.parse(JSON.stringify(sampler.state));
    for (let n = 0; n < 200; n++) expect(other.next()).toEqual(sampler.next());
  });

  it('jumps anew where a state is of other files', () => {
    const sampler = make(6);
    for (const stream of [
      { file: 2, at: 64, left: 640 },
      { file: 0.5, at: 64, left: 640 },
      { file: 0, at: 0, left: 640 },
      { file: 0, at: 1e9, left: 640 },
      { file: 1, at: 64, left: 1e9 },
    ]) {
      sampler.state = { random: 1, streams: Array.from({ length: BATCH }, () => stream) };
      expect([...sampler.next().resets]).toEqual([1, 1, 1, 1]);
    }
  });

  it('repeats a file that is shorter than a segment', () => {
    const { inputs, targets } = new Sampler([textFile('abc')], [1], 1, STEPS, 1).next();
    expect(Buffer.from(targets).toString()).toBe('abc'.repeat(STEPS / 3 + 1).slice(0, STEPS));
    expect(Buffer.from(inputs).toString()).toBe(`\n${'abc'.repeat(STEPS / 3 + 1)}`.slice(0, STEPS));
  });

  it.each([1, 63, 64, 65, 66, 127, 128, 129, 200])('reads a file of %i bytes within its bounds', (length) => {
    const text = Uint8Array.from({ length }, (_, i) => i + 1);
    const sampler = new Sampler([textFile(text)], [1], 2, STEPS, 1);
    for (let n = 0; n < 50; n++) expect(sampler.next().targets).not.toContain(0);
  });

  it('refuses nothing to read and weights that are none', () => {
    const empty = textFile('');
    const error = expect.objectContaining({ code: 'ERR_OPTIONS' });
    expect(() => new Sampler([], [], 1, STEPS, 1)).toThrow(error);
    expect(() => new Sampler([empty], [1], 1, STEPS, 1)).toThrow(error);
    expect(() => new Sampler(opened, [0, 0], 1, STEPS, 1)).toThrow(error);
    expect(() => new Sampler(opened, [1, -1], 1, STEPS, 1)).toThrow(error);
    expect(() => new Sampler(opened, [1, Number.NaN], 1, STEPS, 1)).toThrow(error);
    const sampler = new Sampler([empty, opened[1]], [5, 1], 1, STEPS, 1);
    expect(sampler.next().targets[0]).toBe('b'.charCodeAt(0));
  });

  it('says so when a file becomes shorter', () => {
    const file = textFile(lines(100, 'c'));
    const sampler = new Sampler([file], [1], 1, STEPS, 1);
    truncateSync(file.path, 0);
    const error = expect.objectContaining({ code: 'ERR_FILE', message: expect.stringContaining(file.path) });
    expect(() => sampler.next()).toThrow(error);
  });
});

describe('held-out text', () => {
  it('is the end of every file, and never trained on', () => {
    const sources = [10_000, 5000, 49, 1, 0].map((length) => {
      const end = Math.floor(length * 0.02);
      return textFile('t'.repeat(length - end) + 'h'.repeat(end));
    });
    const { texts, measured } = holdOut(sources);
    const weights = texts.map((text) => text.length);
    const sampler = new Sampler(texts, weights, 8, 64, 1);
    for (let n = 0; n < 500; n++) {
      const { inputs, targets } = sampler.next();
      expect(inputs).not.toContain('h'.charCodeAt(0));
      expect(targets).not.toContain('h'.charCodeAt(0));
    }
    const pieces = heldOutPieces(measured, 1 << 20, 4, 64);
    expect(pieces.map(({ path }) => path)).toEqual([sources[0].path, sources[1].path]);
    for (const piece of pieces.flatMap((p) => p.pieces))
      expect(piece.every((byte) => byte === 'h'.charCodeAt(0))).toBe(true);
  });

  it('is measured on some of many files', () => {
    const file = textFile('x'.repeat(1000));
    const { texts, measured } = holdOut(Array.from({ length: 1000 }, () => file));
    expect(texts.length).toBe(1000);
    expect(measured.length).toBeLessThanOrEqual(64);
    expect(measured.length).toBeGreaterThan(32);
  });

  it('is cut into equal pieces of whole segments, spread over the file', () => {
    const file = textFile(lines(1000, 'a'));
    const [{ pieces }] = heldOutPieces([file], 8192, 4, 64);
    expect(pieces.map((piece) => piece.length)).toEqual([2048, 2048, 2048, 2048]);
    expect(pieces.map((piece) => Buffer.from(piece).toString())).toEqual(
      [0, 1, 2, 3].map((i) => {
        const begin = Math.floor((file.length * i) / 4);
        return lines(1000, 'a').slice(begin, begin + 2048);
      }),
    );
  });
});

describe('a text file', () => {
  it('that cannot be read is named', () => {
    const error = (path: string) =>
      expect.objectContaining({ code: 'ERR_FILE', message: expect.stringContaining(path) });
    expect(() => TextFile.open(folder)).toThrow(error(folder));
    expect(() => TextFile.open(join(folder, 'none'))).toThrow(error('none'));
  });

  it.skipIf(process.platform === 'win32')('that is a pipe is refused, not waited for', () => {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    expect(() => TextFile.open(pipe)).toThrow(
      expect.objectContaining({ code: 'ERR_FILE', message: `${pipe}: is not a regular file` }),
    );
  });
});
