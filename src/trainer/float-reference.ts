/**
 * @file The float network (docs/model.md, section 1) with its gradients, in plain float64.
 *
 * This file must stay readable and free of tricks: the C++ trainer and the PyTorch program are checked
 * against it. Each building block works on one sequence and returns its output together with a function that
 * takes the gradient of the output, adds to the gradients of the block's parameters and returns the gradient
 * of the input.
 */
import { type Architecture, elements, INITIAL_BYTE, parameters, SYMBOLS } from '../model/architecture.js';

/** Parameters by name, row-major, as `parameters(arch)` lists them. */
export type FloatTensors = ReadonlyMap<string, Float32Array | Float64Array>;

/** One vector per position of a segment. */
type Rows = Float64Array[];

/** State of one layer in one sequence. */
export interface LayerState {
  h: Float64Array;
  c: Float64Array;
  /** the past positions m = LN(y; norm_memory), oldest first; always empty in a layer without attention */
  memory: Rows;
}

/** State of B sequences: [B][layers]. */
export type FloatState = LayerState[][];

/**
 * One segment of T steps of B sequences. Bytes are step-major: position t of sequence b is at [t * B + b].
 */
export interface Segment {
  B: number;
  T: number;
  /** the byte before each predicted one */
  inputs: Uint8Array;
  /** the predicted bytes */
  targets: Uint8Array;
  /** [B]: not 0 where a sequence starts from the cold state instead of the carried one */
  resets?: ArrayLike<number>;
}

export interface Forward {
  /** [T][B][256] */
  logits: Float64Array;
  /** mean over T * B of -ln P(target), nats per byte */
  loss: number;
  /** for the next segment */
  state: FloatState;
}

export interface ForwardBackward extends Forward {
  /** d loss / d parameter; the carried state counts as a constant */
  gradients: Map<string, Float64Array>;
}

/** The cold state. */
export function initialState(arch: Architecture, B: number): FloatState {
  const layer = (): LayerState => ({
    h: new Float64Array(arch.width),
    c: new Float64Array(arch.width),
    memory: [],
  });
  return Array.from({ length: B }, () => Array.from({ length: arch.layers }, layer));
}

/**
 * The bytes that precede `text`: INITIAL_BYTE, then the text without its last byte.
 */
export function inputsOf(text: Uint8Array): Uint8Array {
  const inputs = new Uint8Array(text.length).fill(INITIAL_BYTE);
  inputs.set(text.subarray(0, text.length - 1), Math.min(1, text.length));
  return inputs;
}

/**
 * Logits and loss of a segment.
 *
 * A query sees the last `arch.window` positions, itself included, of those that are in memory: the positions
 * of this segment and at most `carry` from before it. `carry = window - 1` (the default) is what the codec's
 * network does; trainers carry `window - T`, so that the window never ends inside a segment.
 */
export function forward(
  arch: Architecture,
  params: FloatTensors,
  segment: Segment,
  state: FloatState,
  carry = arch.window - 1,
): Forward {
  const { logits, loss, state: next } = run(arch, params, segment, state, carry);
  return { logits, loss, state: next };
}

/** `forward`, and the gradient of the loss for every parameter. */
export function forwardBackward(
  arch: Architecture,
  params: FloatTensors,
  segment: Segment,
  state: FloatState,
  carry = arch.window - 1,
): ForwardBackward {
  const { logits, loss, state: next, backward } = run(arch, params, segment, state, carry);
  return { logits, loss, state: next, gradients: backward() };
}

function run(arch: Architecture, params: FloatTensors, segment: Segment, state: FloatState, carry: number) {
  const { B, T, inputs, targets, resets } = segment;
  const gradients = new Map(parameters(arch).map((p) => [p.name, new Float64Array(elements(p.shape))]));
  const logits = new Float64Array(T * B * SYMBOLS);
  const cold = initialState(arch, 1)[0];
  const backwards: (() => void)[] = [];
  const next: FloatState = [];
  let loss = 0;
  for (let b = 0; b < B; b++) {
    const own = (bytes: Uint8Array) => Array.from({ length: T }, (_, t) => bytes[t * B + b]);
    const network = new Sequence(arch, params, gradients, carry);
    const z = network.forward(own(inputs), resets?.[b] ? cold : state[b]);
    const target = own(targets);
    const dLogits: Rows = z.out.map((row, t) => {
      logits.set(row, (t * B + b) * SYMBOLS);
      const p = softmax(row);
      loss -= Math.log(p[target[t]]) / (T * B);
      return p.map((x, k) => (x - (k === target[t] ? 1 : 0)) / (T * B));
    });
    backwards.push(() => z.backward(dLogits));
    next.push(z.state);
  }
  const backward = () => {
    for (const f of backwards) f();
    return gradients;
  };
  return { logits, loss, state: next, backward };
}

