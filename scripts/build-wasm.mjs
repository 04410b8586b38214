#!/usr/bin/env node
/**
 * @file Builds src/engines/wasm/shacomp.wasm, which is committed, from cpp with clang and lld.
 *
 *   node scripts/build-wasm.mjs           builds
 *   node scripts/build-wasm.mjs --check   rebuilds and compares; also says whether the sources' hash is the embedded one
 *
 * Every cpp/bindings/wasm/<part>.cc brings the *.cc files of its folder cpp/<part>, compiled for the instruction set
 * `wasm`. The sources' hash is embedded as a custom section: test/engines-wasm-artifact.test.ts compares it, without a
 * compiler, so that artifact and sources cannot drift apart.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const kernels = path.join(root, 'cpp');
const bindings = path.join(kernels, 'bindings/wasm');
const artifact = path.join(root, 'src/engines/wasm/shacomp.wasm');

/** Name of the custom section with the hash. */
export const SECTION = 'shacomp.sources';

const COMPILE = [
  ...'--target=wasm32 -std=c++20 -O3 -msimd128 -mbulk-memory -mnontrapping-fptoint'.split(' '),
  ...'-ffreestanding -nostdlib -fno-exceptions -fno-rtti -fno-math-errno -fvisibility=hidden'.split(' '),
  ...'-fno-ident -Wall -Wextra'.split(' '),
  ...'-DSHACOMP_ISA=wasm -DSHACOMP_ISA_wasm=1 -DSHACOMP_ISAS=X(wasm)'.split(' '),
];
const LINK = [
  ...'--no-entry --gc-sections --strip-all --stack-first'.split(' '),
  ...'-z stack-size=262144 --max-memory=4294967296 --export=__heap_base'.split(' '),
];

function listFiles(dir) {
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() ? listFiles(path.join(dir, e.name)) : [path.join(dir, e.name)],
  );
}

/** What the artifact is made of: translation units, and the headers that they may include. */
export function sources() {
  const parts = readdirSync(bindings).filter((f) => f.endsWith('.cc'));
  const folders = parts.map((f) => path.join(kernels, path.basename(f, '.cc')));
  const inFolders = folders.filter((f) => existsSync(f)).flatMap(listFiles);
  const shared = ['core/simd', 'bindings/wasm/freestanding'].flatMap((f) => listFiles(path.join(kernels, f)));
  const units = [
    ...parts.map((f) => path.join(bindings, f)),
    ...inFolders.filter((f) => f.endsWith('.cc')),
  ].sort();
  const headers = [...inFolders.filter((f) => f.endsWith('.h')), ...shared].sort();
  return { units, headers };
}

/** SHA-256 over flags, names and contents of all sources. */
export function sourcesHash() {
  const { units, headers } = sources();
  const hash = createHash('sha256').update([...COMPILE, ...LINK].join(' '));
  for (const file of [...units, ...headers]) {
    const content = readFileSync(file);
    hash
      .update(`\n${path.relative(kernels, file).replaceAll(path.sep, '/')} ${content.length}\n`)
      .update(content);
  }
  return hash.digest();
}

function firstThatRuns(candidates, args) {
  return candidates.find((c) => {
    try {
      execFileSync(c, args, { stdio: 'pipe', input: '' });
      return true;
    } catch {
      return false;
    }
  });
}

/** The artifact's bytes, or null without a compiler. */
function build() {
  const versions = ['', '-22', '-21', '-20', '-19', '-18', '-17', '-16'];
  const clang = firstThatRuns(
    [process.env.WASM_CXX, ...versions.map((v) => `clang++${v}`), ...versions.map((v) => `clang${v}`)].filter(
      Boolean,
    ),
    ['--target=wasm32', '-nostdlib', '-x', 'c++', '-fsyntax-only', '-'],
  );
  const lld = firstThatRuns([process.env.WASM_LD, ...versions.map((v) => `wasm-ld${v}`)].filter(Boolean), [
    '--version',
  ]);
  if (!clang || !lld) return null;
  const folder = mkdtempSync(path.join(tmpdir(), 'shacomp-wasm-'));
  try {
    const objects = sources().units.map((unit, i) => {
      const object = path.join(folder, `${i}.o`);
      const flags = [...COMPILE, '-Icpp', '-isystem', 'cpp/bindings/wasm/freestanding'];
      execFileSync(clang, [...flags, '-x', 'c++', '-c', path.relative(root, unit), '-o', object], {
        cwd: root,
        stdio: 'inherit',
      });
      return object;
    });
    const linked = path.join(folder, 'shacomp.wasm');
    execFileSync(lld, [...LINK, ...objects, '-o', linked], { stdio: 'inherit' });
    const name = Buffer.from(SECTION);
    const payload = Buffer.concat([Buffer.of(name.length), name, sourcesHash()]);
    return Buffer.concat([readFileSync(linked), Buffer.of(0, payload.length), payload]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function main() {
  const check = process.argv.includes('--check');
  const bytes = build();
  if (!bytes) {
    console.log(
      'shacomp: no clang with wasm32 and wasm-ld found; the committed WebAssembly module is used as it is',
    );
    return;
  }
  if (check) {
    const same = existsSync(artifact) && bytes.equals(readFileSync(artifact));
    console.log(`shacomp: ${path.relative(root, artifact)} ${same ? 'is what the sources give' : 'differs'}`);
    process.exitCode = same ? 0 : 1;
    return;
  }
  mkdirSync(path.dirname(artifact), { recursive: true });
  writeFileSync(artifact, bytes);
  console.log(`shacomp: built ${path.relative(root, artifact)}, ${bytes.length} bytes`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
