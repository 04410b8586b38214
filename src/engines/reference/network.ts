/**
 * @file The reference engine: docs/model.md section 3 in plain TypeScript.
 *
 * This file must stay readable and free of tricks. The other engines are checked against it bit for bit.
 */
import { type Architecture, SYMBOLS } from '../../model/architecture.js';
import {
  type Affine,
  type IntegerAttention,
  type IntegerLayer,
  type IntegerMatrix,
  type IntegerModel,
  modelImage,
} from '../../model/sharnn.js';
import { checkRun, checkStreams, networkClosed } from '../check.js';
import type { Network } from '../engine.js';
import {
  affine,
  attentionWeight,
  frequency,
  gelu,
  mul15,
  narrow,
  normalize,
  reciprocal,
  sat8,
  sat16,
  scale,
  sigmoid16,
  tanh16,
} from './fixed-point.js';

const CELL_LIMIT = 2 ** 24 - 1;

/**
 * Is told the values of a named site (docs/model.md, section 3.1; fixtures/trace/README.md): what new engines
 * are compared with.
 */
export type Trace = (site: string, values: Int8Array | Int16Array | Int32Array | Uint32Array) => void;

/** {@link Trace} of a network of several streams. */
export type StreamTrace = (stream: number, ...site: Parameters<Trace>) => void;

const untraced: Trace = () => {};

/** Bytes of the JavaScript objects around one layer's state in one stream. */
const OBJECTS = 1024;
const STEPS_OF_GARBAGE = 100;

/** State of one layer in one stream. */
class LayerState {
  readonly h8: Int8Array; // Q0.7
  readonly cell: Int32Array; // Q9.15
  readonly memory: Int8Array; // [window][d], a ring

  constructor(width: number, window: number) {
    this.h8 = new Int8Array(width);
    this.cell = new Int32Array(width);
    this.memory = new Int8Array(width * window);
  }
}

/** One stream: the state of every layer and the number of steps so far. */
class Stream {
  private steps = 0;
  private readonly states: LayerState[];

  constructor(private readonly model: IntegerModel) {
    const { width, window, attention, layers } = model.architecture;
    this.states = Array.from(
      { length: layers },
      (_, l) => new LayerState(width, attention.includes(l) ? window : 0),
    );
  }

  /** Feeds `byte`, writes the 256 frequencies of the next one. */
  step(byte: number, frequencies: Uint32Array, trace: Trace): void {
    const { model } = this;
    const d = model.architecture.width;
    let x: Int16Array = new Int16Array(d);
    trace('s', Int32Array.of(byte));
    for (let l = 0; l < model.layers.length; l++) {
      const layer = model.layers[l];
      const traceLayer: Trace =
        trace === untraced ? untraced : (site, values) => trace(`layers.${l}.${site}`, values);
      const input =
        l === 0 ? model.input.subarray(byte * d, (byte + 1) * d) : quantized(normalized(x), layer.startScale);
      const hidden = lstm(layer, input, this.states[l], traceLayer);
      const y = layer.attention ? this.attend(layer.attention, hidden, this.states[l], traceLayer) : hidden;
      x = feedForward(layer, y, traceLayer);
    }
    softmax(model, x, frequencies, trace);
    this.steps++;
  }

  /** Section 3, attention: remembers the position, then reads the whole memory with the query. */
  private attend(
    attention: IntegerAttention,
    hidden: Int16Array,
    state: LayerState,
    trace: Trace,
  ): Int16Array {
    const { width: d, window } = this.model.architecture;
    const n = normalized(hidden);
    const m8 = quantized(n, attention.memoryScale);
    state.memory.set(m8, (this.steps % window) * d);
    trace('attention.n', n);
    trace('attention.m8', m8);
    const filled = Math.min(this.steps + 1, window);

    const v = new Int16Array(d);
    for (let i = 0; i < d; i++) v[i] = sat16(product(attention.query, i, m8) + attention.queryBias[i]);
    const { gain, bias, shift } = attention.queryFold;
    const q8 = Int8Array.from(normalized(v), (q, i) =>
      sat8((Math.imul(q, gain[i]) + bias[i] + (1 << (shift - 1))) >> shift),
    );
    trace('attention.v', v);
    trace('attention.q8', q8);

    const scores = new Int32Array(filled);
    for (let j = 0; j < filled; j++) scores[j] = dot(q8, 0, state.memory, j * d, d);
    const best = scores.reduce((a, b) => Math.max(a, b));
    const w = Int32Array.from(scores, (score) => {
      const below = Math.min(best - score, 2 ** 24 - 1);
      return attentionWeight(scale(below, attention.score.multiplier, attention.score.shift));
    });
    let Z = 0;
    const sum = new Int32Array(d);
    for (let j = 0; j < filled; j++) {
      Z += w[j];
      for (let i = 0; i < d; i++) sum[i] += w[j] * state.memory[j * d + i];
    }
    trace('attention.score', scores);
    trace('attention.w', w);
    trace('attention.Z', Int32Array.of(Z));

    const sv = window <= 512 ? 0 : Math.ceil(Math.log2(window / 512));
    const A = sum.map((x) => x >> sv);
    const { R, k } = reciprocal(Z);
    const a = Int16Array.from(A, (x) => sat16(scale(x, R, 22 - k - sv))); // Q7.8, in steps of the memory's channels
    const y = Int16Array.from(a, (mean, i) =>
      narrow(applied(attention.mid, n[i], i) + applied(attention.value, mean, i), attention.outputShift),
    );
    trace('attention.A', A);
    trace('attention.a', a);
    trace('attention.y', y);
    return y;
  }
}

