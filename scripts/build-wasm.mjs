#!/usr/bin/env node
/**
 * @file Builds src/engines/wasm/shacomp.wasm and shacomp.relaxed.wasm, which are committed, from cpp with
 * clang and lld.
 *
 *     node scripts/build-wasm.mjs           builds
 *     node scripts/build-wasm.mjs --check   rebuilds and compares; also says whether the sources' hash is the
 *                                           embedded one
 *
 * The relaxed one is for hosts with relaxed SIMD, whose byte products the network's kernels take; nothing
 * else of the proposal is used, since its floating point differs between hosts.
 *
 * Every cpp/bindings/wasm/<part>.cc brings the *.cc files of its folder cpp/<part>, compiled for the
 * instruction set `wasm`. The sources' hash is embedded as a custom section:
 * test/engines/wasm/artifact.test.ts compares it, without a compiler, so that artifact and sources cannot
 * drift apart.
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

/**
 * The modules: what people call their instruction set, and the flags that the network is compiled with in
 * addition.
 */
export const ARTIFACTS = [
  { file: 'src/engines/wasm/shacomp.wasm', simd: 'SIMD', network: [] },
  { file: 'src/engines/wasm/shacomp.relaxed.wasm', simd: 'relaxed SIMD', network: ['-mrelaxed-simd'] },
];

/** Names of the custom sections with the hash and with the instruction set's name. */
export const SECTION = 'shacomp.sources';
const SIMD_SECTION = 'shacomp.simd';

export const COMPILE = [
  ...'--target=wasm32 -std=c++20 -O3 -msimd128 -mbulk-memory -mnontrapping-fptoint'.split(' '),
  ...'-ffreestanding -nostdlib -fno-exceptions -fno-rtti -fno-math-errno -fvisibility=hidden'.split(' '),
  ...'-fno-ident -Wall -Wextra'.split(' '),
  ...'-DSHACOMP_ISA=wasm -DSHACOMP_ISA_wasm=1'.split(' '),
  ...['MIX', 'NETWORK', 'TRAIN'].map((part) => `-DSHACOMP_${part}_ISAS=X(wasm)`),
];
export const INCLUDES = ['-Icpp', '-isystem', 'cpp/bindings/wasm/freestanding'];
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
  const shared = ['core', 'bindings/wasm'].flatMap((f) => listFiles(path.join(kernels, f)));
  const units = [
    ...parts.map((f) => path.join(bindings, f)),
    ...inFolders.filter((f) => f.endsWith('.cc')),
  ].sort();
  const headers = [
    ...inFolders.filter((f) => f.endsWith('.h')),
    ...shared.filter((f) => !f.endsWith('.cc')),
  ].sort();
  return { units, headers };
}

/** SHA-256 over flags, names and contents of all sources of one module. */
export function sourcesHash({ network }) {
  const { units, headers } = sources();
  const hash = createHash('sha256').update([...COMPILE, ...network, ...LINK].join(' '));
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

/** Compiler and linker, or null. */
export function findTools() {
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
  return clang && lld ? { clang, lld } : null;
}

function customSection(name, content) {
  const payload = Buffer.concat([Buffer.of(name.length), Buffer.from(name), content]);
  return Buffer.concat([Buffer.of(0, payload.length), payload]);
}

/** A module's bytes. */
function build({ clang, lld }, artifact) {
  const folder = mkdtempSync(path.join(tmpdir(), 'shacomp-wasm-'));
  try {
    const objects = sources().units.map((unit, i) => {
      const object = path.join(folder, `${i}.o`);
      const extra = unit.startsWith(path.join(kernels, 'network/')) ? artifact.network : [];
      const flags = [...COMPILE, ...extra, ...INCLUDES];
      execFileSync(clang, [...flags, '-x', 'c++', '-c', path.relative(root, unit), '-o', object], {
        cwd: root,
        stdio: 'inherit',
      });
      return object;
    });
    const linked = path.join(folder, 'shacomp.wasm');
    execFileSync(lld, [...LINK, ...objects, '-o', linked], { stdio: 'inherit' });
    return Buffer.concat([
      readFileSync(linked),
      customSection(SECTION, sourcesHash(artifact)),
      customSection(SIMD_SECTION, Buffer.from(artifact.simd)),
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function main() {
  const check = process.argv.includes('--check');
  const tools = findTools();
  if (!tools) {
    console.log(
      'shacomp: no clang with wasm32 and wasm-ld found; the committed WebAssembly modules are used as they are',
    );
    return;
  }
  for (const artifact of ARTIFACTS) {
    const bytes = build(tools, artifact);
    const target = path.join(root, artifact.file);
    if (check) {
      const same = existsSync(target) && bytes.equals(readFileSync(target));
      console.log(`shacomp: ${artifact.file} ${same ? 'is what the sources give' : 'differs'}`);
      if (!same) process.exitCode = 1;
      continue;
    }
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, bytes);
    console.log(`shacomp: built ${artifact.file}, ${bytes.length} bytes`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
