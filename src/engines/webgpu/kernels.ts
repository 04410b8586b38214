/**
 * @file The kernels of the network in WGSL: docs/model.md, section 3.1, over rows.
 *
 * A row is one stream at one step: row r of a dispatch is stream r mod S, r / S steps after the dispatch's
 * first. All that does not wait for the step before is computed for many rows at once; `recur` alone goes
 * step by step. A network that does not know its input yet has one step at a time: then rows are streams.
 */
import { INITIAL_BYTE, SYMBOLS } from '../../model/architecture.js';
import { arithmetic, type DotKernel } from './arithmetic.js';
import { BOOM_AT, CHUNK, SCALAR_WORDS, SCALARS, VECTOR_AT, VECTORS } from './layout.js';

/**
 * How invocations share work:
 * - `together`: those of a workgroup meet at barriers. What GPUs are made for.
 * - `alone`: each does a whole row's work. Where a processor plays the GPU every barrier costs as much as
 *   thousands of products.
 */
export type Sharing = 'together' | 'alone';

/**
 * How a product is cut: square tiles of many rows; one row each, cut along its columns; or an invocation for
 * each four units.
 */
export type ProductKernel = 'tiled' | 'few' | 'alone';

/** A storage buffer of a kernel. */
export interface Binding {
  name: string;
  type: 'u32' | 'i32' | 'vec4u' | 'vec4i' | 'atomic<i32>';
  write?: boolean;
}

/** A shader, and how many of what it handles a workgroup takes. */
export interface Kernel {
  bindings: readonly Binding[];
  code: string;
}

/**
 * Words of the uniform buffers, in order. `shape` stays, `run` changes with every submit, `at` with every
 * dispatch.
 */
export const UNIFORMS = {
  shape: [
    'width',
    'boom',
    'window',
    'streams',
    'capacity',
    'slots',
    'chunks_most',
    'norm_factor',
    'norm_shift',
    'sum_shift',
  ],
  run: ['position', 'rows', 'chunks', 'parts', 'part_length'],
  at: ['step', 'row'],
} as const;

/** Behind the uniforms: the table of tanh. */
export const TANH_BINDING = Object.keys(UNIFORMS).length;

/** Invocations of a workgroup that meet, and of one whose do not. */
const THREADS = 64;
const LONERS = 16;

const header = (bindings: readonly Binding[], dot: DotKernel): string => `
${Object.entries(UNIFORMS)
  .map(
    ([name, words], i) => `
struct ${name}_t { ${words.map((word) => `${word}: u32`).join(', ')} }
@group(0) @binding(${i}) var<uniform> ${name}: ${name}_t;`,
  )
  .join('')}
@group(0) @binding(${TANH_BINDING}) var<uniform> tanh_cubics: array<vec4i, 16>;
${bindings
  .map(
    ({ name, type, write }, i) =>
      `@group(1) @binding(${i}) var<storage, ${write ? 'read_write' : 'read'}> ${name}: array<${type}>;`,
  )
  .join('\n')}
${SCALARS.map((name, i) => `const ${name} = ${i}u;`).join('\n')}
${VECTORS.map(([name]) => `const ${name} = ${VECTOR_AT[name]}u;`).join('\n')}
const BOOM = ${BOOM_AT}u;
${arithmetic(dot)}`;

/** Numbers of a layer by the names of `SCALARS` and `VECTORS`. */
const NUMBERS = `
fn scalar(name: u32) -> i32 { return numbers[name]; }
fn shift(name: u32) -> u32 { return u32(numbers[name]); }
fn vector(name: u32, i: u32) -> i32 { return numbers[${SCALAR_WORDS}u + name * shape.width + i]; }
fn vector4(name: u32, i: u32) -> vec4i {
  let at = ${SCALAR_WORDS}u + name * shape.width + i;
  return vec4i(numbers[at], numbers[at + 1u], numbers[at + 2u], numbers[at + 3u]);
}`;

/** A product of a matrix and the rows' int8 vectors, and what is made of its sums. */
interface Product {
  bindings: readonly Binding[];
  /**
   * WGSL:
   * - `matrix_at()`: where the matrix begins, in vec4u
   * - `matrix_row(unit, j)`: four rows, j = 0 to 3, make a unit; `groups()` such units are summed up by
   *   `finish`
   * - `operand_of(row, v)`: 16 of the row's numbers
   * - `finish(group, unit, row, sums, before)`: takes a unit's sums; what it returns is `before` of the next
   *   group
   * - `begin`, `end`: what happens to the workgroup's results, `UNITS` x `COLUMNS`, where they are needed
   *   together
   */
  code: string;
  /** WGSL: number of rows, and of units */
  rows: string;
  units: string;
  /** whether `finish` returns bytes, to be packed into the ring of hidden states */
  packs?: boolean;
}

