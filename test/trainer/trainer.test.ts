/** @file Whole training runs of a very small network. */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type Architecture, parameters } from '../../src/model/architecture.js';
import { fill, readCheckpoint, statePath, writeCheckpoint } from '../../src/trainer/checkpoint.js';
import { floatCrossEntropy, wholeSegments } from '../../src/trainer/cost.js';
import { initialize } from '../../src/trainer/initialize.js';
import { TrainingNetwork, tensorsOf } from '../../src/trainer/network.js';
import { readSafetensors, writeSafetensors } from '../../src/trainer/safetensors.js';
import { type TrainOptions, train } from '../../src/trainer/train.js';

const folder = mkdtempSync(join(tmpdir(), 'shacomp-trainer-'));
afterAll(() => rmSync(folder, { recursive: true }));

const arch: Architecture = { width: 64, layers: 2, boom: 1, window: 128, attention: [0] };
const text = join(folder, 'text');
writeFileSync(text, 'the quick brown fox jumps over the lazy dog\n'.repeat(400));

let runs = 0;
const output = () => join(folder, `${runs++}.safetensors`);

/** A run of a few steps; every step is reported. */
function options(more: Partial<TrainOptions> = {}): TrainOptions {
  return {
    ...{ arch, inputs: [{ path: text }], output: output(), batch: 4, segment: 64, steps: 8, threads: 2 },
    ...{ reportSeconds: 0, ...more },
  };
}

/** Hashes by name: large arrays take long to compare. */
const hashes = async (path: string) =>
  new Map(
    [...(await readSafetensors(path)).tensors].map(([name, { data }]) => [
      name,
      createHash('sha256').update(data).digest('hex'),
    ]),
  );
const weights = (path: string) => hashes(path);
const vectors = (path: string) => hashes(statePath(path));
const failing = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

describe('training', () => {
  it('learns, measures, and writes what it measured', async () => {
    const set = options({ steps: 60, rate: 1e-2 });
    const losses: number[] = [];
    const result = await train({ ...set, onReport: ({ bitsPerByte }) => losses.push(bitsPerByte) });
    expect(losses.length).toBe(60);
    expect(losses[0]).toBeGreaterThan(7);
    expect(losses[59]).toBeLessThan(2);
    expect(result).toMatchObject({ step: 60, bytes: 60 * 4 * 64, stopped: false, left: 0 });
    expect(result.rate).toBeLessThan(1e-3);
    const measured = result.evaluation?.files.get(text) as number;
    expect(measured).toBeLessThan(2);

    // the same held-out text, measured from the checkpoint
    const { arch: shape, values, metadata } = await readCheckpoint(set.output);
    expect(shape).toEqual(arch);
    expect(metadata).toMatchObject({ steps: '60', held_out_bits_per_byte: measured.toFixed(4) });
    const whole = Buffer.from('the quick brown fox jumps over the lazy dog\n'.repeat(400));
    const end = whole.subarray(Math.ceil(whole.length * 0.98));
    const held = wholeSegments(end.subarray(0, 320));
    const bits = await floatCrossEntropy(shape, values, held, 1);
    expect(bits / held.length).toBeCloseTo(measured, 2);
  });

  it('gives the same weights for the same seed and threads, and others for another seed', async () => {
    const [a, b, c] = [options(), options(), options({ seed: 2 })];
    for (const set of [a, b, c]) await train(set);
    expect(await vectors(a.output)).toEqual(await vectors(b.output));
    expect(await weights(a.output)).toEqual(await weights(b.output));
    expect(await weights(a.output)).not.toEqual(await weights(c.output));
  });

  it('runs in WebAssembly, with nearly the same weights', async () => {
    const losses = async (engine: 'auto' | 'wasm') => {
      const found: number[] = [];
      await train(options({ engine, bf16: false, onReport: ({ bitsPerByte }) => found.push(bitsPerByte) }));
      return found;
    };
    const [auto, wasm] = [await losses('auto'), await losses('wasm')];
    for (const [step, bits] of wasm.entries()) expect(bits).toBeCloseTo(auto[step], 3);
  });

  it('stops with a checkpoint, and goes on as if it had not stopped', async () => {
    const whole = options();
    await train(whole);

    const set = options();
    const stop = new AbortController();
    const stopped = await train({
      ...set,
      signal: stop.signal,
      onReport: ({ step }) => step === 3 && stop.abort(),
    });
    expect(stopped).toMatchObject({ stopped: true, step: 3 });
    expect((await weights(set.output)).size).toBe(parameters(arch).length);
    expect(await vectors(set.output)).not.toEqual(await vectors(whole.output));

    const result = await train({ ...set, resume: true });
    expect(result).toMatchObject({ stopped: false, step: 8, bytes: 8 * 4 * 64 });
    expect(await vectors(set.output)).toEqual(await vectors(whole.output));
    expect(await weights(set.output)).toEqual(await weights(whole.output));

    // finished: nothing is left to do
    expect(await train({ ...set, resume: true })).toMatchObject({ stopped: false, step: 8 });
    expect(await vectors(set.output)).toEqual(await vectors(whole.output));
  });

  it('ends after the given time', async () => {
    const result = await train(options({ steps: undefined, seconds: 0.3 }));
    expect(result.stopped).toBe(false);
    expect(result.elapsed).toBeGreaterThanOrEqual(0.3);
    expect(result.step).toBeGreaterThan(0);
  });

  it('starts from a checkpoint', async () => {
    const first = options({ steps: 30, rate: 1e-2 });
    await train(first);
    const losses: number[] = [];
    await train(
      options({ from: first.output, steps: 1, onReport: ({ bitsPerByte }) => losses.push(bitsPerByte) }),
    );
    expect(losses[0]).toBeLessThan(5);
  });

  it('grows a smaller checkpoint: the first step costs what the small network would pay', async () => {
    const small = options({ steps: 30, rate: 1e-2 });
    await train(small);
    const first = async (shape: Architecture) => {
      const losses: number[] = [];
      const onReport = ({ bitsPerByte }: { bitsPerByte: number }) => losses.push(bitsPerByte);
      await train(options({ arch: shape, from: small.output, steps: 1, bf16: false, onReport }));
      return losses[0];
    };
    expect(await first({ ...arch, width: 128 })).toBeCloseTo(await first(arch), 4);
  });

  it('measures given held-out files, and then trains on all of the inputs', async () => {
    const other = join(folder, 'other');
    writeFileSync(other, 'x'.repeat(1000));
    const { evaluation } = await train(options({ heldOut: [other] }));
    expect([...(evaluation?.files.keys() ?? [])]).toEqual([other]);
  });

  it('does without held-out text where there is too little', async () => {
    const short = join(folder, 'short');
    writeFileSync(short, 'to be or not to be');
    const result = await train(options({ inputs: [{ path: short }] }));
    expect(result.evaluation).toBeNull();
    expect(result.bitsPerByte).toBeLessThan(9);
  });
});

