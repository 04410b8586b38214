/**
 * @file The reference engine: the specification in plain TypeScript. The other engines are checked against
 * it.
 */
import type { IntegerModel } from '../../model/sharnn.js';
import type { Engine } from '../engine.js';
import { referenceMixing } from './mixer.js';
import { openReferenceNetwork, referenceMemory } from './network.js';

/** Slow: for tests and for reading. */
export const referenceEngine: Engine = {
  name: 'reference',
  detail: 'plain TypeScript',
  facts: { kernels: 'plain TypeScript', software: false, limits: { threads: 1 } },
  memory: referenceMemory,
  open: (model: IntegerModel, streams) => openReferenceNetwork(model, streams),
  mixing: referenceMixing,
};