const WEIGHTS: Binding = { name: 'weights', type: 'vec4u' };
const NUMBER_WORDS: Binding = { name: 'numbers', type: 'i32' };
const OPERAND: Binding = { name: 'operand', type: 'vec4u' };

const PLAIN_OPERAND = `
fn operand_of(row: u32, v: u32) -> vec4u { return operand[row * (shape.width / 16u) + v]; }`;
/** Unit u of four gates, or of up to four chunks of the boom layer: rows u, u + d, and so on. */
const STRIDED_ROWS = 'fn matrix_row(unit: u32, j: u32) -> u32 { return j * shape.width + unit; }';
/** Four neighbours. */
const NEXT_ROWS = 'fn matrix_row(unit: u32, j: u32) -> u32 { return unit * 4u + j; }';
const ONE_GROUP = 'fn groups() -> u32 { return 1u; }';

const PRODUCTS = {
  /** The gates' sums of the input: P without the recurrence. */
  input: {
    bindings: [WEIGHTS, NUMBER_WORDS, OPERAND, { name: 'gates', type: 'i32', write: true }],
    rows: 'run.rows',
    units: 'shape.width',
    code: `
${PLAIN_OPERAND}
${STRIDED_ROWS}
${ONE_GROUP}
fn matrix_at() -> u32 { return 0u; }
fn finish(group: u32, unit: u32, row: u32, sums: vec4i, before: i32) -> i32 {
  for (var j = 0u; j < 4u; j++) {
    let k = j * shape.width + unit;
    gates[row * 4u * shape.width + k] =
      scale(sums[j], vector(INPUT_MULTIPLIER, k), shift(INPUT_SHIFT)) + vector(GATE_BIAS, k);
  }
  return 0;
}`,
  },
  /** One step of the recurrence: gates, cell, hidden state. */
  recur: {
    bindings: [
      WEIGHTS,
      NUMBER_WORDS,
      { name: 'gates', type: 'i32' },
      { name: 'bytes', type: 'u32' },
      { name: 'hidden8', type: 'u32', write: true },
      { name: 'cell', type: 'i32', write: true },
      { name: 'hidden', type: 'i32', write: true },
    ],
    rows: 'shape.streams',
    units: 'shape.width',
    packs: true,
    code: `
fn operand_of(row: u32, v: u32) -> vec4u {
  let position = run.position + at.step;
  if (position == 0u) { return vec4u(0u); }
  let slot = (position + shape.slots - 1u) % shape.slots;
  let i = (slot * shape.streams + row) * (shape.width / 4u) + v * 4u;
  return vec4u(hidden8[i], hidden8[i + 1u], hidden8[i + 2u], hidden8[i + 3u]);
}
${STRIDED_ROWS}
${ONE_GROUP}
fn matrix_at() -> u32 { return shape.width * shape.width / 4u; }
fn pack_at(unit: u32, row: u32) -> u32 {
  let slot = (run.position + at.step) % shape.slots;
  return ((slot * shape.streams + row) * shape.width + unit) / 4u;
}
fn finish(group: u32, unit: u32, row: u32, sums: vec4i, before: i32) -> i32 {
  let d = shape.width;
  var source = at.row + row;
  if (scalar(FIRST) != 0) { source = bytes[at.step * shape.streams + row]; }
  var p: vec4i;
  for (var j = 0u; j < 4u; j++) {
    let k = j * d + unit;
    p[j] = sat16(gates[source * 4u * d + k] + scale(sums[j], vector(STATE_MULTIPLIER, k), shift(STATE_SHIFT)));
  }
  let c_at = row * d + unit;
  let old = select(cell[c_at], 0, run.position + at.step == 0u);
  let c = clamp(scale(old, sigmoid16(p.y), 15u) + mul15(sigmoid16(p.x), tanh16(p.z)), ${1 - 2 ** 24}, ${2 ** 24 - 1});
  cell[c_at] = c;
  let h = mul15(sigmoid16(p.w), tanh16(narrow(c, 3u)));
  hidden[(at.row + row) * d + unit] = h;
  return sat8((h + 128) >> 8u);
}`,
  },
  /** The query before its norm. */
  query: {
    bindings: [WEIGHTS, NUMBER_WORDS, OPERAND, { name: 'query', type: 'i32', write: true }],
    rows: 'run.rows',
    units: 'shape.width / 4u',
    code: `
${PLAIN_OPERAND}
${NEXT_ROWS}
${ONE_GROUP}
fn matrix_at() -> u32 { return (8u + shape.boom) * shape.width * shape.width / 16u; }
fn finish(group: u32, unit: u32, row: u32, sums: vec4i, before: i32) -> i32 {
  for (var j = 0u; j < 4u; j++) {
    let k = unit * 4u + j;
    query[row * shape.width + k] =
      sat16(scale(sums[j], vector(QUERY_MULTIPLIER, k), shift(QUERY_SHIFT)) + vector(QUERY_BIAS, k));
  }
  return 0;
}`,
  },
  /** The boom layer and what it is added to. */
  boom: {
    bindings: [
      WEIGHTS,
      NUMBER_WORDS,
      OPERAND,
      { name: 'norm', type: 'i32' },
      { name: 'next', type: 'i32', write: true },
    ],
    rows: 'run.rows',
    units: 'shape.width',
    code: `
${PLAIN_OPERAND}
// the last group's rows are read again where there are fewer than four
fn matrix_row(unit: u32, j: u32) -> u32 { return min(j, shape.boom - 1u) * shape.width + unit; }
fn groups() -> u32 { return (shape.boom + 3u) / 4u; }
fn matrix_at() -> u32 { return shape.width * shape.width / 2u; }
fn finish(group: u32, unit: u32, row: u32, sums: vec4i, before: i32) -> i32 {
  let d = shape.width;
  var total = before;
  for (var j = 0u; j < 4u; j++) {
    let chunk = group * 4u + j;
    if (chunk < shape.boom) {
      let k = chunk * d + unit;
      total += gelu(sat16(scale(sums[j], vector(BOOM, k), shift(BOOM_SHIFT)) + vector(BOOM + shape.boom, k)));
    }
  }
  if (group + 1u == groups()) {
    let n = norm[row * d + unit];
    let y = affine(n, vector(RESIDUAL_GAIN, unit), vector(RESIDUAL_BIAS, unit), shift(RESIDUAL_SHIFT));
    next[row * d + unit] = narrow(y + 4 * total, shift(LAYER_SHIFT));
  }
  return total;
}`,
  },
  /** The logits. */
  output: {
    bindings: [WEIGHTS, NUMBER_WORDS, OPERAND, { name: 'frequencies', type: 'i32', write: true }],
    rows: 'run.rows',
    units: '64u',
    code: `
${PLAIN_OPERAND}
${NEXT_ROWS}
${ONE_GROUP}
fn matrix_at() -> u32 { return 0u; }
fn finish(group: u32, unit: u32, row: u32, sums: vec4i, before: i32) -> i32 {
  for (var j = 0u; j < 4u; j++) {
    let k = unit * 4u + j;
    let z = scale(sums[j], numbers[${SCALAR_WORDS}u + k], u32(numbers[0])) + numbers[${SCALAR_WORDS + SYMBOLS}u + k];
    frequencies[row * ${SYMBOLS}u + k] = clamp(z, ${1 - 2 ** 24}, ${2 ** 24 - 1});
  }
  return 0;
}`,
  },
} satisfies Record<string, Product>;

