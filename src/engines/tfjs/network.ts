/**
 * @file The network of docs/model.md, section 3.1: products, gates, cells and attention on tensors, norms and
 * what is elementwise beside them on the CPU, by the reference's functions. Each norm needs a square root and
 * a division of 32-bit integers for every stream, which tensors could only give in some fifty operations.
 */
import { SYMBOLS } from '../../model/architecture.js';
import type { Affine, IntegerAttention, IntegerLayer, IntegerModel } from '../../model/sharnn.js';
import { checkRun, networkClosed } from '../check.js';
import type { Network } from '../engine.js';
import {
  affine,
  frequency,
  mul15,
  narrow,
  normalize,
  reciprocal,
  sat8,
  sat16,
  scale,
} from '../reference/fixed-point.js';
import type { Arithmetic } from './arithmetic.js';
import { Memory } from './memory.js';
import type { LayerTensors, ModelTensors, Rescaled } from './model-tensors.js';
import type { Tensor } from './tensorflow.js';

const LOGIT_LIMIT = 2 ** 24 - 1;

/** Rows of whole numbers, one for each stream. */
type Numbers = Uint8Array | Int16Array | Float32Array;

/** State of one layer. */
interface LayerState {
  /** [streams][d], Q0.7 */
  h8: Tensor;
  /** [streams][d], Q9.15 */
  cell: Tensor;
  memory: Memory;
}

export class TensorNetwork implements Network {
  private states: LayerState[] = [];
  private closed = false;

  /** @param done called when it is closed; `model` is disposed of by others */
  constructor(
    private readonly arithmetic: Arithmetic,
    private readonly model: IntegerModel,
    private readonly tensors: ModelTensors,
    readonly streams: number,
    private readonly done: () => void,
  ) {}

  reset(): void {
    if (this.closed) throw networkClosed();
    this.dispose();
  }

  step(bytes: Uint8Array, frequencies: Uint32Array): void {
    this.run(bytes, 1, frequencies);
  }

  run(bytes: Uint8Array, steps: number, frequencies: Uint32Array): void {
    const S = this.streams;
    if (this.closed) throw networkClosed();
    checkRun(S, bytes, steps, frequencies);
    for (let t = 0; t < steps; t++)
      this.advance(
        bytes.subarray(t * S, (t + 1) * S),
        frequencies.subarray(t * S * SYMBOLS, (t + 1) * S * SYMBOLS),
      );
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.dispose();
    this.done();
  }

  private dispose(): void {
    for (const { h8, cell, memory } of this.states) {
      h8.dispose();
      cell.dispose();
      memory.dispose();
    }
    this.states = [];
  }

  /** The cold state. */
  private start(): LayerState[] {
    const { tf } = this.arithmetic;
    const { width, window, layers } = this.model.architecture;
    const zeros = () => tf.zeros([this.streams, width]);
    return Array.from({ length: layers }, () => ({
      h8: zeros(),
      cell: zeros(),
      memory: new Memory(tf, window),
    }));
  }

  private advance(bytes: Uint8Array, frequencies: Uint32Array): void {
    const { model, tensors } = this;
    if (this.states.length === 0) this.states = this.start();
    let x: Numbers = bytes;
    for (const [l, layer] of model.layers.entries()) {
      if (l > 0) x = quantized(this.normalized(x), layer.startScale);
      const hidden = this.lstm(tensors.layers[l], this.states[l], x);
      const y = layer.attention
        ? this.attend(layer.attention, tensors.layers[l], this.states[l].memory, hidden)
        : hidden;
      x = this.feedForward(layer, tensors.layers[l], y);
    }
    this.softmax(x, frequencies);
  }