describe('training refuses', () => {
  const refused = (more: Partial<TrainOptions>, code: string, message: string) =>
    expect(train(options(more))).rejects.toEqual(failing(code, message));

  it('no text', async () => {
    const empty = join(folder, 'empty');
    writeFileSync(empty, '');
    await refused({ inputs: [] }, 'ERR_OPTIONS', 'no text');
    await refused({ inputs: [{ path: empty }] }, 'ERR_OPTIONS', 'no text');
  });

  it.each<[Partial<TrainOptions>, string]>([
    [{ steps: undefined }, 'length'],
    [{ steps: -1 }, 'length'],
    [{ rate: -1 }, 'rate'],
    [{ rate: Number.NaN }, 'rate'],
    [{ warmup: 2 }, 'warmup'],
    [{ beta2: 1 }, 'beta2'],
    [{ clip: -1 }, 'clip'],
    [{ segment: 100 }, 'segment'],
    [{ batch: 0 }, 'batch'],
    [{ threads: -1 }, 'threads'],
    [{ optimizer: 'sgd' as 'adamw' }, 'optimizer must be one of adamw, muon, not sgd'],
    [{ decay: 'step' as 'linear' }, 'decay'],
  ])('%o', (more, message) => refused(more, 'ERR_OPTIONS', message));

  it('engines that do not train', async () => {
    await refused({ engine: 'reference' }, 'ERR_ENGINE_UNAVAILABLE', 'use native or wasm');
  });

  it('files that are not there, before it begins', async () => {
    await refused({ inputs: [{ path: join(folder, 'none') }] }, 'ERR_FILE', 'none');
    await refused({ heldOut: [join(folder, 'none')] }, 'ERR_FILE', 'none');
    await refused({ output: join(folder, 'no/such/x.safetensors') }, 'ERR_FILE', 'no/such');
    await refused({ from: join(folder, 'none.safetensors') }, 'ERR_FILE', 'none');
    await refused({ from: join(folder, 'none') }, 'ERR_MODEL_NOT_FOUND', 'none');
  });

  it('checkpoints of other networks and runs', async () => {
    const set = options();
    await train(set);
    const wider = { ...arch, boom: 2 };
    await refused({ arch: wider, from: set.output }, 'ERR_OPTIONS', 'cannot grow');
    const resumed = { output: set.output, resume: true };
    await refused({ ...resumed, arch: wider }, 'ERR_CHECKPOINT_INVALID', 'another shape');
    await refused({ ...resumed, batch: 8 }, 'ERR_CHECKPOINT_INVALID', 'another batch');
    await refused({ ...resumed, segment: 128 }, 'ERR_CHECKPOINT_INVALID', 'segments of 64');
  });

  it('damaged states, and leaves the network as it is', async () => {
    const set = options();
    await train(set);
    const path = statePath(set.output);
    const { tensors, metadata } = await readSafetensors(path);
    for (const progress of [
      '',
      '{}',
      'null',
      '{"step":-1,"bytes":0,"elapsed":0,"sampler":{"random":0,"streams":[]}}',
    ]) {
      await writeSafetensors(path, { tensors, metadata: { ...metadata, progress } });
      await refused({ output: set.output, resume: true }, 'ERR_CHECKPOINT_INVALID', 'progress');
    }
    await writeSafetensors(path, { tensors, metadata: { ...metadata, architecture: '{}' } });
    await refused({ output: set.output, resume: true }, 'ERR_CHECKPOINT_INVALID', 'architecture');
    tensors.delete('optimizer.v');
    await writeSafetensors(path, { tensors, metadata });
    await refused({ output: set.output, resume: true }, 'ERR_CHECKPOINT_INVALID', 'optimizer.v');
  });

  it('to save a network whose loss is no number', async () => {
    const network = await TrainingNetwork.open(arch, { batch: 1, steps: 64, threads: 1, bf16: false });
    initialize(arch, network.weights, 1);
    tensorsOf(arch, network.weights).get('layers.1.norm_residual.weight')?.fill(3e38);
    const from = output();
    await writeCheckpoint(from, arch, network.weights);
    const set = options({ from });
    await expect(train(set)).rejects.toEqual(failing('ERR_TRAINING_DIVERGED', 'step 1'));
    expect(existsSync(set.output) || existsSync(statePath(set.output))).toBe(false);
  });

  it('to go on when it cannot save, and leaves nothing half-written', async () => {
    const set = options();
    mkdirSync(set.output);
    await expect(train(set)).rejects.toEqual(failing('ERR_FILE', set.output));
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([]);
  });
});