export type ProductName = keyof typeof PRODUCTS;

/** Units and rows of a workgroup of each product kernel. */
export const TILES: Record<ProductKernel, { units: number; rows: number }> = {
  tiled: { units: 8, rows: 32 },
  few: { units: 4, rows: 1 },
  alone: { units: 4 * LONERS, rows: 1 },
};

/** Words of the workgroup's bytes, packed by as many threads as there are. */
const packing = ({ units, rows }: { units: number; rows: number }, count: string) => `
  workgroupBarrier();
  let packed_row = g.y * ${rows}u + i / ${units / 4}u;
  if (i < ${(units * rows) / 4}u && packed_row < ${count}) {
    let base = i * 4u;
    hidden8[pack_at(g.x * ${units}u + (i % ${units / 4}u) * 4u, packed_row)] =
      pack4(vec4i(made[base], made[base + 1u], made[base + 2u], made[base + 3u]));
  }`;

/**
 * A workgroup multiplies 32 rows of the matrix with 32 vectors: 64 threads, each 4 with 4, 64 columns at a
 * time in shared memory.
 */
function tiled({ bindings, code, rows, packs }: Product, dot: DotKernel): string {
  return `${header(bindings, dot)}${NUMBERS}${code}
var<workgroup> matrix_tile: array<vec4u, 128>;
var<workgroup> operand_tile: array<vec4u, 128>;
${packs ? 'var<workgroup> made: array<i32, 256>;' : ''}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) g: vec3u, @builtin(local_invocation_index) i: u32) {
  let columns = shape.width / 16u;
  let unit = i % 8u;
  let quad = i / 8u;
  var before = vec4i(0);
  for (var group = 0u; group < groups(); group++) {
    var sums = array<vec4i, 4>();
    for (var v0 = 0u; v0 < columns; v0 += 4u) {
      for (var half = 0u; half < 2u; half++) {
        let word = i + 64u * half;
        let r = word / 4u;
        let v = word % 4u;
        let row = min(g.y * 32u + r, ${rows} - 1u);
        matrix_tile[v * 32u + r] = weights[
          matrix_at() + matrix_row(g.x * 8u + r % 8u, group * 4u + r / 8u) * columns + v0 + v
        ];
        operand_tile[v * 32u + r] = operand_of(row, v0 + v);
      }
      workgroupBarrier();
      for (var v = 0u; v < 4u; v++) {
        let w0 = matrix_tile[v * 32u + unit];
        let w1 = matrix_tile[v * 32u + unit + 8u];
        let w2 = matrix_tile[v * 32u + unit + 16u];
        let w3 = matrix_tile[v * 32u + unit + 24u];
        for (var c = 0u; c < 4u; c++) {
          let x = operand_tile[v * 32u + quad * 4u + c];
          sums[c] += vec4i(dot16(w0, x), dot16(w1, x), dot16(w2, x), dot16(w3, x));
        }
      }
      workgroupBarrier();
    }
    for (var c = 0u; c < 4u; c++) {
      let row = g.y * 32u + quad * 4u + c;
      if (row < ${rows}) { before[c] = finish(group, g.x * 8u + unit, row, sums[c], before[c]); }
      ${packs ? 'made[(quad * 4u + c) * 8u + unit] = before[c];' : ''}
    }
  }${packs ? packing(TILES.tiled, rows) : ''}
}`;
}