  /** Updates the state. @param input bytes of the first layer, else int8[streams][d]. @returns h, Q0.15 */
  private lstm(layer: LayerTensors, state: LayerState, input: Numbers): Numbers {
    const { arithmetic } = this;
    const { tf } = arithmetic;
    const { h, h8, cell } = tf.tidy(() => {
      const { inputTerms, inputWeight, stateWeight, gateBias, smallGates } = layer;
      const fromInput = inputWeight
        ? this.product(inputWeight, this.upload(input))
        : this.gathered(inputTerms, input);
      const terms = [...fromInput, ...this.product(stateWeight, state.h8), gateBias];
      const P = arithmetic.saturated(terms, smallGates);
      // int32, which some operations of a GPU leave to the CPU, is made to look up alone
      const [inputGate, forgetGate, g, outputGate] = tf.split(P, 4, 1).map((gate) => arithmetic.index(gate));
      const fresh = arithmetic.mul15(arithmetic.sigmoid(inputGate), arithmetic.tanh(g));
      const left = arithmetic.scaleCell(state.cell, arithmetic.sigmoid(forgetGate));
      // a sum of 25 bits is beyond the limit, rounded or not
      const cell = tf.clipByValue(tf.add(left, fresh), -LOGIT_LIMIT, LOGIT_LIMIT);
      const narrowed = tf.clipByValue(arithmetic.rounded(cell, 3), -32767, 32767);
      const h = arithmetic.mul15(arithmetic.sigmoid(outputGate), arithmetic.tanh(arithmetic.index(narrowed)));
      return { h, h8: tf.clipByValue(arithmetic.rounded(h, 8), -127, 127), cell };
    });
    state.h8.dispose();
    state.cell.dispose();
    Object.assign(state, { h8, cell });
    const values = h.dataSync();
    h.dispose();
    return values;
  }

  /** @param hidden int16[streams][d] @returns int16[streams][d] */
  private attend(attention: IntegerAttention, layer: LayerTensors, memory: Memory, hidden: Numbers): Numbers {
    const { arithmetic, streams } = this;
    const { tf } = arithmetic;
    const { width: d, window } = this.model.architecture;
    const { query, score } = layer.attention!;
    const n = this.normalized(hidden);
    const position = this.upload(quantized(n, attention.memoryScale));
    const products = this.read(() => tf.matMul(position, query));
    memory.append(tf.tidy(() => tf.reshape(position, [streams, 1, d])));
    position.dispose();

    const { multiplier, shift } = attention.query;
    const v = new Int16Array(streams * d);
    eachRow(v, d, (at, i) => sat16(scale(products[at], multiplier[i], shift) + attention.queryBias[i]));
    const { gain, bias, shift: foldShift } = attention.queryFold;
    const normalV = this.normalized(v);
    const q8 = new Float32Array(streams * d);
    eachRow(q8, d, (at, i) =>
      sat8((Math.imul(normalV[at], gain[i]) + bias[i] + (1 << (foldShift - 1))) >> foldShift),
    );

    const { sums, totals } = tf.tidy(() => {
      const scores = memory.scores(tf.reshape(this.upload(q8), [streams, 1, d]));
      const weights = arithmetic.weights(scores, score);
      return { sums: memory.sums(weights), totals: tf.sum(weights, 1) };
    });
    const [sum, total] = [sums.dataSync(), totals.dataSync()];
    sums.dispose();
    totals.dispose();

    const sv = window <= 512 ? 0 : Math.ceil(Math.log2(window / 512));
    const y = new Int16Array(streams * d);
    for (let k = 0; k < streams; k++) {
      const { R, k: exponent } = reciprocal(16 * total[2 * k] + total[2 * k + 1]);
      for (let i = 0; i < d; i++) {
        const A = (16 * sum[2 * k * d + i] + sum[(2 * k + 1) * d + i]) >> sv;
        const mean = sat16(scale(A, R, 22 - exponent - sv));
        const at = k * d + i;
        y[at] = narrow(
          applied(attention.mid, n[at], i) + applied(attention.value, mean, i),
          attention.outputShift,
        );
      }
    }
    return y;
  }

