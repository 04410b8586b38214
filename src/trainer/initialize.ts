/** @file Random weights to start from. */
import { type Architecture, elements, parameters } from '../model/architecture.js';
import { Random } from './random.js';

/**
 * Fills a flat vector in the order of `parameters(arch)`. Norm gains are 1, biases and attention gates 0, the
 * forget gate's bias 1 (Jozefowicz 2015); LSTM matrices are uniform in ±1/sqrt(d), the others normal.
 */
export function initialize(arch: Architecture, weights: Float32Array, seed: number): void {
  const random = new Random(seed);
  const d = arch.width;
  let at = 0;
  for (const { name, shape } of parameters(arch)) {
    const tensor = weights.subarray(at, at + elements(shape));
    at += tensor.length;
    const normal = (deviation: number) => {
      for (let i = 0; i < tensor.length; i++) tensor[i] = deviation * random.normal();
    };
    if (name.includes('lstm.weight')) {
      for (let i = 0; i < tensor.length; i++) tensor[i] = (2 * random.uniform() - 1) / Math.sqrt(d);
    } else if (name === 'embedding.weight') normal(0.5 / Math.sqrt(d));
    else if (shape.length === 2) normal((name.includes('boom') ? 0.5 : 1) / Math.sqrt(d));
    else if (name.includes('norm_') && name.endsWith('.weight')) tensor.fill(1);
    else {
      tensor.fill(0);
      if (name.endsWith('lstm.bias')) tensor.fill(1, d, 2 * d);
    }
  }
}
