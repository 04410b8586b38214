/** @file What a training run counts, keeps and goes on from. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import type { Architecture } from '../../src/model/architecture.js';
import { statePath } from '../../src/trainer/checkpoint.js';
import { costs } from '../../src/trainer/cost.js';
import { initialize } from '../../src/trainer/initialize.js';
import { TrainingNetwork } from '../../src/trainer/network.js';
import { readSafetensors, writeSafetensors } from '../../src/trainer/safetensors.js';
import { type TrainOptions, train } from '../../src/trainer/train.js';

const folder = mkdtempSync(join(tmpdir(), 'shacomp-runs-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.restoreAllMocks());

const arch: Architecture = { width: 64, layers: 1, boom: 1, window: 128, attention: [0] };
function text(name: string, letter: string, length = 4000): { path: string } {
  const path = join(folder, name);
  writeFileSync(path, letter.repeat(length));
  return { path };
}
const [a, b] = [text('a', 'a'), text('b', 'b')];

let runs = 0;
function options(more: Partial<TrainOptions> = {}): TrainOptions {
  const output = join(folder, `${runs++}.safetensors`);
  return { arch, inputs: [a], output, batch: 2, segment: 64, steps: 3, threads: 1, bf16: false, ...more };
}

/** Hands every step's segment and settings to `see`. */
function watch(see: (...step: Parameters<TrainingNetwork['step']>) => void): void {
  const { step } = TrainingNetwork.prototype;
  vi.spyOn(TrainingNetwork.prototype, 'step').mockImplementation(function (this: TrainingNetwork, ...args) {
    see(...args);
    return step.apply(this, args);
  });
}

/** Changes what the state beside a checkpoint says of the run. */
async function changeProgress(output: string, change: (progress: Record<string, unknown>) => void) {
  const { tensors, metadata } = await readSafetensors(statePath(output));
  const progress = JSON.parse(metadata.progress);
  change(progress);
  await writeSafetensors(statePath(output), {
    tensors,
    metadata: { ...metadata, progress: JSON.stringify(progress) },
  });
}

/** Options that stop a run at its report after `steps` steps. */
function stopAfter(steps: number): Partial<TrainOptions> {
  const controller = new AbortController();
  let left = steps;
  return {
    signal: controller.signal,
    reportSeconds: 0,
    onReport: () => {
      if (--left === 0) controller.abort();
    },
  };
}

const weightsOf = async (path: string) =>
  new Map(
    [...(await readSafetensors(path)).tensors].map(([name, { data }]) => [name, Buffer.from(data.buffer)]),
  );