  /** @param y int16[streams][d] @returns int16[streams][d] */
  private feedForward(layer: IntegerLayer, tensors: LayerTensors, y: Numbers): Numbers {
    const { arithmetic, streams } = this;
    const { tf } = arithmetic;
    const { width: d, boom } = this.model.architecture;
    const n = this.normalized(y);
    const sum = this.read(() => {
      const terms = this.product(tensors.boom, this.upload(quantized(n, layer.boomScale)));
      const u = arithmetic.saturated([...terms, tensors.boomBias], tensors.smallBoom);
      return tf.sum(tf.reshape(arithmetic.gelu(arithmetic.index(u)), [streams, boom, d]), 1);
    });
    const x = new Int16Array(streams * d);
    eachRow(x, d, (at, i) => narrow(applied(layer.residual, n[at], i) + 4 * sum[at], layer.outputShift));
    return x;
  }

  private softmax(x: Numbers, frequencies: Uint32Array): void {
    const { tf } = this.arithmetic;
    const { output, outputBias, outputScale } = this.model;
    const n8 = quantized(this.normalized(x), outputScale);
    const products = this.read(() => tf.matMul(this.upload(n8), this.tensors.output));
    const z = new Int32Array(SYMBOLS);
    for (let first = 0; first < frequencies.length; first += SYMBOLS) {
      let best = -LOGIT_LIMIT;
      for (let s = 0; s < SYMBOLS; s++) {
        const sum = scale(products[first + s], output.multiplier[s], output.shift) + outputBias[s];
        z[s] = Math.max(-LOGIT_LIMIT, Math.min(LOGIT_LIMIT, sum));
        best = Math.max(best, z[s]);
      }
      for (let s = 0; s < SYMBOLS; s++) frequencies[first + s] = frequency(best - z[s]);
    }
  }

  /** Rows of a table of terms, for each of the bytes. */
  private gathered(terms: Tensor[], bytes: Numbers): Tensor[] {
    const { tf } = this.arithmetic;
    const rows = tf.tensor(new Int32Array(bytes), [bytes.length], 'int32');
    return terms.map((term) => tf.gather(term, rows));
  }

  /** Rescaled products of every stream's row, as terms. @param x int8[streams][d] */
  private product({ weight, multiplier }: Rescaled, x: Tensor): Tensor[] {
    return this.arithmetic.scale(this.arithmetic.tf.matMul(x, weight), multiplier);
  }

  /** A row for each stream. */
  private upload(values: Numbers): Tensor {
    const { streams } = this;
    const numbers = new Float32Array(values);
    return this.arithmetic.tf.tensor(numbers, [streams, numbers.length / streams], 'float32');
  }

  /** What `make` computes; no tensor is left of it. */
  private read(make: () => Tensor): Numbers {
    const tensor = this.arithmetic.tf.tidy(make);
    const values = tensor.dataSync();
    tensor.dispose();
    return values;
  }

  /** Every stream's row normalized: int16[streams][d], Q5.10. */
  private normalized(x: Numbers): Int16Array {
    const { width: d } = this.model.architecture;
    const rows = new Int16Array(x);
    const n = new Int16Array(rows.length);
    for (let at = 0; at < rows.length; at += d) normalize(rows.subarray(at, at + d), n.subarray(at, at + d));
    return n;
  }
}

/** Normalized rows to the int8 input of a product, each channel by its own scale (Q0.15). */
function quantized(n: Int16Array, factor: Int16Array): Float32Array {
  const n8 = new Float32Array(n.length);
  eachRow(n8, factor.length, (at, i) => sat8(mul15(n[at], factor[i])));
  return n8;
}

/** Fills rows of d numbers. @param f of where the number lies, and where in its row */
function eachRow(rows: Int16Array | Float32Array, d: number, f: (at: number, i: number) => number): void {
  for (let at = 0; at < rows.length; at += d) for (let i = 0; i < d; i++) rows[at + i] = f(at + i, i);
}

const applied = ({ gain, bias, shift }: Affine, n: number, i: number): number =>
  affine(n, gain[i], bias[i], shift);
