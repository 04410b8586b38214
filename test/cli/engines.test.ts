/** @file The command `engines`, and what auto says of its choice. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ENGINE_NAMES } from '../../src/node/engines.js';
import { eachInFolder } from '../helpers/cli.js';
import { sampleText } from '../helpers/letters-model.js';
import { testGpu } from '../helpers/webgpu.js';

const folder = eachInFolder();
const gpu = await testGpu();
const NO_ADAPTER = { VK_DRIVER_FILES: '/nowhere.json', VK_ICD_FILENAMES: '/nowhere.json' };

/** A value's shape: types in the place of what differs from machine to machine. */
function shape(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shape);
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, shape(inner)]));
}

describe('engines', () => {
  it('lists every engine with what it runs on, or in one line why it does not', async () => {
    const f = folder();
    const run = await f.run(['engines'], { env: NO_ADAPTER });
    expect(run).toMatchObject({ code: 0, stderr: '' });
    const out = run.stdout.toString();
    for (const name of ENGINE_NAMES) expect(out).toMatch(new RegExp(`^${name} +\\S`, 'm'));
    expect(out).toMatch(/^wasm +WebAssembly .*\n +device +\S.*\n +driver +Node\.js .*\n +kernels .*SIMD\n/m);
    expect(out).toMatch(/^webgpu +not available: the WebGPU engine does not run here: \S.*$/m);
    expect(out).toMatch(/\n\nnot measured yet: shacomp engines --measure does it\n$/);
    // `info` has the same lines
    const info = (await f.run(['info'], { env: NO_ADAPTER })).stdout.toString();
    for (const line of out.split('\n').filter((text) => /^\w+ {2,}/.test(text)))
      expect(info).toContain(`  ${line}\n`);
  });

  it.skipIf(!gpu)('tells of an adapter: its driver, limits, and whether it is one', async () => {
    const { stdout } = await folder().run(['engines', '--json']);
    const { engines } = JSON.parse(stdout.toString());
    expect(engines.find(({ name }: { name: string }) => name === 'webgpu')).toMatchObject({
      available: true,
      device: expect.stringMatching(/\S/),
      driver: expect.any(String),
      software: expect.any(Boolean),
      limits: { maxStorageBufferBindingSize: expect.any(Number), maxBufferSize: expect.any(Number) },
    });
  });

  it('says which instruction set is missing', async () => {
    const env = { ...NO_ADAPTER, SHACOMP_ISA: 'abacus' };
    const out = (await folder().run(['engines'], { env })).stdout.toString();
    expect(out).toMatch(/^native +not available: .*(abacus|not there)/m);
  });

  it('has an entry of one schema for every engine with --json', async () => {
    const f = folder();
    const { stdout } = await f.run(['engines', '--json'], { env: NO_ADAPTER });
    const { engines, ...program } = JSON.parse(stdout.toString());
    expect(shape(program)).toEqual({
      version: 'string',
      node: 'string',
      platform: 'string',
      processor: 'string',
      measurements: 'string',
    });
    expect(engines.map(({ name }: { name: string }) => name)).toEqual(ENGINE_NAMES);
    for (const engine of engines)
      expect(shape(engine)).toEqual(
        engine.available
          ? {
              name: 'string',
              available: 'boolean',
              detail: 'string',
              device: 'string',
              driver: 'string',
              kernels: 'string',
              software: 'boolean',
              limits: { threads: 'number' },
              rates: [],
            }
          : { name: 'string', available: 'boolean', reason: 'string', rates: [] },
      );
  });

  it('measures with --measure, keeps it, and lists it from then on', async () => {
    const f = folder();
    const cache = f.file('cache');
    const env = { ...NO_ADAPTER, XDG_CACHE_HOME: cache };
    const measure = await f.run(['engines', '--measure', '-m', 'lite', '--json'], { env });
    expect(measure).toMatchObject({ code: 0, stderr: '' });
    expect(readdirSync(join(cache, 'shacomp'))).toEqual(['engines.json']);
    const { engines } = JSON.parse(measure.stdout.toString());
    const wasm = engines.find(({ name }: { name: string }) => name === 'wasm');
    expect(wasm.rates.map(({ streams }: { streams: number }) => streams)).toEqual([1, 16, 256]);
    expect(shape(wasm.rates[0])).toEqual({
      model: { name: 'string', id: 'string' },
      streams: 'number',
      start: 'number',
      run: 'number',
      step: 'number',
      encode: 'null',
      decode: 'null',
    });
    const again = await f.run(['engines', '--json'], { env });
    expect(JSON.parse(again.stdout.toString()).engines).toEqual(engines);
    const out = (await f.run(['engines'], { env })).stdout.toString();
    expect(out).toMatch(/^KB\/s +model +streams +run +step +encode +decode +start$/m);
    expect(out).toMatch(/^wasm +letters +16( +[\d.e+]+){2} +- +- +[\d.]+ s$/m);
    // as other engines, those of other threads were not measured
    const other = await f.run(['engines', '--json'], { env: { ...env, SHACOMP_ISA: 'baseline' } });
    const native = JSON.parse(other.stdout.toString()).engines[0];
    if (native.available) expect(native.rates).toEqual([]);
  });

  it('measures also where nothing can be kept, and says so of a model that is not there', async () => {
    const f = folder();
    const env = { ...NO_ADAPTER, XDG_CACHE_HOME: '/dev/null/cache' };
    const run = await f.run(['engines', '--measure', '-m', 'lite'], { env });
    expect(run.stdout.toString()).toMatch(/^wasm +letters +1 /m);
    const none = await f.run(['engines', '--measure', '-m', 'nothing'], { env });
    expect(none).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^shacomp: [^\n]+nothing[^\n]*\n$/),
    });
    expect((await f.run(['engines', 'a'], { env })).code).toBe(1);
  });
});

describe('auto', () => {
  it('tells with -v, in a line, which engine it took and why no GPU', async () => {
    const f = folder();
    f.write('a', sampleText(3000));
    const line = /^ {2}auto takes \w+; no GPU: [^\n]+$/gm;
    for (const args of [
      ['-v', '--mode', 'network', 'a'],
      ['-vd', '-f', 'a.sha'],
      ['-vt', 'a.sha'],
      ['-v', '-f', 'a'],
    ]) {
      const { stderr, code } = await f.run(args);
      expect([args, code, stderr.match(line)?.length]).toEqual([args, 0, 1]);
    }
    expect((await f.run(['-f', '--mode', 'network', 'a'])).stderr).not.toMatch(line);
    for (const asked of [{ args: ['-e', 'wasm'] }, { args: [], env: { SHACOMP_ENGINE: 'wasm' } }]) {
      const { stderr } = await f.run(['-vf', ...asked.args, 'a'], { env: asked.env });
      expect(stderr).not.toMatch(line);
      expect(stderr).toContain('engine wasm (');
    }
  });
});