/** Section 3, LSTM: updates the state, returns h as int16 in Q0.15. */
function lstm(layer: IntegerLayer, input: Int8Array, state: LayerState, trace: Trace): Int16Array {
  const d = state.h8.length;
  const P = layer.gateBias.map(
    (bias, row) => product(layer.inputWeight, row, input) + product(layer.stateWeight, row, state.h8) + bias,
  );
  const gates = Int16Array.from(P, (p, row) =>
    row >= 2 * d && row < 3 * d ? tanh16(sat16(p)) : sigmoid16(sat16(p)),
  );
  const hidden = new Int16Array(d);
  for (let u = 0; u < d; u++) {
    const [i, f, g, o] = [gates[u], gates[d + u], gates[2 * d + u], gates[3 * d + u]];
    const c = scale(state.cell[u], f, 15) + mul15(i, g);
    state.cell[u] = Math.max(-CELL_LIMIT, Math.min(CELL_LIMIT, c));
    hidden[u] = mul15(o, tanh16(narrow(state.cell[u], 3)));
  }
  for (let u = 0; u < d; u++) state.h8[u] = sat8((hidden[u] + 128) >> 8);
  trace('x8', input);
  trace('P', P);
  trace('gates', gates);
  trace('c', state.cell);
  trace('h', hidden);
  trace('h8', state.h8);
  return hidden;
}

/** Section 3, boom layer and residual: int16. */
function feedForward(layer: IntegerLayer, y: Int16Array, trace: Trace): Int16Array {
  const d = y.length;
  const n = normalized(y);
  const n8 = quantized(n, layer.boomScale);
  const u = Int16Array.from(layer.boomBias, (bias, row) => sat16(product(layer.boom, row, n8) + bias));
  const sum = Int32Array.from(n, (x, i) => applied(layer.residual, x, i));
  for (let row = 0; row < u.length; row++) sum[row % d] += 4 * gelu(u[row]); // Q7.8 to Q.10
  const x = Int16Array.from(sum, (total) => narrow(total, layer.outputShift));
  trace('n', n);
  trace('n8', n8);
  trace('u', u);
  trace('x', x);
  return x;
}

/** Section 3, softmax: 256 frequencies. */
function softmax(model: IntegerModel, x: Int16Array, frequencies: Uint32Array, trace: Trace): void {
  const n8 = quantized(normalized(x), model.outputScale);
  const limit = 2 ** 24 - 1;
  const z = Int32Array.from({ length: SYMBOLS }, (_, s) =>
    Math.max(-limit, Math.min(limit, product(model.output, s, n8) + model.outputBias[s])),
  );
  const best = z.reduce((a, b) => Math.max(a, b));
  for (let s = 0; s < SYMBOLS; s++) frequencies[s] = frequency(best - z[s]);
  trace('n8', n8);
  trace('z', z);
  trace('frequency', frequencies);
}

function normalized(x: Int16Array): Int16Array {
  const n = new Int16Array(x.length);
  normalize(x, n);
  return n;
}

/** Normalized vector to the int8 input of a product, each channel by its own scale (Q0.15). */
const quantized = (n: Int16Array, factor: Int16Array): Int8Array =>
  Int8Array.from(n, (x, i) => sat8(mul15(x, factor[i])));

const applied = (a: Affine, n: number, i: number): number => affine(n, a.gain[i], a.bias[i], a.shift);

/** One row of a matrix times an int8 vector, rescaled. */
function product(matrix: IntegerMatrix, row: number, x: Int8Array): number {
  return scale(dot(x, 0, matrix.weight, row * x.length, x.length), matrix.multiplier[row], matrix.shift);
}

function dot(a: Int8Array, ai: number, b: Int8Array, bi: number, length: number): number {
  let sum = 0;
  for (let k = 0; k < length; k++) sum += a[ai + k] * b[bi + k];
  return sum;
}

class ReferenceNetwork implements Network {
  private readonly list: Stream[] = [];
  private closed = false;

  constructor(
    private readonly model: IntegerModel,
    readonly streams: number,
    private readonly trace?: StreamTrace,
  ) {
    this.reset();
  }

  reset(): void {
    if (this.closed) throw networkClosed();
    for (let s = 0; s < this.streams; s++) this.list[s] = new Stream(this.model);
  }

  step(bytes: Uint8Array, frequencies: Uint32Array): void {
    this.run(bytes, 1, frequencies);
  }

  run(bytes: Uint8Array, steps: number, frequencies: Uint32Array): void {
    const S = this.streams;
    if (this.closed) throw networkClosed();
    checkRun(S, bytes, steps, frequencies);
    const { trace } = this;
    for (let k = 0; k < steps * S; k++) {
      const stream = k % S;
      const traceStream: Trace = trace ? (site, values) => trace(stream, site, values) : untraced;
      this.list[stream].step(bytes[k], frequencies.subarray(k * SYMBOLS, (k + 1) * SYMBOLS), traceStream);
    }
  }

  close(): void {
    this.list.length = 0;
    this.closed = true;
  }
}

/**
 * The network that defines what the others must compute.
 * @param trace is told every site of every step; the arrays are the network's own and change afterwards
 * @throws ShacompError ERR_OPTIONS, ERR_MODEL_INVALID
 */
export function openReferenceNetwork(model: IntegerModel, streams: number, trace?: StreamTrace): Network {
  checkStreams(streams);
  modelImage(model); // the same models as on the other engines
  return new ReferenceNetwork(model, streams, trace);
}

/** Bytes that such a network takes. */
export function referenceMemory(architecture: Architecture, streams: number): number {
  checkStreams(streams);
  const { width, layers, boom, window, attention } = architecture;
  const state = layers * (5 * width + OBJECTS) + attention.length * window * width;
  // vectors of one step, of which garbage collection leaves some
  const working = STEPS_OF_GARBAGE * (layers * 2 * (12 + boom) * width + 4 * window);
  return streams * state + working;
}
