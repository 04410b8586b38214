/**
 * @file Speed of the mixing coder: KB/s of both profiles, encoding and decoding, on text made here, beside
 * zpaq -m5 and xz -9e where they are installed. Compare ratios within one run; the figures alone depend on
 * the machine.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { MixKernels } from '../src/engines/engine.js';
import { nativeEngine } from '../src/engines/native/engine.js';
import { MIX_PROFILES } from '../src/engines/profiles.js';
import { selectEngine } from '../src/node/engines.js';

const LENGTH = Number(process.env.BENCH_BYTES ?? 400_000);

/**
 * Pseudo-text: words of a Zipf-like vocabulary in sentences and lines, so that contexts and matches have work
 * to do.
 */
function sampleText(length: number): Uint8Array {
  let x = 12345;
  const random = () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return x / 2 ** 32;
  };
  const word = () =>
    Array.from(
      { length: 2 + Math.floor(random() * 8) },
      () => 'etaoinshrdlcumwfgypbvk'[Math.floor(random() ** 2 * 22)],
    ).join('');
  const vocabulary = Array.from({ length: 4000 }, word);
  let text = '';
  while (text.length < length) {
    text += vocabulary[Math.floor(random() ** 4 * vocabulary.length)];
    const r = random();
    text += r < 0.85 ? ' ' : r < 0.92 ? ', ' : r < 0.97 ? '. ' : '\n';
  }
  return new TextEncoder().encode(text).subarray(0, length);
}

const seconds = (call: () => unknown): number => {
  const start = performance.now();
  call();
  return (performance.now() - start) / 1000;
};

const rows: { what: string; bytes: number; encode: number; decode: number }[] = [];

function measure(what: string, kernels: MixKernels, profile: number, symbols: Uint8Array): void {
  let payload: Uint8Array | undefined;
  const encode = seconds(() => {
    const coder = kernels.mixOpen(profile, symbols.length, 1);
    kernels.mixEncode(coder, symbols);
    payload = kernels.mixFinish(coder);
    kernels.mixClose(coder);
  });
  if (!payload) throw new Error('the sample does not compress');
  const out = new Uint8Array(symbols.length);
  const decode = seconds(() => {
    const coder = kernels.mixOpen(profile, symbols.length, 1, payload);
    kernels.mixDecode(coder, out, out.length);
    kernels.mixClose(coder);
  });
  if (Buffer.compare(out, symbols)) throw new Error(`${what}: wrong round trip`);
  rows.push({ what, bytes: payload.length, encode, decode });
}

/** A program on the sample in a directory of its own; nothing if it is not installed. */
function measurePeer(
  what: string,
  program: string,
  args: string[],
  archive: string,
  symbols: Uint8Array,
): void {
  const directory = mkdtempSync(path.join(tmpdir(), 'mixing-bench-'));
  try {
    writeFileSync(path.join(directory, 'f'), symbols);
    const encode = seconds(() => execFileSync(program, args, { cwd: directory, stdio: 'ignore' }));
    rows.push({ what, bytes: statSync(path.join(directory, archive)).size, encode, decode: Number.NaN });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const symbols = sampleText(LENGTH);
const wasm = (await selectEngine('wasm')).mixing;
for (const [name, profile] of Object.entries(MIX_PROFILES)) {
  try {
    measure(`native ${name}`, nativeEngine().mixing, profile, symbols);
  } catch (error) {
    console.log(`native ${name}: ${(error as Error).message}`);
  }
  measure(`wasm ${name}`, wasm, profile, symbols);
}
measurePeer('zpaq -m5', 'zpaq', ['a', 'a.zpaq', 'f', '-m5', '-t1'], 'a.zpaq', symbols);
measurePeer('xz -9e', 'xz', ['-9e', '-k', 'f'], 'f.xz', symbols);

const reference = rows.find((r) => r.what === 'zpaq -m5') ?? rows[0]!;
console.log(`${LENGTH} bytes; speed of encoding relative to ${reference.what}\n`);
for (const { what, bytes, encode, decode } of rows)
  console.log(
    `${what.padEnd(12)} ${((bytes * 8) / LENGTH).toFixed(3)} bpb  ${(LENGTH / encode / 1000).toFixed(0).padStart(6)} KB/s` +
      `  decoding ${(Number.isNaN(decode) ? '-' : (LENGTH / decode / 1000).toFixed(0)).padStart(6)} KB/s  x ${(reference.encode / encode).toFixed(2)}`,
  );
