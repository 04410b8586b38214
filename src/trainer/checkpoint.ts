/**
 * @file Checkpoints: a safetensors file of the parameters, and beside it (`<name>.state.safetensors`) what a run needs to go on
 * as if it had not stopped.
 */
import { ShacompError } from '../errors.js';
import { type Architecture, elements, parameters } from '../model/architecture.js';
import { readSafetensors, type Tensor, writeSafetensors } from '../model/safetensors.js';
import { checkArchitecture } from '../model/sharnn.js';
import type { SamplerState } from './data.js';
import { type TrainingNetwork, tensorsOf } from './network.js';

/** Where a run stands, beside the vectors of its network. */
export interface Progress {
  step: number;
  /** bytes trained on */
  bytes: number;
  /** seconds spent training, over all sessions */
  elapsed: number;
  sampler: SamplerState;
}

const invalid = (path: string, what: string) =>
  new ShacompError('ERR_CHECKPOINT_INVALID', `${path}: ${what}`);

const statePath = (path: string) => `${path.replace(/\.safetensors$/, '')}.state.safetensors`;

/** The weights of a float checkpoint and its shape. Further tensors in the file are ignored. */
export async function readCheckpoint(
  path: string,
): Promise<{ arch: Architecture; values: Map<string, Float32Array>; metadata: Record<string, string> }> {
  const { tensors, metadata } = await readSafetensors(path);
  let arch: Architecture;
  try {
    arch = JSON.parse(metadata.architecture ?? 'null');
    checkArchitecture(arch);
  } catch (error) {
    throw new ShacompError(
      'ERR_CHECKPOINT_INVALID',
      `${path}: its metadata name no architecture that can be used`,
      { cause: error },
    );
  }
  const values = new Map<string, Float32Array>();
  for (const { name, shape } of parameters(arch)) {
    const tensor = tensors.get(name);
    if (!(tensor?.data instanceof Float32Array) || tensor.shape.join() !== shape.join())
      throw invalid(path, `${name} is missing or not a ${shape.join(' x ')} tensor of F32`);
    values.set(name, tensor.data);
  }
  return { arch, values, metadata };
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
    metadata: { format: 'pt', architecture: JSON.stringify(arch), ...metadata },
  });
}

/** Vectors of the network that the state file holds. */
const VECTORS = { weights: 'weights', 'optimizer.m': 'm', 'optimizer.v': 'v', ema: 'ema' } as const;

/** Writes what `resume` reads. */
export async function writeState(path: string, network: TrainingNetwork, progress: Progress): Promise<void> {
  const tensors = new Map<string, Tensor>();
  for (const [name, key] of Object.entries(VECTORS))
    tensors.set(name, { shape: [network[key].length], data: network[key] });
  tensors.set('state', { shape: [network.state.length], data: network.state });
  await writeSafetensors(statePath(path), {
    tensors,
    metadata: { architecture: JSON.stringify(network.arch), progress: JSON.stringify(progress) },
  });
}

/**
 * Puts the network where a stopped run left it.
 * @throws ShacompError ERR_CHECKPOINT_INVALID if the run was of another shape, batch or segment length; ERR_FILE
 */
export async function resume(path: string, network: TrainingNetwork): Promise<Progress> {
  const file = statePath(path);
  const { tensors, metadata } = await readSafetensors(file);
  if (metadata.architecture !== JSON.stringify(network.arch))
    throw invalid(file, 'the run to resume has another architecture');
  const copies: (() => void)[] = [];
  for (const [name, key] of Object.entries({ ...VECTORS, state: 'state' as const })) {
    const to = network[key];
    const data = tensors.get(name)?.data;
    if (data?.length !== to.length || data.BYTES_PER_ELEMENT !== to.BYTES_PER_ELEMENT)
      throw invalid(file, `the run to resume has another batch, segment length or precision (${name})`);
    copies.push(() => to.set(data));
  }
  let progress: Progress;
  try {
    progress = JSON.parse(metadata.progress);
  } catch (error) {
    throw new ShacompError('ERR_CHECKPOINT_INVALID', `${file}: its metadata name no progress`, {
      cause: error,
    });
  }
  const { step, bytes, elapsed, sampler } = progress ?? {};
  if (![step, bytes, elapsed, sampler?.random].every((x) => Number.isFinite(x) && x >= 0))
    throw invalid(file, 'its metadata name no progress');
  if (sampler.streams?.length !== network.options.batch)
    throw invalid(file, 'the run to resume has another batch');
  for (const copy of copies) copy();
  return progress;
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
