/**
 * @file Growing: a larger network that computes what a smaller one does, to train on from instead of from
 * random weights.
 *
 * Width grows by doubling (Net2Net, Chen et al. 2016, arXiv:1511.05641, section 2.3): every unit stands
 * twice, and each weight that reads it is divided between the copies, unevenly, so that their gradients
 * differ and the copies part. Vectors of width 2d hold the copies one after the other: unit k is at k and d +
 * k.
 *
 * Depth grows by layers that pass their input on. A block's output is a function of its LSTM's h alone, which
 * is bounded: so they can only be nearly the identity (see `passingLayer`).
 *
 * A layer gets attention by one whose value gate is shut. What is new besides is a norm between the LSTM and
 * two other norms, which changes nothing: norms only read what has been normalized.
 */
import { ShacompError } from '../errors.js';
import { type Architecture, elements, parameters } from '../model/architecture.js';
import { Random } from './random.js';

type Values = ReadonlyMap<string, Float32Array>;

/**
 * Scale of a passing layer's cell input: small enough for tanh(x) = x, large enough for a first step not to
 * drown it.
 */
const PASSING_SCALE = 1 / 32;
/** Bias of a passing layer's forget gate: sigmoid(-6) = 0.0025 of the cell is left after a step. */
const PASSING_FORGET = -6;
/** Value gate of new attention: sigmoid(-4) = 0.018 of its output comes through, enough to learn from. */
const PASSING_VALUE = -4;

/**
 * The parameters of a network of shape `to` that computes what `values` of shape `from` do.
 *
 * Wider networks are equal, but for rounding; deeper ones nearly so. A longer window lets queries see more
 * positions than before. Layers are added before the old ones or after them, such that the old layers keep
 * their attention; where that cannot be, some of them get attention.
 *
 * @param seed of the uneven division
 * @throws ShacompError ERR_OPTIONS if there is no way from one shape to the other
 */
export function grow(
  from: Architecture,
  values: Values,
  to: Architecture,
  seed = 1,
): Map<string, Float32Array> {
  const refuse = (why: string) =>
    new ShacompError('ERR_OPTIONS', `a network of this shape cannot grow into the one to train: ${why}`);
  if (to.boom !== from.boom) throw refuse(`its boom factor is ${from.boom}, not ${to.boom}`);
  if (to.window < from.window) throw refuse(`its window is ${from.window}, that of the larger ${to.window}`);
  const doublings = Math.log2(to.width / from.width);
  if (!Number.isInteger(doublings) || doublings < 0)
    throw refuse(`its width is ${from.width}, and ${to.width} is not that doubled once or more`);
  const first = placeOf(from, to);
  if (first === undefined)
    throw refuse('its layers are too many, or have attention where the larger has none');

  const random = new Random(seed);
  let { width } = from;
  let grown = new Map(values);
  for (let n = 0; n < doublings; n++) {
    grown = doubled({ ...from, width }, grown, random);
    width *= 2;
  }
  return deepened(grown, to, first);
}

/**
 * Index of the old network's first layer in the new one, so that every old layer keeps its attention and as
 * few as possible get it.
 */
function placeOf(from: Architecture, to: Architecture): number | undefined {
  const places = Array.from({ length: Math.max(0, to.layers - from.layers + 1) }, (_, first) => first);
  const attentive = (first: number) =>
    to.attention.filter((l) => l >= first && l < first + from.layers).length;
  return places
    .filter((first) => from.attention.every((l) => to.attention.includes(first + l)))
    .sort((a, b) => attentive(a) - attentive(b))[0];
}

/** Every unit twice. */
function doubled(arch: Architecture, values: Values, random: Random): Map<string, Float32Array> {
  const d = arch.width;
  const shapes = new Map(parameters({ ...arch, width: 2 * d }).map(({ name, shape }) => [name, shape]));
  const grown = new Map<string, Float32Array>();
  for (const [name, old] of values) {
    const shape = shapes.get(name) as number[];
    const value = new Float32Array(elements(shape));
    const factor = factorOf(name);
    const isEmbedding = name === 'embedding.weight';
    if (shape.length === 2) {
      for (let row = 0; row < shape[0]; row++) {
        const source = isEmbedding ? row : unitOf(row, d);
        for (let k = 0; k < d; k++) {
          const weight = old[source * d + k];
          // The embedding is the softmax's matrix too: both copies keep the whole weight, and the final norm
          // is halved.
          const share = isEmbedding ? 1 : random.uniform();
          value[row * 2 * d + k] = share * weight;
          value[row * 2 * d + d + k] = isEmbedding ? weight : (1 - share) * weight;
        }
      }
    } else if (name === 'output.bias') value.set(old);
    else for (let row = 0; row < value.length; row++) value[row] = factor * old[unitOf(row, d)];
    grown.set(name, value);
  }
  return grown;
}

/**
 * Row of the old tensor that row `row` of the doubled one copies: both consist of groups of d and 2d rows
 * (gates, chunks).
 */
const unitOf = (row: number, d: number): number => Math.floor(row / (2 * d)) * d + (row % d);

/**
 * What a vector is multiplied by: sums over units are twice as large, and scores are divided by sqrt(2d)
 * instead of sqrt(d).
 */
function factorOf(name: string): number {
  if (name.startsWith('norm_final.')) return 0.5;
  if (name.includes('.attention.norm_query.')) return Math.SQRT1_2;
  return 1;
}

/**
 * Places the layers of `values`, which have the width of `to`, at `first`, passing layers around them and new
 * attention within.
 */
function deepened(values: Values, to: Architecture, first: number): Map<string, Float32Array> {
  const grown = new Map<string, Float32Array>();
  for (const { name, shape } of parameters(to)) {
    const [, number, rest = ''] = name.match(/^layers\.(\d+)\.(.*)$/) ?? [];
    const old = values.get(number === undefined ? name : `layers.${Number(number) - first}.${rest}`);
    grown.set(name, old ?? passingLayer(rest, shape, to.width));
  }
  return grown;
}

/**
 * A parameter of a layer whose output is, after the norm that reads it, its input: the cell's input is the
 * layer's times PASSING_SCALE, input and output gates are constant (a norm follows: their size does not
 * matter), the cell forgets, and the boom layer and the attention give nothing.
 */
function passingLayer(name: string, shape: number[], d: number): Float32Array {
  const value = new Float32Array(elements(shape));
  if (name === 'lstm.weight_ih') for (let k = 0; k < d; k++) value[(2 * d + k) * d + k] = PASSING_SCALE;
  else if (name === 'lstm.bias') value.fill(PASSING_FORGET, d, 2 * d);
  else if (name === 'attention.gate_value') value.fill(PASSING_VALUE);
  else if (name === 'attention.query.weight') for (let k = 0; k < d; k++) value[k * d + k] = 1;
  else if (name.startsWith('norm_') && name.endsWith('.weight')) value.fill(1);
  else if (name === 'attention.norm_query.weight') value.fill(1);
  return value;
}
