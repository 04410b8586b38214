/**
 * @file Time, memory and size against the size of the input and against threads, beside zstd -19 --long and
 * xz -9e where they are installed. The inputs come from a seeded generator. Writes docs/results/scale.csv and
 * scale.svg, and prints the table.
 *
 * BENCH_SIZES (such as 1M,4M,64M; the default is 1M,4M), the same for one kind of input (for example
 * BENCH_SIZES_SPARSE), BENCH_LEVEL (1), BENCH_THREADS (1,2) and BENCH_KINDS change the run. Memory is the
 * largest resident set, read from /proc while the program runs: without that it is left out. Needs
 * `npm run build`.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
// @ts-expect-error a script without types
import { key, label, picture, polyline } from '../scripts/svg.mjs';
import { parseSize } from '../src/cli/options.js';

const sizesOf = (kind: string): number[] =>
  (process.env[`BENCH_SIZES_${kind.toUpperCase()}`] ?? process.env.BENCH_SIZES ?? '1M,4M')
    .split(',')
    .map(parseSize);
const level = Number(process.env.BENCH_LEVEL ?? 1);
const threads = (process.env.BENCH_THREADS ?? '1,2').split(',').map(Number);
const program = fileURLToPath(new URL('../bin/shacomp.js', import.meta.url));
const results = (name: string) => new URL(`../docs/results/${name}`, import.meta.url);

/** Numbers in [0, 1) from a seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Appends pieces to a file's bytes until they are enough. */
function fill(size: number, piece: (at: number) => Uint8Array | string): Buffer {
  const bytes = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    const next = Buffer.from(piece(at));
    at += next.copy(bytes, at);
  }
  return bytes;
}

/** Words whose frequencies fall as their rank grows (Zipf), each with a favourite next one. */
function prose(next: () => number): () => string {
  const words = Array.from({ length: 4000 }, () => {
    const length = 2 + Math.floor(next() * next() * 10);
    return Array.from({ length }, () => 'etaoinshrdlucmfwyp'[Math.floor(next() * next() * 18)]).join('');
  });
  const follower = words.map(() => Math.floor(words.length * next() ** 4));
  let last = 0;
  return () => {
    last = next() < 0.4 ? follower[last] : Math.floor(words.length * next() ** 4);
    return words[last] + (next() < 0.1 ? (next() < 0.5 ? '.\n' : ', ') : ' ');
  };
}

const KINDS: Record<string, (size: number) => Buffer> = {
  text(size) {
    return fill(size, prose(generator(1)));
  },
  log(size) {
    const next = generator(2);
    const hosts = Array.from(
      { length: 40 },
      () => `10.0.${Math.floor(next() * 9)}.${Math.floor(next() * 250)}`,
    );
    let time = 1.7e12;
    return fill(size, () => {
      time += Math.floor(next() * 2000);
      const path = ['/', '/api/items', '/api/users', '/static/main.css'][Math.floor(4 * next() ** 2)];
      const host = hosts[Math.floor(40 * next() ** 2)];
      return `${new Date(time).toISOString()} ${host} GET ${path} ${next() < 0.95 ? 200 : 404} ${Math.floor(next() * 3e4)}\n`;
    });
  },
  /**
   * Four versions of a tree of files, of which one in ten changes from each to the next, by a line in its
   * middle.
   */
  versions(size) {
    const next = generator(3);
    const word = prose(next);
    const files = Array.from({ length: Math.max(4, Math.floor(size / 4 / 12_000)) }, () =>
      fill(4000 + Math.floor(next() * 16_000), word),
    );
    let file = 0;
    return fill(size, () => {
      const i = file++ % files.length;
      if (file > files.length && next() < 0.1) {
        const middle = files[i].length >> 1;
        const parts = [
          files[i].subarray(0, middle),
          `${word()}${word()}${word()}\n`,
          files[i].subarray(middle),
        ];
        files[i] = Buffer.concat(parts.map((part) => Buffer.from(part)));
      }
      return files[i];
    });
  },
  /** An image of a disk: a hundredth is data. */
  sparse(size) {
    const next = generator(4);
    const word = prose(next);
    return fill(size, () =>
      next() < 0.5 ? fill(4096, word) : new Uint8Array(4096 * Math.floor(200 * next())),
    );
  },
};

interface Run {
  seconds: number;
  /** bytes, undefined where it is not known */
  memory?: number;
}

/** Runs a program to its end. */
function run(command: string, parameters: string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const start = performance.now();
    const child = spawn(command, parameters, { stdio: ['ignore', 'ignore', 'inherit'] });
    let memory: number | undefined;
    const look = setInterval(() => {
      try {
        const [, kib] = readFileSync(`/proc/${child.pid}/status`, 'utf8').match(/VmHWM:\s*(\d+)/) ?? [];
        if (kib) memory = 1024 * Number(kib);
      } catch {
        // no /proc, or it has ended
      }
    }, 10);
    child.on('error', reject);
    child.on('close', (code) => {
      clearInterval(look);
      const seconds = (performance.now() - start) / 1000;
      if (code === 0) resolve({ seconds, memory });
      else reject(new Error(`${command} ended with the status ${code}`));
    });
  });
}

interface Tool {
  name: string;
  compress(input: string, output: string): Promise<Run>;
  decompress(input: string, output: string): Promise<Run>;
}

const installed = (name: string) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0;
const tools: Tool[] = threads.map((n) => {
  const shacomp = (...parameters: string[]) =>
    run(process.execPath, [program, ...parameters, '-q', '-f', '-T', String(n), '--no-verify']);
  return {
    name: `shacomp -${level} -T${n}`,
    compress: (input, output) => shacomp(`-${level}`, input, '-o', output),
    decompress: (input, output) => shacomp('-d', input, '-o', output),
  };
});
if (installed('zstd'))
  tools.push({
    name: 'zstd -19 --long',
    compress: (input, output) => run('zstd', ['-19', '--long', '-q', '-f', input, '-o', output]),
    decompress: (input, output) => run('zstd', ['-d', '-q', '-f', input, '-o', output]),
  });