/**
 * A workgroup multiplies 16 rows of the matrix with one vector: 16 threads along the columns for each four
 * rows.
 */
function few({ bindings, code, rows, packs }: Product, dot: DotKernel): string {
  return `${header(bindings, dot)}${NUMBERS}${code}
var<workgroup> partial_sums: array<vec4i, 64>;
${packs ? 'var<workgroup> made: array<i32, 4>;' : ''}
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) g: vec3u, @builtin(local_invocation_index) i: u32) {
  let columns = shape.width / 16u;
  let lane = i % 16u;
  let unit = g.x * 4u + i / 16u;
  var before = 0;
  for (var group = 0u; group < groups(); group++) {
    var sums = vec4i(0);
    for (var v = lane; v < columns; v += 16u) {
      let x = operand_of(g.y, v);
      for (var j = 0u; j < 4u; j++) {
        sums[j] += dot16(weights[matrix_at() + matrix_row(unit, group * 4u + j) * columns + v], x);
      }
    }
    partial_sums[i] = sums;
    workgroupBarrier();
    if (lane == 0u) {
      for (var k = 1u; k < 16u; k++) { sums += partial_sums[i + k]; }
      before = finish(group, unit, g.y, sums, before);
      ${packs ? 'made[i / 16u] = before;' : ''}
    }
    workgroupBarrier();
  }${packs ? packing(TILES.few, rows) : ''}
}`;
}

/** An invocation multiplies 16 rows of the matrix with one vector. */
function alone({ bindings, code, rows, units, packs }: Product, dot: DotKernel): string {
  return `${header(bindings, dot)}${NUMBERS}${code}
@compute @workgroup_size(${LONERS})
fn main(@builtin(global_invocation_id) g: vec3u) {
  let columns = shape.width / 16u;
  let row = g.y;
  if (g.x * 4u >= ${units} || row >= ${rows}) { return; }
  var made = vec4i(0);
  for (var u = 0u; u < 4u; u++) {
    let unit = g.x * 4u + u;
    var before = 0;
    for (var group = 0u; group < groups(); group++) {
      let r0 = matrix_at() + matrix_row(unit, group * 4u) * columns;
      let r1 = matrix_at() + matrix_row(unit, group * 4u + 1u) * columns;
      let r2 = matrix_at() + matrix_row(unit, group * 4u + 2u) * columns;
      let r3 = matrix_at() + matrix_row(unit, group * 4u + 3u) * columns;
      var sums = vec4i(0);
      for (var v = 0u; v < columns; v++) {
        let x = operand_of(row, v);
        sums += vec4i(dot16(weights[r0 + v], x), dot16(weights[r1 + v], x), dot16(weights[r2 + v], x), dot16(weights[r3 + v], x));
      }
      before = finish(group, unit, row, sums, before);
    }
    made[u] = before;
  }
  ${packs ? 'hidden8[pack_at(g.x * 4u, row)] = pack4(made);' : ''}
}`;
}

/**
 * A layer norm: where its vector comes from, and what becomes of the normalized one. A workgroup has one row.
 */
interface Norm {
  bindings: readonly Binding[];
  /**
   * WGSL: `source(row, word)`, `sink(row, word, n)`: four numbers each; `prepare(row, i)` before, by every
   * thread
   */
  code: string;
}

const NO_PREPARATION = 'fn prepare(row: u32, i: u32) {}';
const NORM_OUT: Binding = { name: 'norm', type: 'vec4i', write: true };
const OPERAND_OUT: Binding = { name: 'operand', type: 'u32', write: true };

