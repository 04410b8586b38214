#!/usr/bin/env node
/**
 * @file Builds the programs of cpp/test with sanitizers and runs them:
 * `npm run test:sanitize [-- address|thread]`.
 *
 * Twice: with those of addresses and undefined behaviour, on every instruction set of this processor; and
 * with that of threads, on the baseline. Without a compiler that has a sanitizer it says so and succeeds,
 * unless SHACOMP_REQUIRE_NATIVE=1.
 */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { modelImage, parseModel } from '../dist/model/sharnn.js';
import { compiles, ISAS, isaDefinitions, isasOf, listFiles } from './build-native.mjs';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const cpp = path.join(root, 'cpp');

/** What /proc/cpuinfo calls what an instruction set needs; others are not checked. */
const NEEDS = {
  avx2: 'avx2',
  avxvnni: 'avx_vnni',
  avx512: 'avx512_vnni',
  avx512bf16: 'avx512_bf16',
  amxbf16: 'amx_bf16',
};

/** Instruction sets to check: the baseline, and what this processor has. */
function present() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return { baseline: [] };
  const has = new Set(
    readFileSync('/proc/cpuinfo', 'utf8')
      .match(/^flags\s*:(.*)$/m)?.[1]
      .split(' '),
  );
  const sets = Object.entries(ISAS.x64).filter(([isa]) => isa === 'baseline' || has.has(NEEDS[isa]));
  return Object.fromEntries(sets);
}

/** Programs that have nothing for the thread sanitizer. */
const WITHOUT_THREADS = ['mixer_test', 'network_test', 'thread_governor_test'];

const BUILDS = {
  address: { flags: ['-fsanitize=address,undefined', '-fno-sanitize-recover=all'], sets: present() },
  thread: { flags: ['-fsanitize=thread'], sets: { baseline: [] }, without: WITHOUT_THREADS },
};

/** What programs are given: a model's image, as kernels read it. */
const IMAGE = path.join(root, 'build/tiny.image');
const ARGUMENTS = { network_test: [IMAGE], steps_test: [IMAGE], stream_block_test: [IMAGE] };
mkdirSync(path.dirname(IMAGE), { recursive: true });
writeFileSync(IMAGE, modelImage(parseModel(readFileSync(path.join(root, 'fixtures/tiny.sharnn')))));

/** The first compiler whose programs with these sanitizers run; null without one. */
function findCompiler(flags) {
  const probe = path.join(root, 'build/probe');
  for (const cxx of process.env.CXX ? [process.env.CXX] : ['clang++-19', 'clang++', 'g++', 'c++']) {
    try {
      const input = '#include <thread>\nint main() { std::thread([] {}).join(); }';
      execFileSync(cxx, ['-std=c++20', '-pthread', ...flags, '-x', 'c++', '-', '-o', probe], {
        input,
        stdio: 'pipe',
      });
      execFileSync(probe, { stdio: 'pipe' });
      return cxx;
    } catch {}
  }
  return null;
}

/** Compiles what is older than its sources, several at a time; gives the objects. */
async function compile(cxx, flags, sources, folder, newest, sets) {
  mkdirSync(folder, { recursive: true });
  const jobs = sources.flatMap((source) => {
    const name = path.relative(cpp, source).replaceAll(path.sep, '_');
    const object = path.join(folder, `${name}.o`);
    if (!source.endsWith('.isa.cc')) return [{ source, object, more: [] }];
    return isasOf(source, sets).map(([isa, more]) => ({
      source,
      object: path.join(folder, `${name}.${isa}.o`),
      more: [...more, `-DSHACOMP_ISA=${isa}`, `-DSHACOMP_ISA_${isa}=1`],
    }));
  });
  const queue = jobs.filter(({ object }) => !existsSync(object) || statSync(object).mtimeMs < newest);
  const worker = async () => {
    for (let job = queue.shift(); job; job = queue.shift())
      await promisify(execFile)(cxx, [...flags, ...job.more, '-c', job.source, '-o', job.object]);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return jobs.map(({ object }) => object);
}

const ENVIRONMENT = {
  ASAN_OPTIONS: 'detect_stack_use_after_return=1:strict_init_order=1',
  UBSAN_OPTIONS: 'print_stacktrace=1',
  TSAN_OPTIONS: 'halt_on_error=1:second_deadlock_stack=1',
};

/** Runs a program; gives whether it ended well, and what it printed. */
function run(command, args) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env: { ...process.env, ...ENVIRONMENT } });
    let output = '';
    child.stdout.on('data', (text) => (output += text));
    child.stderr.on('data', (text) => (output += text));
    child.on('error', (error) => resolve({ ok: false, output: error.message }));
    child.on('close', (code, signal) =>
      resolve({ ok: code === 0, output: `${output}${signal ? `ended by ${signal}\n` : ''}` }),
    );
  });
}

/** Builds and runs all programs with one sanitizer; gives the number that failed. */
async function check(name, { flags, sets, without = [] }) {
  const cxx = findCompiler(flags);
  if (!cxx) {
    console.log(`SKIPPED: no compiler with -fsanitize=${name} here; nothing was checked`);
    return process.env.SHACOMP_REQUIRE_NATIVE === '1' ? 1 : 0;
  }
  const files = listFiles(cpp).filter((f) => !f.startsWith(path.join(cpp, 'bindings')));
  const newest = Math.max(...[...files, fileURLToPath(import.meta.url)].map((f) => statSync(f).mtimeMs));
  const known = Object.fromEntries(Object.entries(sets).filter(([, more]) => compiles(cxx, more)));
  const all = [...flags, ...'-std=c++20 -O1 -g -fno-omit-frame-pointer -fno-math-errno -pthread'.split(' ')];
  all.push(`-I${cpp}`, ...isaDefinitions(known));
  const folder = path.join(root, 'build/sanitize', `${name}-${path.basename(cxx)}`);
  const inTest = (f) => f.startsWith(path.join(cpp, 'test'));
  const sources = files.filter((f) => f.endsWith('.cc'));
  const programs = sources.filter((f) => inTest(f) && !without.includes(path.basename(f, '.cc')));
  const objects = await compile(
    cxx,
    all,
    sources.filter((f) => !inTest(f)),
    folder,
    newest,
    known,
  );
  const mains = await compile(cxx, all, programs, folder, newest, known);
  let failed = 0;
  for (const [i, source] of programs.entries()) {
    const program = path.basename(source, '.cc');
    const target = path.join(folder, program);
    const linked = await run(cxx, [...flags, '-pthread', '-o', target, mains[i], ...objects]);
    const start = performance.now();
    const { ok, output } = linked.ok ? await run(target, ARGUMENTS[program] ?? []) : linked;
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(`${name.padEnd(8)} ${program.padEnd(22)} ${ok ? `ok, ${seconds} s` : 'FAILED'}`);
    if (!ok) console.log(output);
    failed += ok ? 0 : 1;
  }
  return failed;
}

const wanted = process.argv[2] ? [process.argv[2]] : Object.keys(BUILDS);
mkdirSync(path.join(root, 'build'), { recursive: true });
let failed = 0;
for (const name of wanted) {
  if (!BUILDS[name])
    throw new Error(`there is no build "${name}"; there are ${Object.keys(BUILDS).join(', ')}`);
  failed += await check(name, BUILDS[name]);
}
process.exitCode = failed > 0 ? 1 : 0;
