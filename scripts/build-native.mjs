#!/usr/bin/env node
/**
 * @file Builds the native addon into prebuilds/<platform>-<arch>/shacomp.node where a C++20 compiler is
 * present.
 *
 * Sources are cpp/**\/*.cc, less cpp/bindings/wasm and cpp/test. A file named *.isa.cc is compiled once per
 * instruction set, each time into its own namespace (SHACOMP_ISA); which one runs is decided when the addon
 * is loaded. Without a compiler the script says so and succeeds: the WebAssembly engine serves then.
 * SHACOMP_REQUIRE_NATIVE=1 makes that an error. With --where it only prints the addon's path. With
 * SHACOMP_SANITIZE=address,undefined (or thread) it makes build/sanitized/shacomp.node instead, for
 * scripts/test-sanitize-addon.mjs.
 */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const kernels = path.join(root, 'cpp');
const arch = process.arch;
const sanitizers = process.env.SHACOMP_SANITIZE;

const AVX512 = '-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mfma -mbmi2'.split(' ');

/**
 * Instruction sets per architecture: namespace -> compiler flags. The first needs nothing beyond the
 * baseline.
 */
export const ISAS = {
  x64: {
    baseline: [],
    avx2: ['-mavx2', '-mfma', '-mbmi2'],
    avxvnni: ['-mavx2', '-mavxvnni', '-mfma', '-mbmi2'],
    avx512: AVX512,
    avx512bf16: [...AVX512, '-mavx512bf16'],
    amxbf16: [...AVX512, '-mavx512bf16', '-mamx-tile', '-mamx-bf16'],
  },
  arm64: {
    baseline: [],
    dotprod: ['-march=armv8.2-a+dotprod'],
  },
};

/** Which of them the kernels of each folder of cpp are compiled for, worst first. */
const PARTS = {
  mix: ['baseline', 'avx2', 'avx512'],
  network: ['baseline', 'dotprod', 'avx2', 'avxvnni', 'avx512'],
  train: ['baseline', 'avx2', 'avx512', 'avx512bf16', 'amxbf16'],
};

/** The instruction sets, of those given, that a *.isa.cc is compiled for. */
export function isasOf(source, isas) {
  const part = PARTS[path.basename(path.dirname(source))];
  return Object.entries(isas).filter(([isa]) => part.includes(isa));
}

/** What tells the C++ which kernels there are: SHACOMP_MIX_ISAS, SHACOMP_NETWORK_ISAS, SHACOMP_TRAIN_ISAS. */
export const isaDefinitions = (isas) =>
  Object.entries(PARTS).map(
    ([part, all]) =>
      `-DSHACOMP_${part.toUpperCase()}_ISAS=${all
        .filter((isa) => isa in isas)
        .map((isa) => `X(${isa})`)
        .join(' ')}`,
  );

/**
 * "linux-x64", "linux-x64-musl", "darwin-arm64", …: must equal prebuildName() in src/engines/native/addon.ts.
 */
function prebuildName() {
  const musl = process.platform === 'linux' && !process.report.getReport().header.glibcVersionRuntime;
  return `${process.platform}-${arch}${musl ? '-musl' : ''}`;
}

/** Whether a compiler is there and takes C++20 and these flags: not every one knows every instruction set. */
export function compiles(cxx, flags) {
  try {
    execFileSync(cxx, ['-std=c++20', ...flags, '-x', 'c++', '-fsyntax-only', '-'], {
      input: 'int main(){}',
      stdio: 'pipe',
    });
    return true;
  } catch {
    return false;
  }
}

export function findCompiler() {
  const candidates = process.env.CXX ? [process.env.CXX] : ['c++', 'g++', 'clang++'];
  return candidates.find((cxx) => compiles(cxx, []));
}

export function listFiles(dir) {
  return readdirSync(dir, { withFileTypes: true }).flatMap((e) =>
    e.isDirectory() ? listFiles(path.join(dir, e.name)) : [path.join(dir, e.name)],
  );
}