const NORMS = {
  /** Of the LSTM's output, for a layer without attention: the boom layer's input. */
  boomInput: {
    bindings: [NUMBER_WORDS, { name: 'hidden', type: 'vec4i' }, NORM_OUT, OPERAND_OUT],
    code: `
${NO_PREPARATION}
fn source(row: u32, word: u32) -> vec4i { return hidden[row * (shape.width / 4u) + word]; }
fn sink(row: u32, word: u32, n: vec4i) {
  let i = row * (shape.width / 4u) + word;
  norm[i] = n;
  operand[i] = pack4(sat8v(mul15v(n, vector4(BOOM_SCALE, word * 4u))));
}`,
  },
  /** Of the LSTM's output: the position that attention remembers. */
  memory: {
    bindings: [
      NUMBER_WORDS,
      { name: 'hidden', type: 'vec4i' },
      NORM_OUT,
      OPERAND_OUT,
      { name: 'memory', type: 'u32', write: true },
    ],
    code: `
${NO_PREPARATION}
fn source(row: u32, word: u32) -> vec4i { return hidden[row * (shape.width / 4u) + word]; }
fn sink(row: u32, word: u32, n: vec4i) {
  let words = shape.width / 4u;
  let position = run.position + at.step + row / shape.streams;
  let m8 = pack4(sat8v(mul15v(n, vector4(MEMORY_SCALE, word * 4u))));
  norm[row * words + word] = n;
  operand[row * words + word] = m8;
  memory[((row % shape.streams) * shape.capacity + position % shape.capacity) * words + word] = m8;
}`,
  },
  /** Of the query: what positions are compared with. */
  query: {
    bindings: [
      NUMBER_WORDS,
      { name: 'query', type: 'vec4i' },
      OPERAND_OUT,
      { name: 'best', type: 'i32', write: true },
    ],
    code: `
fn prepare(row: u32, i: u32) { best[row] = -${2 ** 30}; }
fn source(row: u32, word: u32) -> vec4i { return query[row * (shape.width / 4u) + word]; }
fn sink(row: u32, word: u32, n: vec4i) {
  let s = shift(FOLD_SHIFT);
  let folded = n * vector4(FOLD_GAIN, word * 4u) + vector4(FOLD_BIAS, word * 4u) + vec4i(1i << (s - 1u));
  operand[row * (shape.width / 4u) + word] = pack4(sat8v(folded >> vec4u(s)));
}`,
  },
  /** Of what attention puts out: the boom layer's input. */
  attended: {
    bindings: [
      NUMBER_WORDS,
      { name: 'partial', type: 'vec4i' },
      { name: 'partialZ', type: 'i32' },
      NORM_OUT,
      OPERAND_OUT,
    ],
    code: `
var<private> reciprocal: i32;
var<private> mean_shift: u32;
fn prepare(row: u32, i: u32) {
  var Z = 0u;
  for (var part = 0u; part < run.parts; part++) { Z += u32(partialZ[row * run.parts + part]); }
  let length = bit_length(Z);
  let z = select(Z >> (max(length, 16u) - 16u), Z << (16u - min(length, 16u)), length <= 16u);
  reciprocal = i32(${2 ** 30 - 1}u / max(z, 1u));
  mean_shift = 22u + length - 16u - shape.sum_shift;
}
fn source(row: u32, word: u32) -> vec4i {
  let words = shape.width / 4u;
  var sum = vec4i(0);
  for (var part = 0u; part < run.parts; part++) { sum += partial[(row * run.parts + part) * words + word]; }
  let n = norm[row * words + word];
  var y: vec4i;
  for (var k = 0u; k < 4u; k++) {
    let channel = word * 4u + k;
    let a = sat16(scale(sum[k] >> shape.sum_shift, reciprocal, mean_shift));
    y[k] = narrow(
      affine(n[k], vector(MID_GAIN, channel), vector(MID_BIAS, channel), shift(MID_SHIFT)) +
      affine(a, vector(VALUE_GAIN, channel), vector(VALUE_BIAS, channel), shift(VALUE_SHIFT)),
      shift(ATTENTION_SHIFT)
    );
  }
  return y;
}
fn sink(row: u32, word: u32, n: vec4i) {
  let i = row * (shape.width / 4u) + word;
  norm[i] = n;
  operand[i] = pack4(sat8v(mul15v(n, vector4(BOOM_SCALE, word * 4u))));
}`,
  },
  /** Of a layer's output: the next layer's input. */
  next: {
    bindings: [NUMBER_WORDS, { name: 'next', type: 'vec4i' }, OPERAND_OUT],
    code: `
${NO_PREPARATION}
fn source(row: u32, word: u32) -> vec4i { return next[row * (shape.width / 4u) + word]; }
fn sink(row: u32, word: u32, n: vec4i) {
  operand[row * (shape.width / 4u) + word] = pack4(sat8v(mul15v(n, vector4(NEXT_SCALE, word * 4u))));
}`,
  },
} satisfies Record<string, Norm>;

export type NormName = keyof typeof NORMS;

/**
 * A reduction over the workgroup, in two stages; every invocation gets the result. An invocation alone has it
 * already.
 */
