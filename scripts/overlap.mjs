#!/usr/bin/env node
/**
 * @file How much of some files stands word for word in training text.
 *
 *   node scripts/overlap.mjs [--window 64] corpus/*.txt -- eval/*
 *
 * A place of a file is known if the `window` bytes that start there occur anywhere in the training text.
 * Every 16th place of each file is looked up (64-bit rolling hash, Karp and Rabin 1987), so the sizes of both
 * do not matter. Boilerplate (licences, headers, file formats) is known in any text of a kind: give held-out
 * files too and compare.
 */
import { closeSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import path from 'node:path';

const STRIDE = 16;
const PIECE = 1 << 22;
/** Two odd multipliers: two independent 32-bit hashes make one of 64 bits. */
const M1 = 0x2c1b3c6d;
const M2 = 0x297a2d39;

const power = (m, n) => {
  let p = 1;
  for (let i = 0; i < n; i++) p = Math.imul(p, m);
  return p;
};

/** A rolling hash over the last `window` bytes. */
class Rolling {
  constructor(window) {
    this.window = window;
    this.out1 = power(M1, window);
    this.out2 = power(M2, window);
    this.a = 0;
    this.b = 0;
  }

  push(entering, leaving) {
    this.a = (Math.imul(this.a, M1) + entering + 1 - Math.imul(this.out1, leaving)) | 0;
    this.b = (Math.imul(this.b, M2) + entering + 1 - Math.imul(this.out2, leaving)) | 0;
  }
}

/** Open addressing over pairs of 32-bit numbers, with a mark for every pair that was met. */
class Table {
  constructor(most) {
    const size = 2 ** Math.ceil(Math.log2(Math.max(2, 2 * most)));
    this.mask = size - 1;
    this.a = new Int32Array(size);
    this.b = new Int32Array(size);
    /** 0: free, 1: a place of a file, 2: met in the training text */
    this.mark = new Uint8Array(size);
  }

  slot(a, b) {
    let i = (a ^ (b >>> 7)) & this.mask;
    while (this.mark[i] && (this.a[i] !== a || this.b[i] !== b)) i = (i + 1) & this.mask;
    return i;
  }
}

/** Calls `visit` with both hashes and the window's start for every window of `bytes`. */
function windows(bytes, window, visit) {
  const hash = new Rolling(window);
  for (let i = 0; i < bytes.length; i++) {
    hash.push(bytes[i], i >= window ? bytes[i - window] + 1 : 0);
    if (i + 1 >= window) visit(hash.a, hash.b, i + 1 - window);
  }
}

function* pieces(file, overlap) {
  const fd = openSync(file, 'r');
  try {
    const size = statSync(file).size;
    for (let at = 0; at < size; at += PIECE) {
      const piece = Buffer.alloc(Math.min(PIECE + overlap, size - at));
      readSync(fd, piece, 0, piece.length, at);
      yield piece;
    }
  } finally {
    closeSync(fd);
  }
}

const args = process.argv.slice(2);
const window = args[0] === '--window' ? Number(args.splice(0, 2)[1]) : 64;
const middle = args.indexOf('--');
const train = args.slice(0, Math.max(0, middle));
const files = args.slice(middle + 1).filter((file) => statSync(file).isFile());
if (!train.length || !files.length || !(window >= 8)) {
  console.error('usage: node scripts/overlap.mjs [--window BYTES] TEXT… -- FILE…');
  process.exit(2);
}

const contents = files.map((file) => readFileSync(file));
const table = new Table(contents.reduce((sum, bytes) => sum + bytes.length / STRIDE + 1, 0));
for (const bytes of contents)
  windows(bytes, window, (a, b, start) => {
    if (start % STRIDE) return;
    const i = table.slot(a, b);
    table.a[i] = a;
    table.b[i] = b;
    table.mark[i] = 1;
  });
for (const file of train)
  for (const piece of pieces(file, window - 1))
    windows(piece, window, (a, b) => {
      const i = table.slot(a, b);
      if (table.mark[i]) table.mark[i] = 2;
    });

console.log(`places of which ${window} bytes stand in the training text:`);
files.forEach((file, n) => {
  let known = 0;
  let all = 0;
  windows(contents[n], window, (a, b, start) => {
    if (start % STRIDE) return;
    all++;
    if (table.mark[table.slot(a, b)] === 2) known++;
  });
  const share = all ? `${((100 * known) / all).toFixed(3)} %` : '-';
  console.log(`${share.padStart(10)}  ${path.basename(file)}`);
});
