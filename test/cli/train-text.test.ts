/** @file What the command `train` asks of the trainer and of the quantizer, without training. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, it, vi } from 'vitest';
import { PRESETS, parameterCount } from '../../src/model/architecture.js';
import { writeCheckpoint } from '../../src/trainer/checkpoint.js';
import type { TextFile } from '../../src/trainer/data.js';
import { HELD_OUT_SHARE } from '../../src/trainer/defaults.js';
import type { TrainOptions, TrainResult } from '../../src/trainer/train.js';
import { runHere } from '../helpers/command.js';

const asked = vi.hoisted(() => ({
  train: [] as TrainOptions[],
  calibration: [] as string[],
}));

vi.mock('../../src/trainer/train.js', () => ({
  train: async (options: TrainOptions): Promise<TrainResult> => {
    asked.train.push(options);
    return { step: 1, bytes: 1, elapsed: 1, left: 0, stopped: false, evaluation: null } as TrainResult;
  },
}));

vi.mock('../../src/cli/commands/quantize.js', async (original) => ({
  ...(await original<typeof import('../../src/cli/commands/quantize.js')>()),
  writeModel: async (_checkpoint: string, _output: string, samples: TextFile[]) => {
    const texts = samples.map((sample) => {
      const text = new Uint8Array(sample.length);
      sample.read(0, text);
      return text;
    });
    asked.calibration.push(Buffer.concat(texts).toString());
    return { texts: [], ranges: undefined };
  },
}));

const folder = mkdtempSync(join(tmpdir(), 'shacomp-train-text-'));
const file = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => Object.assign(asked, { train: [], calibration: [] }));

/** A text whose held-out end is of another letter. */
function text(name: string, length: number): string {
  const end = Math.floor(length * HELD_OUT_SHARE);
  mkdirSync(join(file(name), '..'), { recursive: true });
  writeFileSync(file(name), 't'.repeat(length - end) + 'h'.repeat(end));
  return file(name);
}

const train = (...words: string[]) => runHere([...words, '-o', file('model.sharnn')], 'train');

it('rounding is fitted to text that was not trained on', async () => {
  await train(text('a', 500_000), text('b', 20_000));
  expect(asked.train[0].heldOut).toBeUndefined();
  const [calibration] = asked.calibration;
  expect(calibration.length).toBe(HELD_OUT_SHARE * 520_000);
  expect(calibration).toMatch(/^h+$/);
});

it('rounding is fitted to the held-out files where some are given, to all of them', async () => {
  writeFileSync(file('held'), 'x'.repeat(4096));
  await train(text('a', 500_000), '--held-out', file('held'));
  expect(asked.train[0].heldOut).toEqual([file('held')]);
  expect(asked.calibration[0]).toMatch(/^x{4096}$/);
});

it('a held-out file among the inputs is not trained on', async () => {
  const [a, b] = [text('texts/a', 5000), text('texts/b', 5000)];
  const printed = await train(file('texts'), '--held-out', b);
  expect(asked.train[0].inputs.map(({ path }) => path)).toEqual([a]);
  expect(printed).toContain(`${b} : is held out, so it is not trained on`);
  await expect(train(b, '--held-out', b)).rejects.toThrow('there are no files to train on');
});

it('text that is too short to fit the rounding to is told before the training', async () => {
  await expect(train(text('short', 3000))).rejects.toThrow('give some with --held-out FILE');
  expect(asked.train).toEqual([]);
});

it('a run that is resumed is not told what another one would begin with', async () => {
  const [weights, state] = [file('model.safetensors'), file('model.state.safetensors')];
  await writeCheckpoint(weights, PRESETS.tiny, new Float32Array(parameterCount(PRESETS.tiny)));
  writeFileSync(state, '');
  await train(text('a', 10_000), '--from', weights, '--resume');
  expect(asked.train[0]).toMatchObject({ rate: undefined, optimizer: undefined, resume: true });
  for (const path of [weights, state]) rmSync(path);
});

it('trained weights are moved more gently than random ones, and by Muon, unless told otherwise', async () => {
  const input = text('a', 10_000);
  const fixture = new URL('../../fixtures/torch/training.safetensors', import.meta.url).pathname;
  await train(input);
  expect(asked.train[0]).toMatchObject({ rate: undefined, optimizer: undefined, from: undefined });
  await train(input, '--preset', 'tiny', '--from', fixture);
  expect(asked.train[1]).toMatchObject({ rate: 0.001, optimizer: 'muon', from: fixture });
  await train(input, '--preset', 'tiny', '--from', fixture, '--rate', '0.0005', '--optimizer', 'adamw');
  expect(asked.train[2]).toMatchObject({ rate: 0.0005, optimizer: 'adamw' });
});

it('a run lasts an hour unless a time or steps are given', async () => {
  const input = text('a', 10_000);
  await train(input);
  await train(input, '--steps', '5');
  await train(input, '--time-limit', '90s');
  await train(input, '--time-limit', '90s', '--steps', '5');
  expect(asked.train.map(({ seconds, steps }) => [seconds, steps])).toEqual([
    [3600, undefined],
    [undefined, 5],
    [90, undefined],
    [90, 5],
  ]);
});

it('a weight counts for the input or the folder that it names, the last one that fits', async () => {
  text('d/a', 5000);
  text('d/b', 5000);
  text('e/a', 5000);
  await train(file('d'), file('e'), '--weight', `${file('d')}=3`, '--weight', `${file('d/b')}=0.5`);
  const weights = asked.train[0].inputs.map(({ path, weight }) => [path.slice(folder.length + 1), weight]);
  expect(weights).toEqual([
    ['d/a', 3],
    ['d/b', 0.5],
    ['e/a', undefined],
  ]);
  await expect(train(file('d'), '--weight', 'no-such=2')).rejects.toThrow('none of the inputs');
});

it('folders stand for their files, but not for hidden ones; by their names these are taken', async () => {
  for (const name of ['f/a', 'f/g/b', 'f/.notes', 'f/.git/config']) text(name, 5000);
  await train(file('f'));
  await train(file('f/.notes'));
  const inputs = asked.train.map(({ inputs }) => inputs.map(({ path }) => path.slice(folder.length + 1)));
  expect(inputs).toEqual([['f/a', 'f/g/b'], ['f/.notes']]);
});

it('nothing is trained where the model, a checkpoint or the report is there, without -f', async () => {
  const input = text('a', 10_000);
  for (const name of ['model.sharnn', 'model.safetensors', 'report.html']) {
    writeFileSync(file(name), 'mine');
    await expect(train(input, '--report', file('report.html'))).rejects.toThrow('already exists');
    expect([name, readFileSync(file(name), 'utf8')]).toEqual([name, 'mine']);
    rmSync(file(name));
  }
  expect(asked.train).toEqual([]);
});