const reduction = (name: string, type: string, combined: string, sharing: Sharing) =>
  sharing === 'alone'
    ? `fn ${name}(i: u32, x: ${type}) -> ${type} { return x; }`
    : `
fn ${name}(i: u32, x: ${type}) -> ${type} {
  ${name}_all[i] = x;
  workgroupBarrier();
  if (i < 8u) {
    var a = ${name}_all[i * 8u];
    for (var k = 1u; k < 8u; k++) { let b = ${name}_all[i * 8u + k]; a = ${combined}; }
    ${name}_some[i] = a;
  }
  workgroupBarrier();
  var a = ${name}_some[0];
  for (var k = 1u; k < 8u; k++) { let b = ${name}_some[k]; a = ${combined}; }
  return a;
}
var<workgroup> ${name}_all: array<${type}, ${THREADS}>;
var<workgroup> ${name}_some: array<${type}, 8>;`;

/** Where `i` of so many invocations, which `stride` counts, stands in row `row`. */
const rowOfWorkgroup: Record<Sharing, { stride: number; main: string }> = {
  together: {
    stride: THREADS,
    main: `
@compute @workgroup_size(${THREADS})
fn main(@builtin(workgroup_id) g: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = g.x;`,
  },
  alone: {
    stride: 1,
    main: `
@compute @workgroup_size(${LONERS})
fn main(@builtin(global_invocation_id) g: vec3u) {
  let row = g.x;
  if (row >= run.rows) { return; }
  let i = 0u;`,
  },
};

function norm({ bindings, code }: Norm, dot: DotKernel, sharing: Sharing): string {
  const { stride, main } = rowOfWorkgroup[sharing];
  return `${header(bindings, dot)}${NUMBERS}${code}
var<${sharing === 'alone' ? 'private' : 'workgroup'}> values: array<vec4i, 256>;
${reduction('range_and_sum', 'vec3i', 'vec3i(a.x + b.x, min(a.y, b.y), max(a.z, b.z))', sharing)}
${reduction('squares', 'u32', 'a + b', sharing)}${main}
  let d = shape.width;
  prepare(row, i);
  var seen = vec3i(0, 32767, -${32767});
  for (var word = i; word < d / 4u; word += ${stride}u) {
    let x = source(row, word);
    values[word] = x;
    let least = min(min(x.x, x.y), min(x.z, x.w));
    let most = max(max(x.x, x.y), max(x.z, x.w));
    seen = vec3i(seen.x + x.x + x.y + x.z + x.w, min(seen.y, least), max(seen.z, most));
  }
  seen = range_and_sum(i, seen);
  let mean = i32((u32(seen.x + i32(32768u * d)) + d / 2u) / d) - 32768;
  let b = bit_length(u32(max(mean - seen.y, seen.z - mean)));
  let needed = 2 * i32(b) + i32(bit_length(d - 1u)) - 32;
  let q = u32(max(0, needed) + (max(0, needed) & 1));
  var sum = 0u;
  for (var word = i; word < d / 4u; word += ${stride}u) {
    let y = vec4u(abs(values[word] - vec4i(mean)));
    let square = (y * y) >> vec4u(q);
    sum += square.x + square.y + square.z + square.w;
  }
  let V = squares(i, sum);
  let e = countLeadingZeros(V | 1u) & ${~1 >>> 0}u;
  let inverse = ${2 ** 30 - 1}u / max(1u, root(V << e));
  let m = (i32(inverse * shape.norm_factor) + 16384) >> 15u;
  let up = 16u - b;
  let s = shape.norm_shift + 5u + q / 2u + up - e / 2u;
  for (var word = i; word < d / 4u; word += ${stride}u) {
    let y = (values[word] - vec4i(mean)) << vec4u(up);
    let n = vec4i(scale(y.x, m, s), scale(y.y, m, s), scale(y.z, m, s), scale(y.w, m, s));
    sink(row, word, select(vec4i(0), sat16v(n), b > 0u));
  }
}`;
}

/** Scores of 64 positions of a row's memory, and the best of all. */
const SCORES = {
  bindings: [
    OPERAND,
    { name: 'memory', type: 'vec4u' },
    { name: 'scores', type: 'i32', write: true },
    { name: 'best', type: 'atomic<i32>', write: true },
  ] as Binding[],
  code: `
@compute @workgroup_size(${CHUNK})
fn main(@builtin(workgroup_id) g: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = g.y;
  let columns = shape.width / 16u;
  let position = run.position + at.step + row / shape.streams;
  let j = g.x * ${CHUNK}u + i;
  if (j >= min(position + 1u, shape.window)) { return; }
  let base = ((row % shape.streams) * shape.capacity + (position - j) % shape.capacity) * columns;
  var score = 0;
  for (var v = 0u; v < columns; v++) { score += dot16(operand[row * columns + v], memory[base + v]); }
  scores[row * shape.chunks_most * ${CHUNK}u + j] = score;
  atomicMax(&best[row], score);
}`,
};

