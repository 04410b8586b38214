/** @file TensorFlow.js for tests and benchmarks, on the backends that need no download. */
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import * as core from '@tensorflow/tfjs-core';
import { type TfjsPredictor, tfjsPredictor } from '../../src/engines/tfjs/engine.js';
import type { TensorFlow } from '../../src/engines/tfjs/tensorflow.js';

core.enableProdMode();

/** What the engine uses of it takes tensors alone, and not all that they have. */
export const tf = core as unknown as TensorFlow;
/** Tensors that there are. */
export const tensors = (): number => core.memory().numTensors;

/** The engine on a backend, which is then everyone's. */
export async function tfjsOn(backend: 'cpu' | 'wasm'): Promise<TfjsPredictor> {
  await core.setBackend(backend);
  return tfjsPredictor(tf);
}
