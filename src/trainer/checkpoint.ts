/**
 * @file Checkpoints: a safetensors file of the parameters, and beside it (`<name>.state.safetensors`) what a
 * run needs to go on as if it had not stopped.
 */
import { existsSync } from 'node:fs';
import { ShacompError } from '../errors.js';
import { type Architecture, elements, parameters } from '../model/architecture.js';
import { checkArchitecture } from '../model/sharnn.js';
import { systemName } from '../node/names.js';
import type { SamplerState } from './data.js';
import { OPTIMIZERS, type Optimizer } from './defaults.js';
import { type TrainingNetwork, tensorsOf } from './network.js';
import { readSafetensors, type Tensor, writeSafetensors } from './safetensors.js';
import { parseShallowJson } from './shallow-json.js';

/** Where a run stands, beside the vectors of its network. */
export interface Progress {
  step: number;
  /** bytes trained on */
  bytes: number;
  /** seconds spent training, over all sessions */
  elapsed: number;
  sampler: SamplerState;
}

/** What a run goes on with where it is not told otherwise. */
export interface Settings {
  optimizer: Optimizer;
  /** highest learning rate */
  rate: number;
}

const invalid = (path: string, what: string, cause?: unknown) =>
  new ShacompError('ERR_CHECKPOINT_INVALID', `${path}: ${what}`, { cause });

/** The state of the run that writes this checkpoint. */
export const statePath = (path: string): string => `${path.replace(/\.safetensors$/, '')}.state.safetensors`;

/** Whether two networks have the same shape. */
export const sameShape = (a: Architecture, b: Architecture): boolean => describeShape(a) === describeShape(b);

const describeShape = ({ width, layers, boom, window, attention }: Architecture): string =>
  JSON.stringify({ width, layers, boom, window, attention });

/** @throws ShacompError ERR_CHECKPOINT_INVALID */
function architectureOf(path: string, metadata: Record<string, string>): Architecture {
  try {
    const { width, layers, boom, window, attention } = parseShallowJson(
      metadata.architecture,
      2,
    ) as Architecture;
    const arch: Architecture = { width, layers, boom, window, attention };
    checkArchitecture(arch);
    return arch;
  } catch (error) {
    throw invalid(path, 'its metadata name no architecture that can be used', error);
  }
}

/** A float network, as a `.safetensors` file holds it. */
export interface Checkpoint {
  arch: Architecture;
  /** by name, as `parameters(arch)` lists them; row-major */
  values: Map<string, Float32Array>;
  /** of the file: steps trained, bytes trained on, bits per byte of the held-out text */
  metadata: Record<string, string>;
}

/**
 * The weights of a float checkpoint and its shape. Further tensors in the file are ignored.
 * @throws ShacompError ERR_FILE, ERR_CHECKPOINT_INVALID
 */
export async function readCheckpoint(path: string): Promise<Checkpoint> {
  let arch!: Architecture;
  const { tensors, metadata } = await readSafetensors(path, (metadata) => {
    arch = architectureOf(path, metadata);
    const shapes = new Map(parameters(arch).map(({ name, shape }) => [name, shape.join()]));
    return (name, shape) => shapes.get(name) === shape.join();
  });
  const values = new Map<string, Float32Array>();
  for (const { name, shape } of parameters(arch)) {
    const tensor = tensors.get(name);
    if (!(tensor?.data instanceof Float32Array) || tensor.shape.join() !== shape.join())
      throw invalid(path, `${name} is missing or not a ${shape.join(' x ')} tensor of F32`);
    if (!tensor.data.every(Number.isFinite)) throw invalid(path, `${name} holds values that are no numbers`);
    values.set(name, tensor.data);
  }
  return { arch, values, metadata };
}

/** Weights by name, copied from a flat vector in the order of `parameters(arch)`. */
export function valuesOf(arch: Architecture, flat: Float32Array): Map<string, Float32Array> {
  let at = 0;
  return new Map(
    parameters(arch).map(({ name, shape }) => {
      const from = at;
      at += elements(shape);
      return [name, flat.slice(from, at)];
    }),
  );
}

/** Writes the parameters alone, in the order of `parameters(arch)`. */
export async function writeCheckpoint(
  path: string,
  arch: Architecture,
  flat: Float32Array,
  metadata: Record<string, string> = {},
): Promise<void> {
  const named = tensorsOf(arch, flat);
  const tensors = new Map<string, Tensor>(
    parameters(arch).map(({ name, shape }) => [name, { shape, data: named.get(name) as Float32Array }]),
  );
  await writeSafetensors(path, {
    tensors,
    metadata: { format: 'pt', architecture: describeShape(arch), ...metadata },
  });
}

