/**
 * @file The averaged weights of a run: how they follow the last ones, and which of the two a run leaves
 * behind.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Architecture, parameterCount } from '../../src/model/architecture.js';
import { readCheckpoint, statePath } from '../../src/trainer/checkpoint.js';
import { costs } from '../../src/trainer/cost.js';
import { heldOutPieces, TextFile } from '../../src/trainer/data.js';
import { initialize } from '../../src/trainer/initialize.js';
import { TrainingNetwork, tensorsOf } from '../../src/trainer/network.js';
import { readSafetensors } from '../../src/trainer/safetensors.js';
import { type TrainOptions, type TrainResult, train } from '../../src/trainer/train.js';

const folder = mkdtempSync(join(tmpdir(), 'shacomp-averages-'));
afterAll(() => rmSync(folder, { recursive: true }));

const arch: Architecture = { width: 64, layers: 1, boom: 1, window: 64, attention: [] };
const text = join(folder, 'text');
const held = join(folder, 'held');
writeFileSync(text, 'the quick brown fox jumps over the lazy dog\n'.repeat(100));
writeFileSync(held, 'the lazy dog jumps over the quick brown fox\n'.repeat(30));

let runs = 0;
async function run(more: Partial<TrainOptions>): Promise<{ output: string; result: TrainResult }> {
  const output = join(folder, `${runs++}.safetensors`);
  const set: TrainOptions = {
    arch,
    inputs: [{ path: text }],
    heldOut: [held],
    output,
    batch: 2,
    segment: 64,
    threads: 1,
  };
  return { output, result: await train({ ...set, bf16: false, ...more }) };
}

/** Vectors of the state beside a checkpoint. */
async function state(output: string) {
  const { tensors } = await readSafetensors(statePath(output));
  const vector = (name: string) => tensors.get(name)!.data as Float32Array;
  return { weights: vector('weights'), ema: vector('ema') };
}

const distance = (a: Float32Array, b: Float32Array) =>
  Math.sqrt(a.reduce((sum, x, i) => sum + (x - b[i]) ** 2, 0));

describe('averaged weights', () => {
  it('forget the random ones within a few steps', async () => {
    const { output } = await run({ steps: 10, rate: 1e-2, warmup: 0 });
    const { weights, ema } = await state(output);
    const initial = new Float32Array(parameterCount(arch));
    initialize(arch, initial, 1);
    const way = distance(weights, initial);
    expect(way).toBeGreaterThan(0.1);
    expect(distance(ema, weights)).toBeLessThan(way / 2);
  });

  it('are, before the first step, those that the run begins with', async () => {
    const begun = new Map<string, Float32Array>();
    await run({
      steps: 1,
      onStart({ values }) {
        for (const [name, tensor] of values) begun.set(name, tensor.slice());
      },
    });
    const initial = new Float32Array(parameterCount(arch));
    initialize(arch, initial, 1);
    expect([...begun]).toEqual([...tensorsOf(arch, initial)]);
  });

  it('follow the last ones as slowly as was asked for, later', async () => {
    const { output } = await run({ steps: 40, rate: 1e-2, warmup: 0, ema: 0.2 });
    const slow = await run({ steps: 40, rate: 1e-2, warmup: 0 });
    const lag = async (of: string) => {
      const { weights, ema } = await state(of);
      return distance(ema, weights);
    };
    expect(await lag(output)).toBeLessThan((await lag(slow.output)) / 2);
  });
});

describe('at the end of a run', () => {
  let network: TrainingNetwork;
  beforeAll(async () => {
    network = await TrainingNetwork.open(arch, { batch: 2, steps: 64, threads: 1, bf16: false });
  });

  /** Bits per byte that these weights need for the held-out text. */
  async function measure(weights: Float32Array): Promise<number> {
    network.weights.set(weights);
    const pieces = heldOutPieces([TextFile.open(held)], 32768, 2, 64);
    const { nats, bytes } = (await costs(network, pieces, false))!.get(held)!;
    return nats / bytes / Math.LN2;
  }

  /** The weights in a checkpoint, as one vector. */
  async function kept(output: string): Promise<Float32Array> {
    const { values } = await readCheckpoint(output);
    const flat = new Float32Array(parameterCount(arch));
    for (const [name, tensor] of tensorsOf(arch, flat)) tensor.set(values.get(name)!);
    return flat;
  }

  it.each<[string, Partial<TrainOptions>, boolean]>([
    ['the last weights, where the averaged ones lag behind', { steps: 30, rate: 1e-3 }, false],
    [
      'the averaged weights, where the last ones are tossed about',
      { steps: 60, rate: 0.1, decay: 'sqrt' },
      true,
    ],
  ])('the checkpoint holds the better ones: %s', async (_which, options, averaged) => {
    const { output, result } = await run(options);
    const { weights, ema } = await state(output);
    const [last, average] = [await measure(weights), await measure(ema)];
    expect(average < last).toBe(averaged);
    expect(result.evaluation).toMatchObject({ averaged });
    expect(result.evaluation!.mean).toBeCloseTo(Math.min(last, average), 5);
    expect(distance(await kept(output), averaged ? ema : weights)).toBe(0);
    expect(await measure(await kept(output))).toBeCloseTo(Math.min(last, average), 5);
  });

  it('before which it was stopped, the checkpoint holds the averaged weights', async () => {
    const stop = new AbortController();
    const onReport = ({ step }: { step: number }) => step === 5 && stop.abort();
    const { output, result } = await run({
      steps: 60,
      rate: 1e-2,
      reportSeconds: 0,
      onReport,
      signal: stop.signal,
    });
    expect(result.stopped).toBe(true);
    expect(distance(await kept(output), (await state(output)).ema)).toBe(0);
  });
});
