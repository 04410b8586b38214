/**
 * @file How large the float network's activations become on some text: what the quantizer fits its ranges to.
 */
import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { ShacompError } from '../errors.js';
import { type Architecture, INITIAL_BYTE, SYMBOLS } from '../model/architecture.js';
import { fill } from './checkpoint.js';
import { TrainingNetwork } from './network.js';

/** Largest magnitudes met. Vectors are by channel, of normalized values, without gain and bias. */
export interface LayerRanges {
  /** input of the LSTM; zeros in the first layer, whose input is a table */
  start: Float32Array;
  /** attention memory and query; zeros without attention */
  memory: Float32Array;
  query: Float32Array;
  /** input of the boom layer */
  boom: Float32Array;
  /** of the layer's output */
  outputReach: number;
  /** of the attention's output */
  attentionReach: number;
  /** of the query before its norm, less its mean */
  queryReach: number;
  /** of the boom layer's sums before the activation */
  boomReach: number;
  /** of the LSTM's cell */
  cellReach: number;
}

export interface ActivationRanges {
  layers: LayerRanges[];
  /** input of the softmax layer */
  output: Float32Array;
  /** absent where only ranges are of interest */
  moments?: Moments;
}

/**
 * Mean of x xᵀ over positions, [d][d], of the inputs x of products: normalized vectors without gain and bias,
 * and the LSTM's state.
 */
export interface Moments {
  layers: {
    /** zeros in the first layer, whose input is a table */
    start: Float32Array;
    hidden: Float32Array;
    /** zeros without attention */
    memory: Float32Array;
    boom: Float32Array;
  }[];
  output: Float32Array;
  /** [256]: share of each byte */
  bytes: Float64Array;
}

/** Bytes of a segment of the float network here. */
const SEGMENT = 64;

/** The ranges of a vector that `evaluate` has raised, over all workers (cpp/train/train.h has the layout). */
export function rangesOf(arch: Architecture, all: Float32Array): ActivationRanges {
  const { width: d, layers } = arch;
  const length = layers * (4 * d + 5) + d;
  const most = new Float32Array(length);
  for (let i = 0; i < all.length; i++) most[i % length] = Math.max(most[i % length], all[i]);
  return {
    layers: Array.from({ length: layers }, (_, l) => {
      const at = l * (4 * d + 5);
      const vector = (n: number) => most.slice(at + n * d, at + (n + 1) * d);
      const [outputReach, attentionReach, queryReach, boomReach, cellReach] = most.subarray(at + 4 * d);
      return {
        ...{ start: vector(0), memory: vector(1), query: vector(2), boom: vector(3) },
        ...{ outputReach, attentionReach, queryReach, boomReach, cellReach },
      };
    }),
    output: most.slice(length - d),
  };
}

/** The sums that `evaluate` has made over some positions, over all workers, as means. */
function momentsOf(arch: Architecture, all: Float32Array, counts: Float64Array): Moments {
  const square = arch.width ** 2;
  const length = (4 * arch.layers + 1) * square;
  const positions = counts.reduce((a, b) => a + b);
  const mean = (index: number) => {
    const sum = new Float32Array(square);
    for (let from = index * square; from < all.length; from += length)
      for (let i = 0; i < square; i++) sum[i] += all[from + i] / positions;
    return sum;
  };
  return {
    layers: Array.from({ length: arch.layers }, (_, l) => ({
      start: mean(4 * l),
      hidden: mean(4 * l + 1),
      memory: mean(4 * l + 2),
      boom: mean(4 * l + 3),
    })),
    output: mean(4 * arch.layers),
    bytes: counts.map((n) => n / positions),
  };
}

/**
 * Runs the float network over some texts side by side, each from the cold state, and notes how large its
 * activations become.
 * @param texts long enough to fill the memory; whole segments of 64 bytes are used, and shorter texts begin
 * again until the longest is over
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE where nothing trains, ERR_OPTIONS if a text is shorter than a
 * segment
 */
export async function activationRanges(
  arch: Architecture,
  values: ReadonlyMap<string, Float32Array>,
  texts: readonly Uint8Array[],
  threads = availableParallelism(),
  onProgress?: (share: number) => void,
): Promise<ActivationRanges> {
  const batch = texts.length;
  const network = await TrainingNetwork.open(arch, {
    batch,
    steps: SEGMENT,
    threads,
    bf16: false,
    moments: true,
  });
  fill(arch, values, network.weights);
  const lengths = texts.map((text) => Math.floor(text.length / SEGMENT) * SEGMENT);
  if (lengths.length === 0 || lengths.includes(0))
    throw new ShacompError('ERR_OPTIONS', `a text to calibrate on must have at least ${SEGMENT} bytes`);
  const longest = Math.max(...lengths);
  const counts = new Float64Array(SYMBOLS);
  for (let at = 0; at < longest; at += SEGMENT) {
    const inputs = new Uint8Array(batch * SEGMENT);
    const targets = new Uint8Array(batch * SEGMENT);
    const resets = new Uint8Array(batch);
    texts.forEach((text, b) => {
      const from = at % lengths[b];
      targets.set(text.subarray(from, from + SEGMENT), b * SEGMENT);
      inputs.set(text.subarray(from, from + SEGMENT - 1), b * SEGMENT + 1);
      inputs[b * SEGMENT] = from === 0 ? INITIAL_BYTE : text[from - 1];
      resets[b] = from === 0 ? 1 : 0;
    });
    for (const byte of inputs) counts[byte]++;
    network.evaluate({ inputs, targets, resets }, false, at === 0);
    onProgress?.((at + SEGMENT) / longest);
    await setImmediate();
  }
  return { ...rangesOf(arch, network.ranges), moments: momentsOf(arch, network.moments, counts) };
}