if (installed('xz')) {
  const shell = (line: string) => (input: string, output: string) =>
    run('sh', ['-c', `exec ${line} <"$1" >"$2"`, 'sh', input, output]);
  tools.push({ name: 'xz -9e', compress: shell('xz -9e -c'), decompress: shell('xz -d -c') });
}

interface Row {
  kind: string;
  size: number;
  tool: string;
  coded: number;
  compress: Run;
  decompress: Run;
}

const folder = mkdtempSync(join(tmpdir(), 'shacomp-scale-'));
const rows: Row[] = [];
const mebibytes = (bytes: number | undefined) => (bytes === undefined ? '' : (bytes / 2 ** 20).toFixed(0));
try {
  const kinds = process.env.BENCH_KINDS?.split(',') ?? Object.keys(KINDS);
  console.log(
    '| input | MiB | program | bytes | share | compress s | decompress s | MiB of memory, both ways |',
  );
  console.log('|---|---:|---|---:|---:|---:|---:|---:|');
  for (const kind of kinds)
    for (const size of sizesOf(kind)) {
      const [plain, coded, back] = ['plain', 'coded', 'back'].map((name) => join(folder, name));
      const bytes = KINDS[kind](size);
      writeFileSync(plain, bytes);
      for (const tool of tools) {
        const compress = await tool.compress(plain, coded);
        const decompress = await tool.decompress(coded, back);
        if (Buffer.compare(readFileSync(back), bytes) !== 0)
          throw new Error(`${tool.name} did not give back what it was given`);
        const row = { kind, size, tool: tool.name, coded: statSync(coded).size, compress, decompress };
        rows.push(row);
        const share = ((100 * row.coded) / size).toFixed(3);
        console.log(
          `| ${kind} | ${size / 2 ** 20} | ${tool.name} | ${row.coded} | ${share} % | ${compress.seconds.toFixed(2)} | ` +
            `${decompress.seconds.toFixed(2)} | ${mebibytes(compress.memory)}, ${mebibytes(decompress.memory)} |`,
        );
      }
    }
} finally {
  rmSync(folder, { recursive: true });
}

writeFileSync(
  results('scale.csv'),
  [
    'input,bytes,program,coded,compress_s,decompress_s,compress_memory,decompress_memory',
    ...rows.map(({ kind, size, tool, coded, compress: c, decompress: d }) =>
      [
        kind,
        size,
        tool,
        coded,
        c.seconds.toFixed(3),
        d.seconds.toFixed(3),
        c.memory ?? '',
        d.memory ?? '',
      ].join(),
    ),
    '',
  ].join('\n'),
);
writeFileSync(results('scale.svg'), pictures());

/**
 * Small pictures: for every kind of input the share, the time and the memory against the size, both axes
 * logarithmic.
 */
function pictures(): string {
  const [width, height, gap] = [220, 110, 60];
  const colours = ['#2a6f97', '#61a5c2', '#013a63', '#e0a458', '#9aa5b1'];
  const names = [...new Set(rows.map(({ tool }) => tool))];
  const kinds = [...new Set(rows.map(({ kind }) => kind))];
  const measures: [string, (row: Row) => number | undefined][] = [
    ['bytes out of a million', ({ coded, size }) => (1e6 * coded) / size],
    ['seconds to compress', ({ compress }) => compress.seconds],
    ['MiB of memory to compress', ({ compress }) => compress.memory && compress.memory / 2 ** 20],
  ];
  const parts: string[] = [];
  names.forEach((name, i) => {
    parts.push(key(20 + 150 * i, 10, colours[i % colours.length], name));
  });
  kinds.forEach((kind, line) => {
    const sizes = sizesOf(kind);
    measures.forEach(([title, of], column) => {
      const [x, y] = [60 + column * (width + gap), 60 + line * (height + gap)];
      const own = rows.filter((row) => row.kind === kind && of(row) !== undefined);
      if (own.length === 0) return;
      const values = own.map((row) => of(row)!);
      const scale = (value: number, all: number[], length: number) => {
        const [low, high] = [Math.min(...all), Math.max(...all)];
        return high === low ? length / 2 : (length * Math.log(value / low)) / Math.log(high / low);
      };
      parts.push(label(x, y - 6, `${kind}: ${title}`));
      parts.push(`<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="none" stroke="#ccc"/>`);
      parts.push(
        label(x - 45, y + 10, Math.max(...values).toPrecision(3), { size: 9 }),
        label(x - 45, y + height, Math.min(...values).toPrecision(3), { size: 9 }),
        label(x, y + height + 12, `${sizes[0] / 2 ** 20} MiB`, { size: 9 }),
        label(x + width - 40, y + height + 12, `${sizes.at(-1)! / 2 ** 20} MiB`, { size: 9 }),
      );
      names.forEach((name, i) => {
        const points = own
          .filter(({ tool }) => tool === name)
          .map((row) => [
            (x + scale(row.size, sizes, width)).toFixed(1),
            (y + height - scale(of(row)!, values, height)).toFixed(1),
          ]);
        const colour = colours[i % colours.length];
        parts.push(polyline(points, colour));
        for (const [cx, cy] of points) parts.push(`<circle cx="${cx}" cy="${cy}" r="2.5" fill="${colour}"/>`);
      });
    });
  });
  const [w, h] = [60 + measures.length * (width + gap), 50 + kinds.length * (height + gap)];
  return picture(w, h, 'Size, time and memory against the size of the input', parts);
}
