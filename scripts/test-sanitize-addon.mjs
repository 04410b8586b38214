#!/usr/bin/env node
/**
 * @file Runs the tests that reach the addon with its C++ built for sanitizers: every error found ends the
 * run.
 *
 *   node scripts/test-sanitize-addon.mjs [address,undefined | thread] [vitest arguments]
 *
 * The compiler is $CXX, else a clang++, else g++; both are worth a run: GCC also looks into its vector
 * functions. The addon is built into build/sanitized; this file, loaded by Node before the tests, makes it
 * the one that is used.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';

const script = fileURLToPath(import.meta.url);
const root = path.dirname(path.dirname(script));
const addon = path.join(root, 'build/sanitized/shacomp.node');

const TESTS = [
  'codec/container/corruption',
  'engines/engines',
  'engines/mixing-conformance',
  'engines/native/pipeline',
  'engines/native/threads',
  'engines/presets',
  'model/hostile-models',
  'trainer/gradients',
].map((name) => `test/${name}.test.ts`);

/** Has Node load the sanitized addon. */
function redirect() {
  const { dlopen } = process;
  process.dlopen = (module, file, ...flags) =>
    dlopen.call(process, module, file.endsWith('shacomp.node') ? addon : file, ...flags);
}

/** The compiler, and the shared library of the sanitizers that goes with it. */
function findCompiler(sanitizers) {
  const names = [process.env.CXX, 'clang++', ...[22, 21, 20, 19, 18, 17].map((v) => `clang++-${v}`), 'g++'];
  const kind = sanitizers.startsWith('thread') ? 'tsan' : 'asan';
  const arch = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  for (const cxx of names.filter(Boolean))
    for (const file of [`libclang_rt.${kind}-${arch}.so`, `libclang_rt.${kind}.so`, `lib${kind}.so`]) {
      const { stdout } = spawnSync(cxx, [`-print-file-name=${file}`], { encoding: 'utf8' });
      const library = stdout?.trim();
      if (library && path.isAbsolute(library) && existsSync(library)) return { cxx, library };
    }
  throw new Error('no compiler with shared sanitizers was found: install clang, or set CXX');
}

function main() {
  const [sanitizers = 'address,undefined', ...args] = process.argv.slice(2);
  const { cxx, library } = findCompiler(sanitizers);
  execFileSync(process.execPath, [path.join(root, 'scripts/build-native.mjs')], {
    env: { ...process.env, CXX: cxx, SHACOMP_SANITIZE: sanitizers, SHACOMP_REQUIRE_NATIVE: '1' },
    stdio: 'inherit',
  });
  const { status } = spawnSync('npx', ['vitest', 'run', '--maxWorkers=1', ...(args.length ? args : TESTS)], {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      LD_PRELOAD: library,
      NODE_OPTIONS: `--import=${script}`,
      // Node itself leaves memory to the end of the process
      ASAN_OPTIONS: 'detect_leaks=0:abort_on_error=1:allocator_may_return_null=1',
      UBSAN_OPTIONS: 'print_stacktrace=1:abort_on_error=1',
      TSAN_OPTIONS: 'halt_on_error=1:ignore_noninstrumented_modules=1',
    },
  });
  process.exitCode = status ?? 1;
}

if (isMainThread && process.argv[1] === script) main();
else redirect();
