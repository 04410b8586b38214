/** @file The integer model and its file format, `.sharnn` (docs/format.md specifies it byte by byte). */
import { sha256 } from '@noble/hashes/sha2.js';
import { crc32 } from '../crc32.js';
import { ShacompError } from '../errors.js';
import { type Architecture, SYMBOLS } from './architecture.js';
import type { Model } from './model.js';
import { leastPacked, mostPacked, packWeights, unpackWeights } from './packed.js';

/** An int8 matrix [rows][columns], row-major, with its rescale: one multiplier per row, one shift (9..31). */
export interface IntegerMatrix {
  weight: Int8Array;
  /** multiplier of each row, below 2^15 */
  multiplier: Uint16Array;
  shift: number;
}

/**
 * Elementwise gain and bias of a norm: `n * gain`, rounded and shifted right by `shift` (1..15), plus `bias`
 * (Q.10).
 */
export interface Affine {
  gain: Int16Array;
  bias: Int32Array;
  shift: number;
}

/** Attention of one layer; the paper's gates are folded into `query` and `value`. */
export interface IntegerAttention {
  /** int16[d], Q0.15: normalized values (Q5.10) to the int8 memory */
  memoryScale: Int16Array;
  /** [d][d], result plus bias in a format of the model's choice: only a norm reads it */
  query: IntegerMatrix;
  queryBias: Int32Array;
  /** maps the normalized query to int8: `sat8((n*gain + bias + half) >> shift)` */
  queryFold: { gain: Int16Array; bias: Int32Array; shift: number };
  /** score differences to Q.12 in units of log 2 */
  score: { multiplier: number; shift: number };
  mid: Affine;
  /** of the mean memory in Q7.8 */
  value: Affine;
  /** of the sum of both, Q.10 to int16 (1..8) */
  outputShift: number;
}

/** One block of the network. */
export interface IntegerLayer {
  /**
   * int16[d], Q0.15: normalized values (Q5.10) to the LSTM's int8 input; empty in the first layer, whose
   * input is a table
   */
  startScale: Int16Array;
  /** [4d][d], gates i, f, g, o */
  inputWeight: IntegerMatrix;
  /** [4d][d] */
  stateWeight: IntegerMatrix;
  /** int32[4d]: Q4.11 for i, f, o; Q3.12 for g */
  gateBias: Int32Array;
  attention: IntegerAttention | null;
  residual: Affine;
  /** int16[d], Q0.15: normalized values (Q5.10) to the boom layer's int8 input */
  boomScale: Int16Array;
  /** [boom*d][d], result plus bias in Q7.8 */
  boom: IntegerMatrix;
  boomBias: Int32Array;
  /** of the layer's output, Q.10 to int16 (1..8) */
  outputShift: number;
}

/** A quantized SHA-RNN, as {@link parseModel} makes it. Not to be changed; engines take no other objects. */
export interface IntegerModel extends Model {
  /** int8[256][d]: the first layer's normalized input for every byte */
  input: Int8Array;
  /**
   * int16[d], Q0.15: normalized values (Q5.10) to that table. Engines do not need it; training that starts
   * from a model does.
   */
  inputScale: Int16Array;
  layers: IntegerLayer[];
  /** int16[d], Q0.15: normalized values (Q5.10) to the softmax layer's int8 input */
  outputScale: Int16Array;
  /** [256][d], result plus bias in Q.12 in units of log 2 */
  output: IntegerMatrix;
  outputBias: Int32Array;
  /** a copy of the file */
  bytes: Uint8Array<ArrayBuffer>;
}

const MAGIC = Uint8Array.of(0x8d, 0x53, 0x48, 0x41, 0x52, 0x4e, 0x4e, 0x0a);
const VERSION = 3;
const HEADER = 64;
const NAME = 40;
const RECORD = 16;
const LENGTH_AT = 20;
/** Biases stay below this, so that no sum leaves 32 bits. */
const BIAS_LIMIT = 2 ** 24;

