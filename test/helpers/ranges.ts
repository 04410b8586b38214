/** @file Ranges of activations for tests that calibrate on nothing. */
import type { Architecture } from '../../src/model/architecture.js';
import type { ActivationRanges } from '../../src/trainer/ranges.js';

/** Ranges that hold for random parameters, with a channel's largest value as given. */
export function rangesUpTo(arch: Architecture, most: number): ActivationRanges {
  const vector = () => new Float32Array(arch.width).fill(most);
  return {
    layers: Array.from({ length: arch.layers }, () => ({
      ...{ start: vector(), memory: vector(), query: vector(), boom: vector() },
      ...{ outputReach: 30, attentionReach: 30, queryReach: 10, boomReach: 20, cellReach: 10 },
    })),
    output: vector(),
  };
}
