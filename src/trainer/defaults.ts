/**
 * @file What a training run does where it is not told otherwise: trainer, command line and help take it from
 * here.
 */
import type { Schedule } from './schedule.js';

/** Share of every input, its end, that is measured and not trained on, where no held-out files are given. */
export const HELD_OUT_SHARE = 0.02;

/** What steps the layers' matrices; the rest is always AdamW's. */
export const OPTIMIZERS = ['adamw', 'muon'] as const;
export type Optimizer = (typeof OPTIMIZERS)[number];

/**
 * What the command line does where a run begins with trained weights: they are moved gently, by the optimizer
 * that then learned more in the same time (docs/training.md, section 4).
 */
export const FINE_TUNING = { rate: 1e-3, optimizer: 'muon' as Optimizer };

/** Defaults of `TrainOptions`, which says what they are. */
export const TRAIN_DEFAULTS = {
  batch: 32,
  segment: 128,
  bf16: true,
  seed: 1,
  rate: 3e-3,
  warmup: 0.02,
  decay: 'linear' as Schedule['decay'],
  optimizer: 'adamw' as Optimizer,
  weightDecay: 0.01,
  clip: 1,
  beta1: 0.9,
  beta2: 0.99,
  momentum: 0.95,
  ema: 0.998,
  reportSeconds: 20,
  checkpointSeconds: 120,
  evaluateSeconds: 180,
  evaluateBytes: 32768,
};
