/** @file The cache of measurements: kept, or as if absent; never an error. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  type Measurement,
  measurementsFile,
  readMeasurements,
  storeMeasurements,
} from '../../src/node/measurements.js';
import { version } from '../../src/node/version.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shacomp-cache-'));
  vi.stubEnv('XDG_CACHE_HOME', folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

const one: Measurement = {
  program: version,
  engine: 'native',
  detail: 'AVX2, 2 threads',
  processor: 'a processor',
  adapter: null,
  model: 'ab',
  modelName: 'lite',
  software: false,
  streams: 16,
  start: 0.01,
  run: 100_000,
  step: 90_000,
  encode: null,
  decode: 80_000,
};
const put = (text: string) => {
  const file = measurementsFile()!;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
};

describe('measurements', () => {
  it('are kept in the folder of caches, as a whole, and nothing else is left there', async () => {
    expect(await readMeasurements()).toEqual([]);
    expect(await storeMeasurements([one, { ...one, streams: 1 }])).toBe(true);
    expect(measurementsFile()).toBe(join(folder, 'shacomp', 'engines.json'));
    expect(await readMeasurements()).toEqual([one, { ...one, streams: 1 }]);
    expect(readdirSync(join(folder, 'shacomp'))).toEqual(['engines.json']);
  });

  it('take the place of older ones of the same, and of nothing else', async () => {
    await storeMeasurements([one]);
    const others = [{ streams: 1 }, { model: 'cd' }, { engine: 'wasm' }, { detail: 'AVX2, 1 thread' }].map(
      (other) => ({ ...one, ...other }),
    );
    await storeMeasurements([...others, { ...one, processor: 'another' }, { ...one, adapter: 'a card' }]);
    const again = { ...one, run: 5 };
    await storeMeasurements([again]);
    const kept = await readMeasurements();
    expect(kept).toHaveLength(7);
    expect(kept.at(-1)).toEqual(again);
    expect(kept).not.toContainEqual(one);
  });

  it('of another version of the program count for nothing, and go with the next ones', async () => {
    put(JSON.stringify({ measurements: [{ ...one, program: '0.0.1' }, one] }));
    expect(await readMeasurements()).toEqual([one]);
    await storeMeasurements([{ ...one, streams: 1 }]);
    expect(readFileSync(measurementsFile()!, 'utf8')).not.toContain('0.0.1');
  });

  it.each([
    ['no JSON', '{"measurements": [{"program"'],
    ['nothing', ''],
    ['other JSON', '[1, 2]'],
    ['null', 'null'],
    ['no list', '{"measurements": {"length": 1}}'],
    ['a file that is too long', `{"measurements": []}${' '.repeat(2 ** 20)}`],
  ])('that are damaged (%s) are as if absent, and replaced', async (_name, text) => {
    put(text);
    expect(await readMeasurements()).toEqual([]);
    expect(await storeMeasurements([one])).toBe(true);
    expect(await readMeasurements()).toEqual([one]);
  });

  it.each([
    { run: 0 },
    { run: null },
    { step: '90000' },
    { step: -1 },
    { encode: Number.NaN, run: undefined },
    { streams: 1.5 },
    { adapter: 7 },
    { software: 'no' },
    { model: undefined },
  ])('that hold what no measurement holds (%j) leave that one out', async (damage) => {
    put(JSON.stringify({ measurements: [{ ...one, ...damage }, null, 3, one] }));
    expect(await readMeasurements()).toEqual([one]);
  });

  it('that cannot be written or read are as if absent', async () => {
    vi.stubEnv('XDG_CACHE_HOME', '/dev/null/cache');
    expect(await storeMeasurements([one])).toBe(false);
    expect(await readMeasurements()).toEqual([]);
    vi.stubEnv('XDG_CACHE_HOME', folder);
    mkdirSync(measurementsFile()!, { recursive: true });
    expect(await readMeasurements()).toEqual([]);
    expect(await storeMeasurements([one])).toBe(false);
    expect(readdirSync(join(folder, 'shacomp'))).toEqual(['engines.json']);
  });

  it.skipIf(process.getuid?.() === 0)('in a folder without permission are as if absent', async () => {
    mkdirSync(join(folder, 'shacomp'));
    chmodSync(join(folder, 'shacomp'), 0o500);
    expect(await storeMeasurements([one])).toBe(false);
    expect(existsSync(measurementsFile()!)).toBe(false);
  });

  it('are kept as long as they are among the latest 500', async () => {
    await storeMeasurements(Array.from({ length: 499 }, (_, i) => ({ ...one, streams: i + 1 })));
    await storeMeasurements([500, 501, 1].map((streams) => ({ ...one, streams })));
    const kept = (await readMeasurements()).map(({ streams }) => streams);
    expect([kept.length, kept[0], ...kept.slice(-3)]).toEqual([500, 3, 500, 501, 1]);
  });

  it('are kept in the home folder where no other is named, or a relative one', () => {
    for (const name of ['', 'relative/folder']) {
      vi.stubEnv('XDG_CACHE_HOME', name);
      vi.stubEnv('HOME', folder);
      expect(measurementsFile()).toBe(join(folder, '.cache', 'shacomp', 'engines.json'));
    }
  });
});