const invalid = (what: string) => new ShacompError('ERR_MODEL_INVALID', `not a usable model: ${what}`);

/** Throws ERR_MODEL_INVALID unless engines can run this shape. */
export function checkArchitecture(a: Architecture): void {
  const inRange = (x: number, low: number, high: number) => Number.isInteger(x) && x >= low && x <= high;
  if (!inRange(a.width, 64, 1024) || a.width % 64 !== 0)
    throw invalid(`width ${a.width} is not a multiple of 64 up to 1024`);
  if (!inRange(a.layers, 1, 16)) throw invalid(`${a.layers} layers, expected 1 to 16`);
  if (!inRange(a.boom, 1, 8)) throw invalid(`boom factor ${a.boom}, expected 1 to 8`);
  if (!inRange(a.window, 1, 8192)) throw invalid(`window ${a.window}, expected 1 to 8192`);
  if (!Array.isArray(a.attention) || a.attention.some((l) => !inRange(l, 0, a.layers - 1)))
    throw invalid('attention in a layer that is not there');
  if (new Set(a.attention).size !== a.attention.length) throw invalid('attention in a layer twice');
}

/**
 * Walks a file's fields in order: the one place that knows the layout, for reading, writing and measuring.
 * A visitor returns the value to use (reading) or passes the given one through (writing).
 */
interface Visitor {
  record(values: number[]): number[];
  int8(length: number, value?: Int8Array): Int8Array;
  int16(length: number, value?: Int16Array): Int16Array;
  uint16(length: number, value?: Uint16Array): Uint16Array;
  int32(length: number, value?: Int32Array): Int32Array;
}

type Body = Pick<IntegerModel, 'input' | 'inputScale' | 'layers' | 'outputScale' | 'output' | 'outputBias'>;

function walk(a: Architecture, v: Visitor, from?: Body): Body {
  const d = a.width;
  const input = v.int8(SYMBOLS * d, from?.input);
  const inputScale = v.int16(d, from?.inputScale);
  const layers: IntegerLayer[] = [];
  for (let l = 0; l < a.layers; l++) {
    const f = from?.layers[l];
    const fa = f?.attention;
    const shifts = [
      f?.inputWeight.shift,
      f?.stateWeight.shift,
      f?.boom.shift,
      f?.residual.shift,
      f?.outputShift,
      fa?.query.shift,
      fa?.queryFold.shift,
      fa?.mid.shift,
      fa?.value.shift,
      fa?.outputShift,
      fa?.score.shift,
      fa && fa.score.multiplier & 0xff,
      fa && fa.score.multiplier >> 8,
    ];
    const [sx, sh, sb, sr, so, sq, foldShift, midShift, valueShift, sy, scoreShift, scoreLow, scoreHigh] =
      v.record(shifts.map((shift) => shift ?? 0));
    if (
      !a.attention.includes(l) &&
      [sq, foldShift, midShift, valueShift, sy, scoreShift, scoreLow, scoreHigh].some((x) => x !== 0)
    )
      throw invalid('reserved bytes are not zero');
    const matrix = (rows: number, shift: number, m?: IntegerMatrix): IntegerMatrix => ({
      weight: v.int8(rows * d, m?.weight),
      multiplier: v.uint16(rows, m?.multiplier),
      shift,
    });
    const affine = (shift: number, m?: Affine): Affine => ({
      gain: v.int16(d, m?.gain),
      bias: v.int32(d, m?.bias),
      shift,
    });
    const startScale = v.int16(l === 0 ? 0 : d, f?.startScale);
    const inputWeight = matrix(4 * d, sx, f?.inputWeight);
    const stateWeight = matrix(4 * d, sh, f?.stateWeight);
    const gateBias = v.int32(4 * d, f?.gateBias);
    let attention: IntegerAttention | null = null;
    if (a.attention.includes(l)) {
      attention = {
        memoryScale: v.int16(d, fa?.memoryScale),
        query: matrix(d, sq, fa?.query),
        queryBias: v.int32(d, fa?.queryBias),
        queryFold: affine(foldShift, fa?.queryFold),
        score: { multiplier: scoreLow | (scoreHigh << 8), shift: scoreShift },
        mid: affine(midShift, fa?.mid),
        value: affine(valueShift, fa?.value),
        outputShift: sy,
      };
    }
    const residual = affine(sr, f?.residual);
    const boomScale = v.int16(d, f?.boomScale);
    const boom = matrix(a.boom * d, sb, f?.boom);
    const boomBias = v.int32(a.boom * d, f?.boomBias);
    layers.push({
      startScale,
      inputWeight,
      stateWeight,
      gateBias,
      attention,
      residual,
      boomScale,
      boom,
      boomBias,
      outputShift: so,
    });
  }
  const [se] = v.record([from?.output.shift ?? 0]);
  const outputScale = v.int16(d, from?.outputScale);
  const output: IntegerMatrix = {
    weight: v.int8(SYMBOLS * d, from?.output.weight),
    multiplier: v.uint16(SYMBOLS, from?.output.multiplier),
    shift: se,
  };
  const outputBias = v.int32(SYMBOLS, from?.outputBias);
  return { input, inputScale, layers, outputScale, output, outputBias };
}

