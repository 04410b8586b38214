import { describe, expect, it } from 'vitest';
import type { Architecture } from '../../src/model/architecture.js';
import { Case, candidates } from '../helpers/conformance.js';
import { randomModel, randomSource } from '../helpers/random-model.js';

const engines = await candidates();

/** Shapes of which a step takes the reference little time. */
function randomShape(seed: number): Architecture {
  const random = randomSource(seed);
  const pick = <T>(...of: T[]) => of[Math.floor(random() * of.length)];
  const layers = pick(1, 2, 3);
  const attention = Array.from({ length: layers }, (_, l) => l).filter(() => random() < 0.7);
  return {
    width: pick(64, 64, 128, 192, 320),
    layers,
    boom: pick(1, 2, 4, 8),
    window: pick(1, 2, 17, 513, 8192),
    attention,
  };
}

describe('models with whatever numbers a file may have', () => {
  it.each(Array.from({ length: 40 }, (_, seed) => seed))(
    'give the same bits on every engine: seed %i',
    (seed) => {
      const architecture = randomShape(seed);
      const model = randomModel({ seed, architecture, extreme: 'hostile' });
      const { width, layers } = architecture;
      const run = new Case(model, 1 + (seed % 5), Math.max(3, Math.round(3000 / (width * layers))));
      expect(run.expected.every((frequency) => frequency >= 1 && frequency <= 2 ** 22)).toBe(true);
      for (const { engine } of engines) run.check(engine);
    },
  );
});
