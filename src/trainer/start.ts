/** @file Weights to start from: a float checkpoint, or an integer model's. */
import type { Architecture } from '../model/architecture.js';
import type { IntegerModel } from '../model/sharnn.js';
import { loadModel } from '../node/models.js';
import { type Checkpoint, readCheckpoint } from './checkpoint.js';
import { dequantize } from './dequantize.js';

const isCheckpoint = (source: string) => source.endsWith('.safetensors');

/**
 * Reads a `.safetensors` checkpoint, or a model by its path or name (`loadModel`), whose rounded weights
 * become floats.
 * @throws ShacompError ERR_FILE, ERR_CHECKPOINT_INVALID, and as `loadModel`
 */
export async function readStart(source: string): Promise<Pick<Checkpoint, 'arch' | 'values'>> {
  if (isCheckpoint(source)) return readCheckpoint(source);
  return dequantize((await loadModel(source)) as IntegerModel);
}

/** The shape of what {@link readStart} reads. @throws the same */
export async function startShape(source: string): Promise<Readonly<Architecture>> {
  return isCheckpoint(source) ? (await readCheckpoint(source)).arch : (await loadModel(source)).architecture;
}