/** Scores to weights, in place; 0 where there is no position yet. */
const WEIGHTS_OF_SCORES = {
  bindings: [
    NUMBER_WORDS,
    { name: 'best', type: 'i32' },
    { name: 'scores', type: 'i32', write: true },
  ] as Binding[],
  code: `
@compute @workgroup_size(${CHUNK})
fn main(@builtin(workgroup_id) g: vec3u, @builtin(local_invocation_index) i: u32) {
  let row = g.y;
  let position = run.position + at.step + row / shape.streams;
  let j = g.x * ${CHUNK}u + i;
  let word = row * shape.chunks_most * ${CHUNK}u + j;
  if (j >= min(position + 1u, shape.window)) { scores[word] = 0; return; }
  let below = min(best[row] - scores[word], ${2 ** 24 - 1});
  scores[word] = attention_weight(scale(below, scalar(SCORE_MULTIPLIER), shift(SCORE_SHIFT)));
}`,
};

/** The memory's weighted sum over a part of a row's positions: four channels each. */
const WEIGHTED = {
  bindings: [
    { name: 'memory', type: 'u32' },
    { name: 'scores', type: 'i32' },
    { name: 'partial', type: 'vec4i', write: true },
    { name: 'partialZ', type: 'i32', write: true },
  ] as Binding[],
  code: `
@compute @workgroup_size(${LONERS})
fn main(@builtin(global_invocation_id) g: vec3u) {
  let row = g.y;
  let words = shape.width / 4u;
  let word = g.x % words;
  let part = g.x / words;
  let position = run.position + at.step + row / shape.streams;
  let row_scores = row * shape.chunks_most * ${CHUNK}u;
  let row_memory = (row % shape.streams) * shape.capacity;
  var sums = vec4i(0);
  var Z = 0;
  let end = min((part + 1u) * run.part_length, run.chunks) * ${CHUNK}u;
  for (var j = part * run.part_length * ${CHUNK}u; j < end; j++) {
    let weight = scores[row_scores + j];
    if (weight != 0) {
      Z += weight;
      sums += weight * bytes4(memory[(row_memory + (position - j) % shape.capacity) * words + word]);
    }
  }
  let to = row * run.parts + part;
  partial[to * words + word] = sums;
  if (word == 0u) { partialZ[to] = Z; }
}`,
};

/** A row's logits to its frequencies, in place. */
const frequencies = (sharing: Sharing): Omit<Kernel, 'code'> & { code: string } => {
  const { stride, main } = rowOfWorkgroup[sharing];
  return {
    bindings: [{ name: 'frequencies', type: 'vec4i', write: true }],
    code: `
${reduction('most', 'i32', 'max(a, b)', sharing)}
${main}
  let base = row * ${SYMBOLS / 4}u;
  var top = -${2 ** 24};
  for (var word = i; word < ${SYMBOLS / 4}u; word += ${stride}u) {
    let z = frequencies[base + word];
    top = max(top, max(max(z.x, z.y), max(z.z, z.w)));
  }
  top = most(i, top);
  for (var word = i; word < ${SYMBOLS / 4}u; word += ${stride}u) {
    let z = frequencies[base + word];
    frequencies[base + word] = bitcast<vec4i>(
      vec4u(frequency(top - z.x), frequency(top - z.y), frequency(top - z.z), frequency(top - z.w))
    );
  }
}`,
  };
};

/** What coders need: docs/format.md, section 1.3. */
const CODING = `
fn sum(first: u32, count: u32) -> u32 {
  var total = 0u;
  for (var i = 0u; i < count; i++) { total += frequencies[first + i]; }
  return total;
}
// floor(ones 65536 / total) in [1, 65535]; ones <= total < 2^30
fn probability(ones: u32, total: u32) -> u32 {
  if (ones >= total) { return 65535u; }
  var rest = ones;
  var p = 0u;
  for (var i = 0u; i < 16u; i++) {
    rest <<= 1u;
    p <<= 1u;
    if (rest >= total) { rest -= total; p |= 1u; }
  }
  return max(1u, p);
}`;

/** The probabilities that the eight bits of a row's next byte had, two in a word. */
const ODDS: Kernel = {
  bindings: [
    { name: 'frequencies', type: 'u32' },
    { name: 'bytes', type: 'u32' },
    { name: 'odds', type: 'u32', write: true },
  ],
  code: `${CODING}
@compute @workgroup_size(${LONERS})
fn main(@builtin(global_invocation_id) g: vec3u) {
  let row = g.x;
  if (row >= run.rows) { return; }
  let symbol = bytes[row + shape.streams];
  var first = row * ${SYMBOLS}u;
  var ones = sum(first + 128u, 128u);
  var total = sum(first, 128u) + ones;
  var word = 0u;
  for (var i = 0u; i < 8u; i++) {
    let half = 128u >> i;
    let p = probability(ones, total);
    if ((i & 1u) == 0u) { word = p; } else { odds[row * 4u + i / 2u] = word | (p << 16u); }
    if ((symbol & half) != 0u) { first += half; total = ones; } else { total -= ones; }
    ones = sum(first + half / 2u, half / 2u);
  }
}`,
};

