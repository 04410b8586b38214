import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Architecture } from '../../../src/model/architecture.js';
import { candidates } from '../../helpers/conformance.js';
import { randomModel } from '../../helpers/random-model.js';

const native = (await candidates()).some(({ label }) => label.startsWith('native'));
const folder = mkdtempSync(join(tmpdir(), 'shacomp-faults-'));
const library = join(folder, 'faults.so');
const file = (name: string) => fileURLToPath(new URL(`./${name}`, import.meta.url));

/**
 * Whether this is a system with glibc and a compiler: there the addon's requests can be watched and refused.
 */
const watched =
  native &&
  process.platform === 'linux' &&
  'glibcVersionRuntime' in (process.report.getReport() as unknown as { header: object }).header &&
  ['cc', 'gcc', 'clang'].some(
    (cc) => spawnSync(cc, ['-shared', '-fPIC', '-O1', '-o', library, file('faults.c'), '-ldl']).status === 0,
  );

function run(task: string, models: string[]) {
  const control = join(folder, 'control');
  writeFileSync(control, Buffer.alloc(4096));
  const output = execFileSync(
    process.execPath,
    ['--expose-gc', file('faults.mjs'), control, task, ...models],
    {
      env: { ...process.env, LD_PRELOAD: library, FAULTS_CONTROL: control },
      encoding: 'utf8',
      maxBuffer: 2 ** 26,
    },
  );
  return JSON.parse(output);
}

const shape = (
  width: number,
  layers: number,
  boom: number,
  window: number,
  attention: number[],
): Architecture => ({ width, layers, boom, window, attention });

const SHAPES = [
  shape(64, 1, 1, 1, []),
  shape(64, 8, 1, 1, [0, 1, 2, 3, 4, 5, 6, 7]),
  shape(192, 2, 3, 37, [1]),
  shape(128, 1, 8, 1025, [0]),
  shape(64, 3, 4, 4096, [0, 2]),
];

describe.skipIf(!watched)('the native engine, watched from outside', () => {
  const models = SHAPES.map((_, i) => join(folder, `${i}.sharnn`));
  beforeAll(() => {
    SHAPES.forEach((architecture, i) => {
      writeFileSync(models[i], randomModel({ seed: i, architecture }).bytes);
    });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('holds the memory that it states, whatever the shape, streams, threads and instruction set', () => {
    const { networks, coders } = run('measure', models);
    expect(networks.length).toBeGreaterThanOrEqual(60);
    for (const network of networks) {
      const { stated, held, ran, left } = network;
      const bookkeeping = 4096;
      expect(held, JSON.stringify(network)).toBeGreaterThanOrEqual(stated);
      expect(ran, JSON.stringify(network)).toBeLessThan(stated + bookkeeping);
      expect(left, JSON.stringify(network)).toBeLessThan(bookkeeping);
    }
    for (const coder of coders) {
      const { stated, held, left } = coder;
      expect(held, JSON.stringify(coder)).toBeGreaterThanOrEqual(stated);
      expect(held, JSON.stringify(coder)).toBeLessThan(stated + 2 * 4096);
      expect(left, JSON.stringify(coder)).toBeLessThan(1024);
    }
  });

  it('gives an error of ours, or goes on with fewer threads, whichever request to the system is refused', () => {
    const report = run('refuse', [file('../../../fixtures/tiny.sharnn')]);
    expect(Object.keys(report).length).toBe(9);
    for (const [name, { refused, typed, wrong, leaked }] of Object.entries<Record<string, number>>(report)) {
      expect(wrong, name).toEqual([]);
      expect(refused, name).toBeGreaterThan(3);
      expect(typed, name).toBeGreaterThan(3);
      expect(leaked, name).toBeLessThan(4096);
    }
  });
});