/** Bytes of a model of this shape: of its image ({@link modelImage}), fewest and most of its file. */
export function modelLengths(a: Architecture): { image: number; least: number; most: number } {
  const lengths = { image: HEADER, least: HEADER + 4, most: HEADER + 4 };
  const add = (image: number, least = image, most = image) => {
    lengths.image += image;
    lengths.least += least;
    lengths.most += most;
  };
  const count =
    <T>(size: number, make: new (n: number) => T) =>
    (n: number) => {
      add(n * size);
      return new make(0);
    };
  walk(a, {
    record: (values) => {
      add(RECORD);
      return values;
    },
    int8: (n) => {
      add(n, leastPacked(n), mostPacked(n));
      return new Int8Array(0);
    },
    int16: count(2, Int16Array),
    uint16: count(2, Uint16Array),
    int32: count(4, Int32Array),
  });
  return lengths;
}

/** Writes the fields behind the header; `int8` says how weights are written. Returns where they end. */
function writeBody(
  a: Architecture,
  body: Body,
  bytes: Uint8Array<ArrayBuffer>,
  int8: (weights: Int8Array) => Uint8Array | Int8Array,
): number {
  const view = new DataView(bytes.buffer);
  let at = HEADER;
  const checked = <T extends ArrayLike<number>>(length: number, value?: T): T => {
    if (!value || value.length !== length) throw invalid('a tensor has the wrong length');
    return value;
  };
  const each =
    <T extends ArrayLike<number>>(size: number, put: (offset: number, value: number) => void) =>
    (length: number, value?: T): T => {
      const numbers = checked(length, value);
      for (let i = 0; i < length; i++) put(at + i * size, numbers[i]);
      at += length * size;
      return numbers;
    };
  walk(
    a,
    {
      record: (values) => {
        bytes.set(values, at);
        at += RECORD;
        return values;
      },
      int8: (length, value) => {
        const weights = checked(length, value);
        const written = int8(weights);
        bytes.set(written, at);
        at += written.length;
        return weights;
      },
      int16: each<Int16Array>(2, (o, x) => view.setInt16(o, x, true)),
      uint16: each<Uint16Array>(2, (o, x) => view.setUint16(o, x, true)),
      int32: each<Int32Array>(4, (o, x) => view.setInt32(o, x, true)),
    },
    body,
  );
  return at;
}

