/**
 * @file Product kernels and networks of instruction sets one by one, as programs of their own: those of this
 * processor, AVX-VNNI as AVX-512 encodes it, ARM under QEMU, WebAssembly with and without relaxed SIMD. What
 * cannot be built or run here is skipped.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
// @ts-expect-error a script without types
import { COMPILE, findTools, INCLUDES } from '../../../scripts/build-wasm.mjs';
import { nativeIsas } from '../../../src/engines/native/engine.js';
import { referenceEngine } from '../../../src/engines/reference/engine.js';
import { hasRelaxedSimd } from '../../../src/engines/wasm/simd.js';
import { modelImage } from '../../../src/model/sharnn.js';
import { expectSame, frequenciesOf } from '../../helpers/conformance.js';
import { randomBytes, randomModel } from '../../helpers/random-model.js';

const root = path.join(import.meta.dirname, '../../..');
const folder = mkdtempSync(path.join(tmpdir(), 'shacomp-kernels-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Target {
  label: string;
  isa: string;
  flags: string[];
  cxx?: string;
  runner?: string[];
  /** Instruction sets that this processor must have. */
  needs?: string;
}

const vnni512 = ['-mavx512f', '-mavx512bw', '-mavx512vl', '-mavx512dq', '-mavx512vnni'];
const arm = { cxx: 'aarch64-linux-gnu-g++', runner: ['qemu-aarch64', '-cpu', 'max'] };
const targets: Target[] = [
  { label: 'baseline', isa: 'baseline', flags: [], needs: 'baseline' },
  { label: 'AVX2', isa: 'avx2', flags: ['-mavx2', '-mfma', '-mbmi2'], needs: 'avx2' },
  { label: 'AVX-512', isa: 'avx512', flags: vnni512, needs: 'avx512' },
  { label: 'AVX-VNNI in the encoding of AVX-512', isa: 'avxvnni', flags: vnni512, needs: 'avx512' },
  { label: 'AVX-VNNI', isa: 'avxvnni', flags: ['-mavx2', '-mavxvnni'], needs: 'avxvnni' },
  { label: 'NEON', isa: 'baseline', flags: ['-static'], ...arm },
  { label: 'NEON with dot product', isa: 'dotprod', flags: ['-static', '-march=armv8.2-a+dotprod'], ...arm },
];

const isas = (() => {
  try {
    return nativeIsas();
  } catch {
    return [];
  }
})();

function runs(command: string): boolean {
  try {
    execFileSync(command, ['--version'], { stdio: 'pipe' });
    return true;
  } catch {
    return false;
  }
}

/** Weights of 8, 7 and 6 bits, lively and at the ends of their range. */
const models = [127, 63, 31].flatMap((limit) =>
  [undefined, 'signs' as const].map((extreme) => ({
    name: `${extreme ?? 'random'} weights up to ${limit}`,
    model: randomModel({
      seed: limit,
      architecture: { width: 192, layers: 2, boom: 3, window: 37, attention: [1] },
      limit,
      extreme,
    }),
  })),
);

describe.each(targets)('$label', ({ isa, flags, cxx, runner = [], needs }) => {
  const compiler = cxx ?? process.env.CXX ?? 'c++';
  const possible = needs ? isas.includes(needs) : runs(runner[0]);
  const program = path.join(folder, `${isa}-${flags.join('')}`);
  const run = (...args: string[]) =>
    execFileSync([...runner, program][0], [...runner.slice(1), ...(runner.length ? [program] : []), ...args]);
  let built = false;
  const build = () => {
    if (built) return;
    const defines = [`-DSHACOMP_ISA=${isa}`, `-DSHACOMP_ISA_${isa}=1`];
    const source = path.join(root, 'test/engines/native/kernels.cc');
    execFileSync(compiler, [
      '-std=c++20',
      '-O2',
      `-I${root}/cpp`,
      ...flags,
      ...defines,
      source,
      '-o',
      program,
    ]);
    built = true;
  };

  it.skipIf(!possible || !runs(compiler))('multiplies exactly with every kernel', () => {
    build();
    const lines = String(run('products')).trim().split('\n');
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) expect(line).toMatch(/: 0 sums wrong$/);
  });

  it.skipIf(!possible || !runs(compiler)).each(models)(
    'gives the bits of the reference: $name',
    ({ model }) => {
      build();
      const [streams, steps] = [5, 60];
      const bytes = randomBytes(streams * steps, 1);
      const file = (name: string) => path.join(folder, name);
      writeFileSync(file('model'), modelImage(model));
      writeFileSync(file('bytes'), bytes);
      run('run', file('model'), file('bytes'), String(streams), String(steps), file('out'));
      const frequencies = new Uint32Array(new Uint8Array(readFileSync(file('out'))).buffer);
      expectSame(frequencies, frequenciesOf(referenceEngine, model, bytes, streams, steps), streams);
    },
  );
});

const tools = findTools();
describe.each([
  { label: 'WebAssembly', flags: [], possible: true },
  { label: 'WebAssembly with relaxed SIMD', flags: ['-mrelaxed-simd'], possible: hasRelaxedSimd() },
])('$label', ({ label, flags, possible }) => {
  it.skipIf(!possible || !tools)('multiplies exactly with every kernel', async () => {
    if (!tools) return;
    const [object, module] = ['o', 'wasm'].map((ending) => path.join(folder, `${label}.${ending}`));
    const options = { cwd: root, stdio: 'inherit' as const };
    const source = ['-x', 'c++', '-c', 'test/engines/native/kernels.cc'];
    execFileSync(tools.clang, [...COMPILE, ...flags, ...INCLUDES, ...source, '-o', object], options);
    execFileSync(tools.lld, ['--no-entry', '-z', 'stack-size=262144', object, '-o', module], options);
    const { instance } = await WebAssembly.instantiate(readFileSync(module));
    const { check_products, suits_host } = instance.exports as Record<string, (kernel: number) => number>;
    let kernels = 0;
    for (let wrong = check_products(0); wrong >= 0; wrong = check_products(++kernels)) {
      // V8 before version 12 does not have all instructions right: a kernel of them must not be chosen there
      if (suits_host(kernels) || Number(process.versions.node.split('.')[0]) >= 22) expect(wrong).toBe(0);
    }
    expect(kernels).toBeGreaterThan(1);
  });
});