interface Block {
  out: Rows;
  /** dOut to dInput; adds to the gradients of the parameters */
  backward: (dOut: Rows) => Rows;
}

/** The network over one segment of one sequence. */
class Sequence {
  constructor(
    private readonly arch: Architecture,
    private readonly params: FloatTensors,
    private readonly gradients: Map<string, Float64Array>,
    private readonly carry: number,
  ) {}

  forward(inputs: number[], state: LayerState[]) {
    const d = this.arch.width;
    const { value: E, gradient: dE } = this.parameter('embedding.weight');
    let x: Rows = inputs.map((s) => Float64Array.from(E.subarray(s * d, (s + 1) * d)));
    const next: LayerState[] = [];
    const backwards: ((dOut: Rows) => Rows)[] = [];
    for (let l = 0; l < this.arch.layers; l++) {
      const layer = this.layer(x, l, state[l]);
      backwards.unshift(layer.backward);
      next.push(layer.state);
      x = layer.out;
    }
    const n = this.norm(x, 'norm_final');
    const logits = this.linear(n.out, 'embedding.weight', 'output.bias');
    const backward = (dLogits: Rows) => {
      let dx = n.backward(logits.backward(dLogits));
      for (const f of backwards) dx = f(dx);
      inputs.forEach((s, t) => {
        for (let k = 0; k < d; k++) dE[s * d + k] += dx[t][k];
      });
    };
    return { out: logits.out, state: next, backward };
  }

  private layer(x: Rows, l: number, state: LayerState): Block & { state: LayerState } {
    const p = `layers.${l}`;
    const u = this.norm(x, `${p}.norm_start`);
    const lstm = this.lstm(u.out, `${p}.lstm`, state.h, state.c);
    const attention = this.arch.attention.includes(l) ? this.attention(lstm.out, p, state.memory) : null;
    const y = attention ? attention.out : lstm.out;
    const residual = this.norm(y, `${p}.norm_residual`);
    const normBoom = this.norm(y, `${p}.norm_boom`);
    const boom = this.boom(normBoom.out, `${p}.boom`);
    return {
      out: add(residual.out, boom.out),
      state: { h: lstm.h, c: lstm.c, memory: attention ? attention.memory : [] },
      backward: (dOut) => {
        const dy = add(residual.backward(dOut), normBoom.backward(boom.backward(dOut)));
        return u.backward(lstm.backward(attention ? attention.backward(dy) : dy));
      },
    };
  }

  /** LN(x; g, b) = g n(x) + b. */
  private norm(x: Rows, name: string): Block {
    const { value: gain, gradient: dGain } = this.parameter(`${name}.weight`);
    const { value: bias, gradient: dBias } = this.parameter(`${name}.bias`);
    const d = gain.length;
    const deviations = x.map((row) => {
      const mean = sum(row) / d;
      return Math.sqrt(row.reduce((s, v) => s + (v - mean) ** 2, 0) / d + 1e-12);
    });
    const normalized = x.map((row, t) => {
      const mean = sum(row) / d;
      return row.map((v) => (v - mean) / deviations[t]);
    });
    return {
      out: normalized.map((n) => n.map((v, k) => gain[k] * v + bias[k])),
      backward: (dOut) =>
        dOut.map((dy, t) => {
          const n = normalized[t];
          for (let k = 0; k < d; k++) {
            dGain[k] += dy[k] * n[k];
            dBias[k] += dy[k];
          }
          const dn = dy.map((v, k) => v * gain[k]);
          const mean = sum(dn) / d;
          const along = dot(dn, n) / d;
          return dn.map((v, k) => (v - mean - n[k] * along) / deviations[t]);
        }),
    };
  }

  /** W x + b. */
  private linear(x: Rows, weightName: string, biasName: string): Block {
    const { value: W, gradient: dW } = this.parameter(weightName);
    const { value: bias, gradient: dBias } = this.parameter(biasName);
    return {
      out: x.map((row) => addTo(matrixVector(W, row), bias)),
      backward: (dOut) =>
        dOut.map((dy, t) => {
          addTo(dBias, dy);
          addOuter(dW, dy, x[t]);
          return transposedVector(W, dy);
        }),
    };
  }