/** Writes the `.sharnn` file of a model. The result parses to the same model, with `bytes` and `id` set. */
export function encodeModel(
  model: Body & { name: string; architecture: Architecture },
): Uint8Array<ArrayBuffer> {
  const a = model.architecture;
  checkArchitecture(a);
  const name = new TextEncoder().encode(model.name);
  if (name.length === 0 || name.length > NAME) throw invalid(`a name has 1 to ${NAME} bytes`);
  const room = new Uint8Array(modelLengths(a).most);
  const end = writeBody(a, model, room, packWeights);
  const bytes = room.slice(0, end + 4);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC, 0);
  view.setUint16(8, VERSION, true);
  view.setUint16(10, a.width, true);
  bytes[12] = a.layers;
  bytes[13] = a.boom;
  view.setUint16(14, a.window, true);
  view.setUint32(16, a.attention.reduce((bits, l) => bits | (1 << l), 0) >>> 0, true);
  view.setUint32(LENGTH_AT, bytes.length, true);
  bytes.set(name, 24);
  view.setUint32(end, crc32(bytes.subarray(0, end)), true);
  return bytes;
}

/** Bytes of a file that {@link parseModelHeader} reads. */
export const MODEL_HEADER_LENGTH = HEADER;

/**
 * Reads only the header: enough to name a model or to say how large it is.
 * @param length bytes of the whole file, if they are to be those of the header's shape
 * @throws ShacompError ERR_MODEL_INVALID or ERR_UNSUPPORTED_VERSION
 */