describe('a run', () => {
  it('ends with the steps or the time, whichever comes first', async () => {
    expect(await train(options({ steps: 3, seconds: 1000 }))).toMatchObject({ step: 3, stopped: false });
    const { step, elapsed } = await train(options({ steps: 1e6, seconds: 0.1 }));
    expect(step).toBeLessThan(1e6);
    expect(elapsed).toBeGreaterThanOrEqual(0.1);
  });

  it('counts its steps for the optimizer from 1, and on where it is resumed', async () => {
    const times: number[] = [];
    watch((_segment, { time }) => times.push(time));
    const set = options();
    await train(set);
    await train({ ...set, steps: 5, resume: true });
    expect(times).toEqual([1, 2, 3, 4, 5]);
  });

  it('goes on by its optimizer and rate, and by another rate, but not by another optimizer', async () => {
    const steps: [rate: number, momentum: number][] = [];
    watch((_segment, { rate, momentum }) => steps.push([rate, momentum]));
    const set = options({
      optimizer: 'muon',
      rate: 0.002,
      momentum: 0.9,
      decay: 'sqrt',
      warmup: 0,
      steps: 1,
    });
    await train(set);
    const { optimizer, rate, ...rest } = set;
    await train({ ...rest, steps: 1e9, seconds: 1e-6 + 1e9, resume: true, ...stopAfter(1) });
    await train({ ...rest, steps: 1e9, rate: 0.001, resume: true, ...stopAfter(1) });
    expect(steps.map(([rate]) => rate.toFixed(4))).toEqual(['0.0020', '0.0020', '0.0010']);
    expect(steps.map(([, momentum]) => momentum)).toEqual([0.9, 0.9, 0.9]);
    await expect(train({ ...rest, optimizer: 'adamw', resume: true })).rejects.toMatchObject({
      code: 'ERR_OPTIONS',
      message: 'the run to resume has stepped its matrices by muon, not by adamw; leave the optimizer out',
    });
  });

  it('counts the time of all its sessions', async () => {
    const set = options();
    await train(set);
    await changeProgress(set.output, (progress) => Object.assign(progress, { elapsed: 1000 }));
    const { elapsed } = await train({ ...set, steps: 4, resume: true });
    expect(elapsed).toBeGreaterThan(1000);
    expect(elapsed).toBeLessThan(1100);
    // a time limit counts all of it as well
    expect(await train({ ...set, steps: undefined, seconds: 900, resume: true })).toMatchObject({ step: 4 });
  });

  it('reads inputs as often as they weigh', async () => {
    const read = new Set<number>();
    watch(({ targets }) => {
      for (const byte of targets) read.add(byte);
    });
    await train(options({ inputs: [{ ...a, weight: 0 }, b], steps: 20 }));
    expect([...read]).toEqual(['b'.charCodeAt(0)]);
  });

  it('saves now and then, not only at its end', async () => {
    const set = options({ reportSeconds: 0, checkpointSeconds: 0 });
    const saved: boolean[] = [];
    await train({
      ...set,
      onReport: () => saved.push(existsSync(set.output) && existsSync(statePath(set.output))),
    });
    expect(saved).toEqual([false, true, true]);
    const rare = options({ reportSeconds: 0 });
    saved.length = 0;
    await train({ ...rare, onReport: () => saved.push(existsSync(rare.output)) });
    expect(saved).toEqual([false, false, false]);
  });

  it.each([
    ['the loss', { loss: Number.NaN, norm: 1 }],
    ['the loss', { loss: Number.POSITIVE_INFINITY, norm: 1 }],
    ['the norm of the gradient', { loss: 1, norm: Number.NaN }],
    ['the norm of the gradient', { loss: 1, norm: 1e30 }],
  ])('ends and saves nothing where %s is out of bounds: %o', async (_what, result) => {
    vi.spyOn(TrainingNetwork.prototype, 'step').mockReturnValue(result);
    const set = options();
    await expect(train(set)).rejects.toMatchObject({ code: 'ERR_TRAINING_DIVERGED' });
    expect(existsSync(set.output)).toBe(false);
  });

  it('stopped before its first step has the weights that it started from', async () => {
    const first = options({ steps: 5, rate: 1e-2 });
    await train(first);
    const set = options({ from: first.output, signal: AbortSignal.abort() });
    expect(await train(set)).toMatchObject({ step: 0, stopped: true });
    expect(await weightsOf(set.output)).toEqual(await weightsOf(first.output));
  });

  it('is not resumed with another number of streams than it had', async () => {
    const set = options();
    await train(set);
    await changeProgress(set.output, ({ sampler }) => (sampler as { streams: unknown[] }).streams.pop());
    await expect(train({ ...set, resume: true })).rejects.toMatchObject({
      code: 'ERR_CHECKPOINT_INVALID',
      message: expect.stringContaining('a batch of 1'),
    });
  });
});

describe('what a text costs', () => {
  it('does not depend on the segments that it is measured in: the network goes on where it was', async () => {
    const piece = Uint8Array.from({ length: 256 }, (_, i) => (i * i) % 251);
    const nats = async (steps: number) => {
      const network = await TrainingNetwork.open(arch, { batch: 1, steps, threads: 1, bf16: false });
      initialize(arch, network.weights, 1);
      return (await costs(network, [{ path: '', pieces: [piece] }], false))!.get('')!;
    };
    const [long, short] = [await nats(128), await nats(64)];
    expect(long.bytes).toBe(256);
    expect(short.bytes).toBe(256);
    expect(Math.abs(short.nats / long.nats - 1)).toBeLessThan(1e-4);
  });
});