/** Words of a decoder. `begin`, `length`: of its code, in bytes; `symbols`: how many bytes its stream has. */
export const CODER = [
  'position',
  'window',
  'range',
  'code',
  'damaged',
  'begin',
  'length',
  'symbols',
] as const;

/** A byte of every stream that has one left: what the next step is fed. */
const DECODE: Kernel = {
  bindings: [
    { name: 'frequencies', type: 'u32' },
    { name: 'codes', type: 'u32' },
    { name: 'coders', type: 'u32', write: true },
    { name: 'bytes', type: 'u32', write: true },
  ],
  code: `${CODING}
${CODER.map((name, i) => `const ${name.toUpperCase()} = ${i}u;`).join('\n')}
@compute @workgroup_size(${LONERS})
fn main(@builtin(global_invocation_id) g: vec3u) {
  let stream = g.x;
  if (stream >= shape.streams) { return; }
  let to = (at.step + 1u) * shape.streams + stream;
  let at_word = stream * ${CODER.length}u;
  if (run.position + at.step >= coders[at_word + SYMBOLS]) {
    bytes[to] = ${INITIAL_BYTE}u;
    return;
  }
  let begin = coders[at_word + BEGIN];
  let length = coders[at_word + LENGTH];
  var position = coders[at_word + POSITION];
  var window = coders[at_word + WINDOW];
  var range = coders[at_word + RANGE];
  var code = coders[at_word + CODE];
  var damaged = coders[at_word + DAMAGED];
  var symbol = 0u;
  var first = stream * ${SYMBOLS}u;
  var ones = sum(first + 128u, 128u);
  var total = sum(first, 128u) + ones;
  for (var half = 128u; half > 0u; half >>= 1u) {
    let p = probability(ones, total);
    let bound = (range >> 16u) * p + (((range & 65535u) * p) >> 16u);
    if (code < bound) {
      range = bound;
      symbol |= half;
      first += half;
      total = ones;
    } else {
      code -= bound;
      range -= bound;
      total -= ones;
    }
    for (var i = 0u; i < 2u && range < ${2 ** 24}u; i++) {
      var byte = 0u;
      if (position < length) {
        let k = begin + position;
        byte = (codes[k / 4u] >> (8u * (k % 4u))) & 255u;
      } else if (position >= length + 4u) {
        damaged = 1u;
      }
      position++;
      window = (window << 8u) | byte;
      range <<= 8u;
      code = (code << 8u) | byte;
    }
    ones = sum(first + half / 2u, half / 2u);
  }
  coders[at_word + POSITION] = position;
  coders[at_word + WINDOW] = window;
  coders[at_word + RANGE] = range;
  coders[at_word + CODE] = code;
  coders[at_word + DAMAGED] = damaged;
  bytes[to] = symbol;
}`,
};

const plain = ({ bindings, code }: Kernel, dot: DotKernel): string =>
  `${header(bindings, dot)}${bindings.includes(NUMBER_WORDS) ? NUMBERS : ''}${code}`;

export type KernelName =
  | `${ProductName}/${ProductKernel}`
  | `norm/${NormName}`
  | 'scores'
  | 'weights'
  | 'weighted'
  | 'frequencies'
  | 'odds'
  | 'decode';

/** All kernels of a network, of any shape, that a device of that kind is given. */
export function kernels(dot: DotKernel, sharing: Sharing): Partial<Record<KernelName, Kernel>> {
  const all: Partial<Record<KernelName, Kernel>> = {};
  const add = (name: KernelName, kernel: Kernel) => {
    all[name] = { bindings: kernel.bindings, code: plain(kernel, dot) };
  };
  add('scores', SCORES);
  add('weights', WEIGHTS_OF_SCORES);
  add('weighted', WEIGHTED);
  add('frequencies', frequencies(sharing));
  add('odds', ODDS);
  add('decode', DECODE);
  const ways = sharing === 'alone' ? { alone } : { tiled, few };
  for (const [name, product] of Object.entries(PRODUCTS) as [ProductName, Product][])
    for (const [way, write] of Object.entries(ways) as [ProductKernel, typeof tiled][])
      all[`${name}/${way}`] = { bindings: product.bindings, code: write(product, dot) };
  for (const [name, of] of Object.entries(NORMS) as [NormName, Norm][])
    all[`norm/${name}`] = { bindings: of.bindings, code: norm(of, dot, sharing) };
  return all;
}

/** Rows, or streams, of a workgroup of the coders' kernels. */
export const CODED_ROWS = LONERS;
/** Rows of a workgroup of a kernel that goes row by row. */
export const ROWS_OF: Record<Sharing, number> = { together: 1, alone: LONERS };
/** Invocations of a workgroup of the weighted sum. */
export const WEIGHTED_WORDS = LONERS;