describe('a checkpoint', () => {
  const flat = new Float32Array(
    parameters(arch).reduce((sum, p) => sum + p.shape.reduce((a, b) => a * b, 1), 0),
  );
  initialize(arch, flat, 3);

  it('comes back as it was written', async () => {
    const path = output();
    await writeCheckpoint(path, arch, flat, { name: 'test' });
    const { values, metadata, arch: shape } = await readCheckpoint(path);
    const back = new Float32Array(flat.length);
    fill(shape, values, back);
    expect(back.every((x, i) => x === flat[i])).toBe(true);
    expect([...values.keys()]).toEqual(parameters(arch).map((p) => p.name));
    expect(metadata).toMatchObject({ format: 'pt', name: 'test' });
  });

  it('with other tensors in it can be read', async () => {
    const path = output();
    await writeCheckpoint(path, arch, flat);
    const { tensors, metadata } = await readSafetensors(path);
    tensors.set('more', { shape: [1], data: Uint8Array.of(1) });
    await writeSafetensors(path, { tensors, metadata });
    expect((await readCheckpoint(path)).values.has('more')).toBe(false);
  });

  it.each<[string, (file: Awaited<ReturnType<typeof readSafetensors>>) => void]>([
    ['no architecture', ({ metadata }) => delete metadata.architecture],
    ['architecture', ({ metadata }) => Object.assign(metadata, { architecture: '{"width":64}' })],
    ['architecture', ({ metadata }) => Object.assign(metadata, { architecture: '{' })],
    ['output.bias', ({ tensors }) => tensors.delete('output.bias')],
    ['output.bias', ({ tensors }) => tensors.set('output.bias', { shape: [256], data: new Uint8Array(256) })],
    [
      'output.bias',
      ({ tensors }) => tensors.set('output.bias', { shape: [1, 256], data: new Float32Array(256) }),
    ],
    [
      'no numbers',
      ({ tensors }) =>
        tensors.set('output.bias', { shape: [256], data: new Float32Array(256).fill(Number.NaN) }),
    ],
  ])('is refused, saying: %s', async (message, damage) => {
    const path = output();
    await writeCheckpoint(path, arch, flat);
    const file = await readSafetensors(path);
    damage(file);
    await writeSafetensors(path, file);
    await expect(readCheckpoint(path)).rejects.toEqual(failing('ERR_CHECKPOINT_INVALID', message));
  });
});
