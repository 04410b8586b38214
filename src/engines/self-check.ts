/**
 * @file What a device or a library must compute right before anything is trusted to it: a small model whose
 * results are known.
 */
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { crc32 } from '../crc32.js';
import { SYMBOLS } from '../model/architecture.js';
import { encodeModel, type IntegerMatrix, type IntegerModel, parseModel } from '../model/sharnn.js';
import type { Network, StreamKernels } from './engine.js';

/**
 * Runs of the check: streams, steps at once and then one by one. They take every kernel of a device that
 * predicts.
 */
export const CHECK_RUNS = [
  { streams: 1, together: 12, single: 2, crc: 0xc5cceb08 },
  { streams: 9, together: 0, single: 3, crc: 0x6ced4eda },
] as const;

/** A block that the model expects, in three streams, and the codes of these. */
const CODED = {
  block:
    'c59cd0d09c9c9c9cd09cc5c59c9cc59c9c9c9c9cc5d0d09c9cc59cd09c9c' +
    'c59c9cb29c9c9cc59cc5c5389c9c349c9cd09c9cc59c3b9c9cc59cb29c9c',
  codes: [
    '2f0160d97526727146b6c635e4581a9b',
    '2e5c186d985158d40d77cef1565f7968',
    '305eb69273ccc274c4ae081f4a9bbf86',
  ],
};

/** A valid model with numbers of the size that training gives, from a fixed seed. */
export function checkModel(): IntegerModel {
  const architecture = { width: 64, layers: 2, boom: 2, window: 7, attention: [0] };
  const d = architecture.width;
  let state = 1;
  /** a whole number around `center`, at most `spread` away */
  const number = (center: number, spread: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return center - spread + Math.floor((state / 2 ** 32) * (2 * spread + 1));
  };
  const numbers = <T>(make: (fill: ArrayLike<number>) => T, n: number, center: number, spread: number): T =>
    make(Array.from({ length: n }, () => number(center, spread)));
  const int8 = (n: number) => numbers((fill) => Int8Array.from(fill), n, 0, 127);
  const int16 = (n: number, center: number, spread: number) =>
    numbers((fill) => Int16Array.from(fill), n, center, spread);
  const int32 = (n: number, spread: number) => numbers((fill) => Int32Array.from(fill), n, 0, spread);
  const matrix = (rows: number, multiplier: number): IntegerMatrix => ({
    weight: int8(rows * d),
    multiplier: numbers((fill) => Uint16Array.from(fill), rows, multiplier, multiplier / 2),
    shift: 18,
  });
  const affine = () => ({ gain: int16(d, 4000, 2000), bias: int32(d, 1000), shift: 12 });
  const layer = (l: number) => ({
    startScale: int16(l === 0 ? 0 : d, 900, 300),
    inputWeight: matrix(4 * d, 16000),
    stateWeight: matrix(4 * d, 16000),
    gateBias: int32(4 * d, 2000),
    attention: architecture.attention.includes(l)
      ? {
          memoryScale: int16(d, 900, 300),
          query: matrix(d, 16000),
          queryBias: int32(d, 1000),
          queryFold: { gain: int16(d, 0, 16000), bias: int32(d, 2 ** 18), shift: 18 },
          score: { multiplier: 20000, shift: 15 },
          mid: affine(),
          value: affine(),
          outputShift: 3,
        }
      : null,
    residual: affine(),
    boomScale: int16(d, 900, 300),
    boom: matrix(architecture.boom * d, 4000),
    boomBias: int32(architecture.boom * d, 250),
    outputShift: 3,
  });
  return parseModel(
    encodeModel({
      name: 'self-check',
      architecture,
      input: int8(SYMBOLS * d),
      inputScale: new Int16Array(d).fill(1000),
      layers: [layer(0), layer(1)],
      outputScale: int16(d, 900, 300),
      output: matrix(SYMBOLS, 16000),
      outputBias: int32(SYMBOLS, 8000),
    }),
  );
}

/** CRC-32 of the frequencies of a run, as little-endian words. */
export async function checksumOf(
  network: Network,
  { together, single }: (typeof CHECK_RUNS)[number],
): Promise<number> {
  const { streams } = network;
  const steps = together + single;
  const bytes = Uint8Array.from({ length: steps * streams }, (_, i) => (i * 37) >> (i % 3));
  const frequencies = new Uint32Array(steps * streams * SYMBOLS);
  await network.run(bytes, together, frequencies);
  for (let step = together; step < steps; step++)
    await network.step(bytes.subarray(step * streams), frequencies.subarray(step * streams * SYMBOLS));
  network.close();
  const view = new DataView(new ArrayBuffer(frequencies.length * 4));
  for (let i = 0; i < frequencies.length; i++) view.setUint32(4 * i, frequencies[i], true);
  return crc32(new Uint8Array(view.buffer));
}

/**
 * Whether blocks are coded and decoded as they must.
 * @param open networks that `kernels` take
 */
export async function codesRight(
  open: (model: IntegerModel, streams: number) => Network,
  kernels: StreamKernels,
): Promise<boolean> {
  const { block, codes } = CODED;
  const steps = block.length / 2 / codes.length;
  const network = open(checkModel(), codes.length);
  try {
    const encoder = kernels.encodeStreams(network, hexToBytes(block));
    await encoder?.advance(steps);
    const coded = await encoder?.finish();
    encoder?.close();
    if (coded?.map((code) => bytesToHex(code)).join() !== codes.join()) return false;
    const decoder = kernels.decodeStreams(network, codes.map(hexToBytes), block.length / 2);
    await decoder?.advance(steps);
    const decoded = await decoder?.finish();
    decoder?.close();
    return decoded !== undefined && bytesToHex(decoded) === block;
  } finally {
    network.close();
  }
}

/** Whether networks compute what they must. */
export async function computesRight(
  open: (model: IntegerModel, streams: number) => Network,
): Promise<boolean> {
  const model = checkModel();
  for (const run of CHECK_RUNS)
    if ((await checksumOf(open(model, run.streams), run)) !== run.crc) return false;
  return true;
}