export function parseModelHeader(
  bytes: Uint8Array,
  length?: number,
): { name: string; architecture: Architecture } {
  if (bytes.length < HEADER || MAGIC.some((x, i) => bytes[i] !== x))
    throw invalid('this is not a .sharnn file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint16(8, true);
  if (version !== VERSION)
    throw new ShacompError(
      'ERR_UNSUPPORTED_VERSION',
      version < VERSION
        ? `model format version ${version} is older than the first published one, ${VERSION}: make the model again from its checkpoint`
        : `model format version ${version}; this program reads version ${VERSION}: update shacomp`,
    );
  const bits = view.getUint32(16, true);
  const architecture: Architecture = {
    width: view.getUint16(10, true),
    layers: bytes[12],
    boom: bytes[13],
    window: view.getUint16(14, true),
    attention: Array.from({ length: 32 }, (_, l) => l).filter((l) => (bits >>> l) & 1),
  };
  checkArchitecture(architecture);
  const declared = view.getUint32(LENGTH_AT, true);
  if (length !== undefined && length !== declared)
    throw invalid(`${length} bytes long, its header says ${declared}`);
  const { least, most } = modelLengths(architecture);
  if (declared < least || declared > most)
    throw invalid(`${declared} bytes long, a model of its shape has ${least} to ${most}`);
  const end = bytes.subarray(24, 24 + NAME).indexOf(0);
  const name = new TextDecoder().decode(bytes.subarray(24, end < 0 ? 24 + NAME : 24 + end));
  return { name, architecture };
}

/** SHA-256. Platforms have faster ones than portable JavaScript, the default. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array<ArrayBuffer>;

/**
 * Parses and validates a `.sharnn` file: everything that engines rely on holds afterwards.
 * @throws ShacompError ERR_MODEL_INVALID or ERR_UNSUPPORTED_VERSION
 */
export function parseModel(file: Uint8Array, hash: Sha256 = sha256): IntegerModel {
  // nothing is left of an array whose buffer was transferred
  if (file.length < HEADER) throw invalid('this is not a .sharnn file');
  // what is no model is refused before it is copied
  parseModelHeader(new Uint8Array(file.subarray(0, HEADER)), file.length);
  // all checks are made on a copy: another thread may write to the caller's array meanwhile
  return parseOwnModel(new Uint8Array(file), hash);
}

/** {@link parseModel} without a copy, for bytes that nobody else has. */
export function parseOwnModel(bytes: Uint8Array<ArrayBuffer>, hash: Sha256 = sha256): IntegerModel {
  const { length } = bytes;
  const { name, architecture } = parseModelHeader(bytes, length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(length - 4, true) !== crc32(bytes.subarray(0, length - 4)))
    throw invalid('its checksum is wrong, the file is damaged');
  let at = HEADER;
  /** Where the next `size` bytes begin. */
  const take = (size: number): number => {
    const from = at;
    at += size;
    if (at > length - 4) throw invalid('it ends too early');
    return from;
  };
  const read =
    <T extends { [i: number]: number; length: number }>(
      make: new (n: number) => T,
      size: number,
      get: (offset: number) => number,
      limit: number,
    ) =>
    (n: number): T => {
      const from = take(n * size);
      const array = new make(n);
      for (let i = 0; i < n; i++) {
        const x = get(from + i * size);
        if (x >= limit || x <= -limit) throw invalid('a number is out of range');
        array[i] = x;
      }
      return array;
    };
  const body = walk(architecture, {
    record: (values) => {
      const from = take(RECORD);
      const record = Array.from(bytes.subarray(from, from + RECORD));
      if (record.slice(values.length).some((x) => x !== 0)) throw invalid('reserved bytes are not zero');
      return record;
    },
    int8: (n) => {
      const array = new Int8Array(n);
      const taken = unpackWeights(bytes.subarray(at, length - 4), array);
      if (taken === undefined) throw invalid('a matrix is damaged');
      at += taken;
      return array;
    },
    int16: read(Int16Array, 2, (o) => view.getInt16(o, true), 32768),
    uint16: read(Uint16Array, 2, (o) => view.getUint16(o, true), 32768),
    int32: read(Int32Array, 4, (o) => view.getInt32(o, true), BIAS_LIMIT),
  });
  if (at !== length - 4) throw invalid('there is something behind its last number');
  const inRange = (what: string, low: number, high: number, shifts: number[]) => {
    if (shifts.some((s) => s < low || s > high)) throw invalid(`${what} is out of range`);
  };
  inRange('a rescale shift', 9, 31, [body.output.shift]);
  for (const { inputWeight, stateWeight, boom, residual, outputShift, attention } of body.layers) {
    inRange('a rescale shift', 9, 31, [inputWeight.shift, stateWeight.shift, boom.shift]);
    inRange('a gain shift', 1, 15, [residual.shift]);
    inRange('an output shift', 1, 8, [outputShift]);
    if (!attention) continue;
    inRange('a rescale shift', 9, 31, [attention.query.shift, attention.score.shift]);
    inRange('a query shift', 1, 24, [attention.queryFold.shift]);
    inRange('a gain shift', 1, 15, [attention.mid.shift, attention.value.shift]);
    inRange('an output shift', 1, 8, [attention.outputShift]);
    inRange('a score multiplier', 0, 32767, [attention.score.multiplier]);
  }
  const id = hash(bytes);
  Object.freeze(architecture.attention);
  Object.freeze(architecture);
  const model = Object.freeze({ name, architecture, ...body, bytes, id }) as IntegerModel;
  const image = new Uint8Array(modelLengths(architecture).image);
  image.set(bytes.subarray(0, HEADER));
  writeBody(architecture, body, image, (weights) => weights);
  images.set(model, image);
  return model;
}

/** Images of what `parseModel` has made: nobody else can write to them. */
const images = new WeakMap<IntegerModel, Uint8Array<ArrayBuffer>>();

/**
 * A model as kernels outside JavaScript read it, and trust it: header and fields of its file, the weights not
 * packed. Not to be changed.
 * @throws ShacompError ERR_MODEL_INVALID if it is an object that was not parsed
 */
export function modelImage(model: IntegerModel): Uint8Array<ArrayBuffer> {
  const image = images.get(model);
  if (image === undefined)
    throw invalid('it was not read from a .sharnn file; give its bytes, or what loadModel gives');
  return image;
}