/** Vectors of the network that the state file holds. */
const VECTORS = { weights: 'weights', 'optimizer.m': 'm', 'optimizer.v': 'v', ema: 'ema' } as const;

/** Writes what `resume` reads. */
export async function writeState(
  path: string,
  network: TrainingNetwork,
  progress: Progress,
  { optimizer, rate }: Settings,
): Promise<void> {
  const tensors = new Map<string, Tensor>();
  for (const [name, key] of Object.entries(VECTORS))
    tensors.set(name, { shape: [network[key].length], data: network[key] });
  tensors.set('state', { shape: [network.state.length], data: network.state });
  await writeSafetensors(statePath(path), {
    tensors,
    metadata: {
      architecture: describeShape(network.arch),
      segment: String(network.options.steps),
      progress: JSON.stringify(progress),
      optimizer,
      rate: String(rate),
    },
  });
}

/**
 * The settings of the run whose state lies beside the checkpoint; none where there is no state.
 * @throws ShacompError ERR_CHECKPOINT_INVALID, ERR_FILE
 */
export async function settingsOf(path: string): Promise<Partial<Settings>> {
  const file = statePath(path);
  if (!existsSync(systemName(file))) return {};
  const { optimizer, rate } = (await readSafetensors(file, () => () => false)).metadata;
  if (optimizer === undefined && rate === undefined) return {};
  const known = OPTIMIZERS.find((name) => name === optimizer);
  if (known === undefined || !(Number(rate) >= 0 && Number(rate) <= 1))
    throw invalid(file, 'its metadata name no optimizer and rate');
  return { optimizer: known, rate: Number(rate) };
}

/**
 * Puts the network where a stopped run left it. The network changes only if the whole file is good.
 * @throws ShacompError ERR_CHECKPOINT_INVALID if the run was of another shape, batch, segment length or
 *   number format; ERR_FILE
 */
export async function resume(path: string, network: TrainingNetwork): Promise<Progress> {
  const file = statePath(path);
  const vectors = { ...VECTORS, state: 'state' } as const;
  const lengths = new Map(Object.entries(vectors).map(([name, key]) => [name, network[key].length]));
  const { tensors, metadata } = await readSafetensors(
    file,
    () => (name, shape) => lengths.get(name) === elements(shape),
  );
  if (!sameShape(architectureOf(file, metadata), network.arch))
    throw invalid(file, 'the run to resume trains a network of another shape');
  const { steps, batch } = network.options;
  if ((metadata.segment ?? String(steps)) !== String(steps))
    throw invalid(file, `the run to resume had segments of ${metadata.segment} bytes, not ${steps}`);
  const copies: (() => void)[] = [];
  for (const [name, key] of Object.entries(vectors)) {
    const to = network[key];
    const data = tensors.get(name)?.data;
    if (data?.length !== to.length || data.BYTES_PER_ELEMENT !== to.BYTES_PER_ELEMENT)
      throw invalid(
        file,
        `the run to resume had another batch or number format (${name}); give the options that it had`,
      );
    copies.push(() => to.set(data));
  }
  const progress = progressOf(file, metadata);
  if (progress.sampler.streams.length !== batch)
    throw invalid(file, `the run to resume had a batch of ${progress.sampler.streams.length}`);
  for (const copy of copies) copy();
  return progress;
}

/** @throws ShacompError ERR_CHECKPOINT_INVALID */
function progressOf(file: string, metadata: Record<string, string>): Progress {
  try {
    const progress = parseShallowJson(metadata.progress, 4) as Progress;
    const { step, bytes, elapsed, sampler } = progress;
    const numbers = [step, bytes, elapsed, sampler.random];
    const streams = sampler.streams.flatMap(({ file, at, left }) => [file, at, left]);
    if ([...numbers, ...streams].every((x) => Number.isFinite(x) && x >= 0)) return progress;
  } catch (error) {
    throw invalid(file, 'its metadata name no progress', error);
  }
  throw invalid(file, 'its metadata name no progress');
}

/** Copies named values into a flat vector in the order of `parameters(arch)`. */
export function fill(
  arch: Architecture,
  values: ReadonlyMap<string, Float32Array>,
  flat: Float32Array,
): void {
  let at = 0;
  for (const { name, shape } of parameters(arch)) {
    flat.set(values.get(name) as Float32Array, at);
    at += elements(shape);
  }
}
