/**
 * @file Limits and defaults that several parts of the program have: the parts agree, and the pages say the
 * same.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  MAGIC,
  MAX_BLOCK_SIZE,
  MAX_MIXED_STREAMS,
  MAX_STREAMS,
  MAX_WINDOW,
} from '../src/codec/container/format.js';
import { checkCompressOptions, DEFAULT_WINDOW, MIN_BLOCK_SIZE } from '../src/codec/options.js';
import { DEFAULT_LEVEL, LEVELS, levelSettings } from '../src/codec/strategy/levels.js';
import { checkStreams } from '../src/engines/check.js';
import { nativeAddonPath } from '../src/engines/native/addon.js';
import { nativeEngine } from '../src/engines/native/engine.js';
import { PRESETS } from '../src/model/architecture.js';
import { checkArchitecture, parseModel } from '../src/model/sharnn.js';
import { LEAST_MEASURED } from '../src/node/auto.js';
import { MEASURED_MODELS, MEASURED_STREAMS } from '../src/node/engine-reports.js';
import { FINE_TUNING, HELD_OUT_SHARE, TRAIN_DEFAULTS } from '../src/trainer/defaults.js';
import { TrainingNetwork } from '../src/trainer/network.js';
import { parse } from './helpers/command.js';
import { allEngines, frequenciesOf } from './helpers/conformance.js';
import { randomBytes, randomModel } from './helpers/random-model.js';

const page = (name: string) =>
  readFileSync(new URL(`../${name}`, import.meta.url), 'utf8').replaceAll(/\s+/g, ' ');

const engines = await allEngines();

describe('blocks and streams', () => {
  it.each(engines)(
    'of every size that a file may have are coded by the mixer of the $label engine',
    ({ engine: { mixing } }) => {
      for (const profile of [0, 1]) {
        expect(mixing.mixBytes(profile, MAX_BLOCK_SIZE, MAX_MIXED_STREAMS)).toBeGreaterThan(MAX_BLOCK_SIZE);
        // room for later formats, the same everywhere
        expect(mixing.mixBytes(profile, 2 ** 28, 4096)).toBeGreaterThan(2 ** 28);
        expect(mixing.mixBytes(profile, 2 ** 28 + 1, 1)).toBe(0);
        expect(mixing.mixBytes(profile, 1000, 4097)).toBe(0);
      }
    },
  );

  it('of every number that a file may have are run by every engine', () => {
    expect(() => checkStreams(MAX_STREAMS)).not.toThrow();
    const model = randomModel({ seed: 3 });
    for (const { engine } of engines) {
      const network = engine.open(model, MAX_STREAMS);
      expect(network.streams).toBe(MAX_STREAMS);
      network.close();
    }
  });

  it('of levels and options are within those of the format', async () => {
    for (const { blockSize, streams } of LEVELS) {
      expect(() => checkCompressOptions({ blockSize })).not.toThrow();
      expect(streams.most).toBeLessThanOrEqual(MAX_MIXED_STREAMS);
    }
    expect(() => checkCompressOptions({ blockSize: MAX_BLOCK_SIZE })).not.toThrow();
    expect(() => checkCompressOptions({ blockSize: MAX_BLOCK_SIZE + 1 })).toThrow('blockSize');
    expect(() => checkCompressOptions({ blockSize: MIN_BLOCK_SIZE - 1 })).toThrow('blockSize');
    const sizes = `${MIN_BLOCK_SIZE / 1024}K to ${MAX_BLOCK_SIZE / 2 ** 20}M`;
    expect(page('docs/cli.md')).toContain(`blocks of this size, ${sizes},`);
    expect((await parse(['--block-size', '64M', 'x'])).flags.blockSize).toBe(MAX_BLOCK_SIZE);
    expect(page('docs/format.md')).toContain(
      `original bytes of the block, 1 to 2^${Math.log2(MAX_BLOCK_SIZE)}`,
    );
  });

  it('streams and windows have the limits of the format, in the options, the command line and the pages', async () => {
    const accepted = async (words: string[], name: 'streams' | 'long', value: number) =>
      expect((await parse([...words, 'x'])).flags[name]).toBe(value);
    await accepted(['--streams', `${MAX_STREAMS}`], 'streams', MAX_STREAMS);
    await expect(parse(['--streams', `${MAX_STREAMS + 1}`, 'x'])).rejects.toThrow();
    expect(() => checkCompressOptions({ streams: MAX_STREAMS, window: MAX_WINDOW })).not.toThrow();
    expect(() => checkCompressOptions({ streams: MAX_STREAMS + 1 })).toThrow('streams');
    expect(() => checkCompressOptions({ window: MAX_WINDOW + 1 })).toThrow('window');
    await accepted(['--long', '2G'], 'long', MAX_WINDOW);
    await expect(parse(['--long', `${MAX_WINDOW + 1}`, 'x'])).rejects.toThrow();
    for (const name of ['docs/cli.md', 'docs/api.md', 'src/codec/options.ts'])
      expect([name, page(name).includes(`side by side in a block, 1 to ${MAX_STREAMS}`)]).toEqual([
        name,
        true,
      ]);
    expect(page('docs/api.md')).toContain(`1 to ${MAX_STREAMS} (with mixing ${MAX_MIXED_STREAMS})`);
    expect(page('docs/format.md')).toContain(
      `${MAX_STREAMS} in a network block, ${MAX_MIXED_STREAMS} in a block with mixing`,
    );
    const [most, usual] = [MAX_WINDOW / 2 ** 30, DEFAULT_WINDOW / 2 ** 20];
    expect(page('docs/cli.md')).toContain(`up to ${most}G, or 0 for none (default: ${usual}M)`);
    expect(page('docs/api.md')).toContain(`up to ${most} GiB; 0 for none | ${usual} MiB, at most a quarter`);
  });

  it('levels are 1 to 9, 6 where none is named: in the library, the help and the pages', async () => {
    expect(levelSettings()).toBe(levelSettings(6));
    expect(LEVELS).toHaveLength(9);
    expect(page('docs/cli.md')).toContain(`(default: -${DEFAULT_LEVEL})`);
    for (const level of [0, 10, 1.5]) expect(() => checkCompressOptions({ level })).toThrow('level');
    for (const level of [1, 9]) expect(() => checkCompressOptions({ level })).not.toThrow();
  });

  it('threads are limited alike by the command line, the options and the native engine', async () => {
    expect((await parse(['-T', '1024', 'x'])).flags.threads).toBe(1024);
    expect(() => checkCompressOptions({ threads: 1024 })).not.toThrow();
    expect(() => checkCompressOptions({ threads: 1025 })).toThrow('threads');
    await expect(parse(['-T', '1025', 'x'])).rejects.toThrow();
    if (engines.some(({ engine }) => engine.name === 'native'))
      expect(() => nativeEngine({ threads: 1025 })).toThrow('threads');
  });
});

describe('networks', () => {
  const deepest = { width: 64, layers: 16, boom: 1, window: 64, attention: [0, 15] };

  it('of the most layers that a model may have run on every engine, alike', () => {
    expect(() => checkArchitecture({ ...deepest, layers: 17 })).toThrow('layers');
    const model = randomModel({ seed: 5, architecture: deepest });
    const bytes = randomBytes(6, 1);
    const results = engines.map(({ engine }) => frequenciesOf(engine, model, bytes, 2, 3));
    for (const result of results) expect(result).toEqual(results[0]);
  });

  it('that can be trained are those that can be models', async () => {
    const options = { batch: 1, steps: 64, threads: 1, bf16: false };
    await expect(TrainingNetwork.open(deepest, options)).resolves.toBeDefined();
    await expect(TrainingNetwork.open({ ...deepest, layers: 17 }, options)).rejects.toThrow('layers');
    for (const preset of Object.values(PRESETS)) expect(() => checkArchitecture(preset)).not.toThrow();
  });
});

describe('magic numbers', () => {
  it('of files and models begin alike, and tell them apart', () => {
    const { bytes } = randomModel({ seed: 1 });
    expect([...bytes.subarray(0, MAGIC.length)]).toEqual([...MAGIC]);
    const other = Uint8Array.from(bytes);
    other[MAGIC.length] = 2;
    expect(() => parseModel(other)).toThrow(expect.objectContaining({ code: 'ERR_MODEL_INVALID' }));
    expect(page('docs/format.md')).toContain(
      [...MAGIC].map((byte) => byte.toString(16).padStart(2, '0').toUpperCase()).join(' '),
    );
  });
});

describe('measurements of engines', () => {
  it('are made of what the pages say, for work of the length that they say', () => {
    const [few, some, many] = MEASURED_STREAMS;
    const [streams, models] = [`${few}, ${some} and ${many}`, MEASURED_MODELS.map((name) => `\`${name}\``)];
    expect(page('docs/gpu.md')).toContain(`for ${streams} streams of ${models.join(', ')} or`);
    expect(page('docs/api.md')).toContain(`(${models.join(' and ')}) with \`streams\` (${streams})`);
    expect(page('src/node/engine-reports.ts')).toContain(`default: ${streams}.`);
    const { bytes, seconds } = LEAST_MEASURED;
    expect([bytes, seconds]).toEqual([2 ** 24, 60]);
    expect(page('docs/gpu.md')).toContain('of 16 MiB and more on the processor');
    expect(page('docs/gpu.md')).toContain('a minute and more, on a GPU');
  });
});

describe('defaults of training', () => {
  it('are what the pages say', () => {
    const training = page('docs/training.md');
    const cli = page('docs/cli.md');
    const share = `last ${100 * HELD_OUT_SHARE} % of`;
    expect(training).toContain(share);
    expect(cli.split(share)).toHaveLength(3);
    const { beta1, beta2, ema, weightDecay, rate, optimizer } = TRAIN_DEFAULTS;
    expect(training).toContain(`β = (${beta1}, ${beta2})`);
    expect(training).toContain(`decoupled decay ${weightDecay} of matrices only`);
    expect(training).toContain(`A moving average of the weights (${ema} per step`);
    expect(cli).toContain(`highest learning rate (default: ${rate}, with --from ${FINE_TUNING.rate})`);
    expect(cli).toContain(`layers (default: ${optimizer}, with --from ${FINE_TUNING.optimizer})`);
    expect(training).toContain(`the rate is lower (${FINE_TUNING.rate})`);
  });

  it('are what the declarations of the options say', () => {
    const source = page('src/trainer/train.ts');
    const { batch, segment, rate, evaluateBytes, ema, weightDecay } = TRAIN_DEFAULTS;
    expect(source).toContain(`sequences per step (${batch}) and bytes of each (${segment},`);
    expect(source).toContain(`highest learning rate (${rate.toExponential().replace('+', '')})`);
    expect(source).toContain(`decay of matrices (${weightDecay})`);
    expect(source).toContain(`averaged weights, per step (${ema})`);
    expect(source).toContain(`bytes measured of every held-out file (${evaluateBytes})`);
  });
});

it('the addon is loaded from where it is built', () => {
  const script = fileURLToPath(new URL('../scripts/build-native.mjs', import.meta.url));
  const built = execFileSync(process.execPath, [script, '--where'], { encoding: 'utf8' }).trim();
  expect(built).toBe(nativeAddonPath());
});