  /** Gates in the order i, f, g, o. */
  private lstm(u: Rows, name: string, h0: Float64Array, c0: Float64Array) {
    const { value: Wx, gradient: dWx } = this.parameter(`${name}.weight_ih`);
    const { value: Wh, gradient: dWh } = this.parameter(`${name}.weight_hh`);
    const { value: bias, gradient: dBias } = this.parameter(`${name}.bias`);
    const d = h0.length;
    const steps: { hIn: Float64Array; cIn: Float64Array; gates: Float64Array; c: Float64Array }[] = [];
    const out: Rows = [];
    let h = h0;
    let c = c0;
    for (const row of u) {
      const gates = addTo(addTo(matrixVector(Wx, row), matrixVector(Wh, h)), bias).map((v, k) =>
        k >= 2 * d && k < 3 * d ? Math.tanh(v) : sigmoid(v),
      );
      const [i, f, g, o] = quarters(gates);
      const cOut = c.map((v, k) => f[k] * v + i[k] * g[k]);
      steps.push({ hIn: h, cIn: c, gates, c: cOut });
      c = cOut;
      h = cOut.map((v, k) => o[k] * Math.tanh(v));
      out.push(h);
    }
    const backward = (dOut: Rows): Rows => {
      const du: Rows = [];
      let dhNext: Float64Array = new Float64Array(d);
      let dcNext: Float64Array = new Float64Array(d);
      for (let t = steps.length - 1; t >= 0; t--) {
        const { hIn, cIn, gates, c: cOut } = steps[t];
        const [i, f, g, o] = quarters(gates);
        const dGates = new Float64Array(4 * d); // with respect to the gates' arguments
        const dcIn = new Float64Array(d);
        for (let k = 0; k < d; k++) {
          const dh = dOut[t][k] + dhNext[k];
          const tanhC = Math.tanh(cOut[k]);
          const dc = dcNext[k] + dh * o[k] * (1 - tanhC ** 2);
          dGates[k] = dc * g[k] * i[k] * (1 - i[k]);
          dGates[d + k] = dc * cIn[k] * f[k] * (1 - f[k]);
          dGates[2 * d + k] = dc * i[k] * (1 - g[k] ** 2);
          dGates[3 * d + k] = dh * tanhC * o[k] * (1 - o[k]);
          dcIn[k] = dc * f[k];
        }
        addTo(dBias, dGates);
        addOuter(dWx, dGates, u[t]);
        addOuter(dWh, dGates, hIn);
        du[t] = transposedVector(Wx, dGates);
        dhNext = transposedVector(Wh, dGates);
        dcNext = dcIn;
      }
      return du;
    };
    return { out, h, c, backward };
  }

  /** Single-headed attention over the memory, with the norms around it. */
  private attention(y: Rows, p: string, carried: Rows) {
    const m = this.norm(y, `${p}.norm_memory`);
    const r = this.norm(y, `${p}.norm_mid`);
    const projected = this.linear(r.out, `${p}.attention.query.weight`, `${p}.attention.query.bias`);
    const q = this.norm(projected.out, `${p}.attention.norm_query`);
    const [queryGate, keyGate, valueGate] = ['gate_query', 'gate_key', 'gate_value'].map((name) => {
      const { value, gradient } = this.parameter(`${p}.attention.${name}`);
      return { open: Float64Array.from(value, sigmoid), gradient };
    });
    const d = this.arch.width;
    const root = Math.sqrt(d);

    const past = carried.slice(Math.max(0, carried.length - this.carry));
    const memory = [...past, ...m.out];
    const first = (t: number) => Math.max(0, past.length + t + 1 - this.arch.window); // oldest visible position
    const gated = q.out.map((row) => row.map((v, k) => (v * queryGate.open[k] * keyGate.open[k]) / root));
    const weights = gated.map((query, t) => {
      const visible = memory.slice(first(t), past.length + t + 1);
      return softmax(Float64Array.from(visible, (position) => dot(query, position)));
    });
    const values = weights.map((w, t) => {
      const mean = new Float64Array(d);
      w.forEach((weight, j) => {
        for (let k = 0; k < d; k++) mean[k] += weight * memory[first(t) + j][k];
      });
      return mean;
    });
    const out = r.out.map((row, t) => row.map((v, k) => v + valueGate.open[k] * values[t][k]));

    const backward = (dOut: Rows): Rows => {
      const dMemory: Rows = memory.map(() => new Float64Array(d));
      const dq = dOut.map((dy, t) => {
        const dValue = new Float64Array(d);
        for (let k = 0; k < d; k++) {
          const open = valueGate.open[k];
          valueGate.gradient[k] += dy[k] * values[t][k] * open * (1 - open);
          dValue[k] = dy[k] * open;
        }
        const w = weights[t];
        const dWeights = w.map((_, j) => dot(dValue, memory[first(t) + j]));
        const mean = dot(w, dWeights);
        const dGated = new Float64Array(d);
        w.forEach((weight, j) => {
          const position = memory[first(t) + j];
          const dScore = weight * (dWeights[j] - mean);
          for (let k = 0; k < d; k++) {
            dGated[k] += dScore * position[k];
            dMemory[first(t) + j][k] += weight * dValue[k] + dScore * gated[t][k];
          }
        });
        for (let k = 0; k < d; k++) {
          const slope = dGated[k] * gated[t][k]; // times d ln(gate) / d parameter = 1 - gate
          queryGate.gradient[k] += slope * (1 - queryGate.open[k]);
          keyGate.gradient[k] += slope * (1 - keyGate.open[k]);
        }
        return dGated.map((v, k) => (v * queryGate.open[k] * keyGate.open[k]) / root);
      });
      const dr = add(dOut, projected.backward(q.backward(dq)));
      const dm = dMemory.slice(past.length); // what was carried in is a constant
      return add(r.backward(dr), m.backward(dm));
    };
    return { out, memory: memory.slice(Math.max(0, memory.length - this.carry)), backward };
  }

