/** @file A model as tensors: uploaded once, shared by the networks that run it. */
import { SYMBOLS } from '../../model/architecture.js';
import type { IntegerAttention, IntegerLayer, IntegerMatrix, IntegerModel } from '../../model/sharnn.js';
import { Arithmetic, type Multiplier } from './arithmetic.js';
import type { Tensor, TensorFlow } from './tensorflow.js';

/** A matrix whose products are rescaled on tensors. */
export interface Rescaled {
  /** [d][rows], the weights / 256 */
  weight: Tensor;
  multiplier: Multiplier;
}

export interface LayerTensors {
  /** of the first layer, what every byte adds to the gates: [256][4d] each, as `scale` gives them */
  inputTerms: Tensor[];
  /** of the other layers */
  inputWeight: Rescaled | undefined;
  stateWeight: Rescaled;
  gateBias: Tensor;
  /** whether the sums are small for `Arithmetic.saturated` */
  smallGates: boolean;
  boom: Rescaled;
  boomBias: Tensor;
  smallBoom: boolean;
  attention: { query: Tensor; score: Multiplier } | undefined;
}

export interface ModelTensors {
  layers: LayerTensors[];
  /** [d][256] */
  output: Tensor;
  /** bytes of all of them */
  bytes: number;
  dispose(): void;
}

/** Largest magnitude that `scale` of a matrix' products with int8 may have, roughly. */
function largest({ weight, multiplier, shift }: IntegerMatrix): number {
  const d = weight.length / multiplier.length;
  let most = 0;
  for (const [row, m] of multiplier.entries()) {
    let sum = 0;
    for (let k = 0; k < d; k++) sum += Math.abs(weight[row * d + k]);
    most = Math.max(most, 127 * sum * m);
  }
  // the rounding of the parts that `scale` gives, generously
  return most / 2 ** shift + 2 ** 15;
}

const largestOf = (biases: Int32Array): number => biases.reduce((most, b) => Math.max(most, Math.abs(b)), 0);

/** Columns of a matrix side by side, as products of rows of inputs need them. */
function transposed({ weight, multiplier }: IntegerMatrix, factor: number): [Float32Array, number[]] {
  const rows = multiplier.length;
  const d = weight.length / rows;
  const columns = new Float32Array(weight.length);
  for (let row = 0; row < rows; row++)
    for (let k = 0; k < d; k++) columns[k * rows + row] = weight[row * d + k] * factor;
  return [columns, [d, rows]];
}

export function modelTensors(arithmetic: Arithmetic, model: IntegerModel): ModelTensors {
  const { tf } = arithmetic;
  const { width } = model.architecture;
  const all: Tensor[] = [];
  const kept = <T extends Tensor>(tensor: T): T => {
    all.push(tensor);
    return tensor;
  };
  const numbers = (values: ArrayLike<number>) => kept(arithmetic.constant(Float32Array.from(values)));
  const matrix = (m: IntegerMatrix, factor = 1) => kept(arithmetic.constant(...transposed(m, factor)));
  const multiplier = (m: ArrayLike<number>, shift: number): Multiplier => {
    const made = arithmetic.multiplier(m, shift);
    for (const part of [made.whole, made.high, made.low]) kept(part);
    return made;
  };
  const rescaled = (m: IntegerMatrix): Rescaled => ({
    weight: matrix(m, 2 ** -8),
    multiplier: multiplier(m.multiplier, m.shift),
  });
  const attention = ({ query, score }: IntegerAttention) => ({
    query: matrix(query),
    score: multiplier([score.multiplier], score.shift),
  });
  const layer = (of: IntegerLayer, l: number): LayerTensors => {
    const inputs = largest(of.inputWeight);
    const first = l === 0;
    return {
      inputTerms: first ? inputTerms(tf, arithmetic, model).map(kept) : [],
      inputWeight: first ? undefined : rescaled(of.inputWeight),
      stateWeight: rescaled(of.stateWeight),
      gateBias: numbers(of.gateBias),
      smallGates: Arithmetic.small(inputs + largest(of.stateWeight) + largestOf(of.gateBias)),
      boom: rescaled(of.boom),
      boomBias: numbers(of.boomBias),
      smallBoom: Arithmetic.small(largest(of.boom) + largestOf(of.boomBias)),
      attention: of.attention ? attention(of.attention) : undefined,
    };
  };
  const dispose = () => {
    for (const tensor of all) tensor.dispose();
    all.length = 0;
  };
  try {
    const layers = model.layers.map(layer);
    const output = matrix(model.output);
    const bytes = 4 * all.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
    return { layers, output, bytes, dispose };
  } catch (error) {
    dispose();
    throw error;
  }

  function inputTerms(tf: TensorFlow, arithmetic: Arithmetic, { input, layers }: IntegerModel): Tensor[] {
    return tf.tidy(() => {
      const table = tf.tensor(Float32Array.from(input), [SYMBOLS, width], 'float32');
      const { inputWeight } = layers[0];
      const weight = tf.tensor(...transposed(inputWeight, 2 ** -8), 'float32');
      const m = arithmetic.multiplier(inputWeight.multiplier, inputWeight.shift);
      const terms = arithmetic.scale(tf.matMul(table, weight), m);
      for (const part of [m.whole, m.high, m.low]) part.dispose();
      return terms;
    });
  }
}