const target = path.join(
  root,
  sanitizers ? 'build/sanitized' : `prebuilds/${prebuildName()}`,
  'shacomp.node',
);

async function main() {
  if (process.argv.includes('--where')) return console.log(target);
  const cxx = findCompiler();
  if (!cxx || process.platform === 'win32') {
    console.log(
      'shacomp: no C++20 compiler found; skipping the native addon, the WebAssembly engine will be used',
    );
    process.exit(process.env.SHACOMP_REQUIRE_NATIVE === '1' ? 1 : 0);
  }
  const { include_dir } = (await import('node-api-headers')).default;
  const known = Object.entries(ISAS[arch] ?? { baseline: [] });
  const isas = Object.fromEntries(known.filter(([, flags]) => compiles(cxx, flags)));
  const files = listFiles(kernels).filter((f) => !f.startsWith(path.join(kernels, 'test')));
  const sources = files.filter(
    (f) => f.endsWith('.cc') && !f.startsWith(path.join(kernels, 'bindings/wasm')),
  );
  const newest = Math.max(
    ...files.map((f) => statSync(f).mtimeMs),
    statSync(fileURLToPath(import.meta.url)).mtimeMs,
  );
  const objects = path.join(root, sanitizers ? `build/${path.basename(cxx)}-${sanitizers}` : 'build/native');
  mkdirSync(objects, { recursive: true });

  const common = [
    '-std=c++20',
    '-O3',
    '-fPIC',
    '-fno-math-errno',
    '-fvisibility=hidden',
    '-Wall',
    '-Wextra',
    '-pthread',
  ];
  common.push(`-I${include_dir}`, `-I${kernels}`, ...isaDefinitions(isas));
  const shared = sanitizers && /clang/.test(execFileSync(cxx, ['--version'])) ? ['-shared-libsan'] : [];
  if (sanitizers)
    common.push('-O1', '-g', `-fsanitize=${sanitizers}`, '-fno-sanitize-recover=undefined', ...shared);
  const jobs = sources.flatMap((source) => {
    const name = path.relative(kernels, source).replaceAll(path.sep, '_');
    if (!source.endsWith('.isa.cc')) return [{ source, flags: [], object: path.join(objects, `${name}.o`) }];
    return isasOf(source, isas).map(([isa, flags]) => ({
      source,
      flags: [...flags, `-DSHACOMP_ISA=${isa}`, `-DSHACOMP_ISA_${isa}=1`],
      object: path.join(objects, `${name}.${isa}.o`),
    }));
  });

  const run = promisify(execFile);
  const queue = jobs.filter((j) => !existsSync(j.object) || statSync(j.object).mtimeMs < newest);
  const worker = async () => {
    for (let job = queue.shift(); job; job = queue.shift()) {
      const { stderr } = await run(cxx, [...common, ...job.flags, '-c', job.source, '-o', job.object]);
      if (stderr) process.stderr.write(stderr);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));

  mkdirSync(path.dirname(target), { recursive: true });
  const link = ['-shared', '-pthread', '-o', target, ...jobs.map((j) => j.object)];
  // The C++ runtime goes into the addon, so that only libc's symbols are asked of the user's system; and it
  // is the addon's alone: Node exports its own runtime, which may be of another version.
  if (sanitizers) link.push(`-fsanitize=${sanitizers}`, ...shared);
  else if (process.platform === 'linux')
    link.push('-static-libstdc++', '-static-libgcc', '-Wl,--exclude-libs,ALL', '-Wl,--gc-sections', '-s');
  if (process.platform === 'darwin') link.push('-undefined', 'dynamic_lookup');
  await run(cxx, link);
  console.log(`shacomp: built ${path.relative(root, target)} with ${cxx}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  main().catch((error) => {
    process.stderr.write(`${error.stderr ?? error.stack}\n`);
    console.log('shacomp: the native addon did not build; the WebAssembly engine will be used');
    process.exit(process.env.SHACOMP_REQUIRE_NATIVE === '1' ? 1 : 0);
  });