  /** Sum of the chunks of gelu(W x + b), gelu(v) = v σ(1.702 v). */
  private boom(x: Rows, name: string): Block {
    const d = this.arch.width;
    const inner = this.linear(x, `${name}.weight`, `${name}.bias`);
    return {
      out: inner.out.map((row) => {
        const y = new Float64Array(d);
        row.forEach((v, k) => {
          y[k % d] += v * sigmoid(1.702 * v);
        });
        return y;
      }),
      backward: (dOut) =>
        inner.backward(
          inner.out.map((row, t) =>
            row.map((v, k) => {
              const s = sigmoid(1.702 * v);
              return dOut[t][k % d] * (s + 1.702 * v * s * (1 - s));
            }),
          ),
        ),
    };
  }

  private parameter(name: string): { value: Float32Array | Float64Array; gradient: Float64Array } {
    const value = this.params.get(name);
    const gradient = this.gradients.get(name);
    if (!value || !gradient || value.length !== gradient.length)
      throw new TypeError(`parameter ${name} is missing or has the wrong length`);
    return { value, gradient };
  }
}

type Vector = Float32Array | Float64Array;

const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v));

const sum = (x: Float64Array): number => x.reduce((s, v) => s + v, 0);

function dot(a: Vector, b: Vector): number {
  let s = 0;
  for (let k = 0; k < a.length; k++) s += a[k] * b[k];
  return s;
}

function softmax(x: Float64Array): Float64Array {
  const top = x.reduce((a, b) => Math.max(a, b));
  const e = x.map((v) => Math.exp(v - top));
  const total = sum(e);
  return e.map((v) => v / total);
}

/** a += b; returns a. */
function addTo(a: Float64Array, b: Vector): Float64Array {
  for (let k = 0; k < a.length; k++) a[k] += b[k];
  return a;
}

const add = (a: Rows, b: Rows): Rows => a.map((row, t) => row.map((v, k) => v + b[t][k]));

const quarters = (x: Float64Array): Float64Array[] =>
  [0, 1, 2, 3].map((n) => x.subarray((n * x.length) / 4, ((n + 1) * x.length) / 4));

/** W x, with W [rows][x.length]. */
function matrixVector(W: Vector, x: Float64Array): Float64Array {
  const y = new Float64Array(W.length / x.length);
  for (let r = 0; r < y.length; r++) {
    let s = 0;
    for (let k = 0; k < x.length; k++) s += W[r * x.length + k] * x[k];
    y[r] = s;
  }
  return y;
}

/** Wᵀ y, with W [y.length][columns]. */
function transposedVector(W: Vector, y: Float64Array): Float64Array {
  const x = new Float64Array(W.length / y.length);
  for (let r = 0; r < y.length; r++) for (let k = 0; k < x.length; k++) x[k] += W[r * x.length + k] * y[r];
  return x;
}

/** W += y xᵀ. */
function addOuter(W: Float64Array, y: Float64Array, x: Float64Array): void {
  for (let r = 0; r < y.length; r++) for (let k = 0; k < x.length; k++) W[r * x.length + k] += y[r] * x[k];
}
