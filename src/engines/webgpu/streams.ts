/**
 * @file Blocks of the network alone, coded on the device (docs/format.md, section 1.3). A decoder is there as
 * a whole: nothing comes back but bytes. Of an encoder the device gives the probabilities of the bits, 16
 * bytes for each byte, and the host, which can put bytes one behind the other, has the range coders.
 */
import { codeEnds, RangeEncoder } from '../../range-coder.js';
import { codingRows, placeSymbols, streamLengths } from '../../slices.js';
import type { Network, StreamCoder, StreamKernels } from '../engine.js';
import { CODER } from './kernels.js';
import { CODER_WORDS } from './layout.js';

/** A network that codes blocks. What is asked is done in turn. */
export interface CodingNetwork extends Network {
  /**
   * Steps of known input.
   * @param rows (steps + 1) x S bytes: every step's input; what is coded with its frequencies is the next
   * step's
   * @param odds receives steps x S x 8 probabilities of a 1, out of 2^16, of the bits of what is coded, the
   * highest first
   */
  odds(rows: Uint8Array, steps: number, odds: Uint16Array): Promise<void>;
  /** Begins to decode, from the cold state. @param symbols bytes of each stream */
  startDecoding(codes: readonly Uint8Array[], symbols: readonly number[]): Promise<void>;
  /**
   * Decodes the next `steps` bytes of every stream; INITIAL_BYTE where a stream has ended.
   * @returns steps x S bytes; bytes of code used so far, Infinity if they are damaged
   */
  decode(steps: number): Promise<{ rows: Uint8Array; used: number }>;
  /** Whether all codes are exactly those of what was decoded. */
  ends(): Promise<boolean>;
}

/** Bytes of code that decoders have used, by their words; Infinity if one of them is damaged. */
export function usedCode(coders: Uint32Array): number {
  let used = 0;
  for (const { position, length, damaged } of decoders(coders))
    used += damaged ? Number.POSITIVE_INFINITY : Math.min(position, length);
  return used;
}

/** Whether all decoders stand at the ends of their codes. */
export const allEnd = (coders: Uint32Array): boolean =>
  decoders(coders).every((state) => !state.damaged && codeEnds(state, state.length));

const decoders = (coders: Uint32Array): Record<(typeof CODER)[number], number>[] =>
  Array.from(
    { length: coders.length / CODER_WORDS },
    (_, k) =>
      Object.fromEntries(CODER.map((name, i) => [name, coders[k * CODER_WORDS + i]])) as Record<
        (typeof CODER)[number],
        number
      >,
  );

/** Bytes of a stream's coder on the host. */
const OBJECTS = 512;
/** Rows whose probabilities an encoder has at a time. */
const ENCODED_ROWS = 4096;

/** The coding of blocks by networks of an engine. @param own whether a network is the engine's */
export const streamKernels = (own: (network: Network) => network is CodingNetwork): StreamKernels => ({
  streamBytes: (length, streams) => 2 * length + streams * OBJECTS + (ENCODED_ROWS + streams) * 32,
  encodeStreams: (network, block) => (own(network) ? new Encoder(network, block) : undefined),
  decodeStreams: (network, codes, length) => (own(network) ? new Decoder(network, codes, length) : undefined),
});

class Encoder implements StreamCoder<Uint8Array[]> {
  private readonly coders: RangeEncoder[];
  private readonly lengths: number[];
  private step = 0;

  constructor(
    private readonly network: CodingNetwork,
    private readonly block: Uint8Array,
  ) {
    const { streams } = network;
    this.lengths = streamLengths(block.length, streams);
    this.coders = this.lengths.map(() => new RangeEncoder(block.length));
    network.reset();
  }

  async advance(steps: number): Promise<number> {
    const { streams } = this.network;
    const most = Math.max(1, Math.floor(ENCODED_ROWS / streams));
    for (let left = steps; left > 0; left -= most) await this.encode(Math.min(left, most));
    let total = 0;
    for (const coder of this.coders) total += coder.length;
    return total;
  }

  finish(): Uint8Array[] | undefined {
    const codes: Uint8Array[] = [];
    for (const coder of this.coders) {
      const code = coder.finish();
      if (!code) return undefined;
      codes.push(code);
    }
    return codes.reduce((sum, { length }) => sum + length, 0) > this.block.length ? undefined : codes;
  }

  close(): void {}

  private async encode(steps: number): Promise<void> {
    const { network, block, lengths } = this;
    const { streams } = network;
    const rows = codingRows(block, streams, this.step, this.step + steps);
    const odds = new Uint16Array(steps * streams * 8);
    await network.odds(rows, steps, odds);
    for (let t = 0; t < steps; t++)
      for (let k = 0; k < streams && this.step + t < lengths[k]; k++) {
        const symbol = rows[(t + 1) * streams + k];
        const first = (t * streams + k) * 8;
        for (let i = 0; i < 8; i++) this.coders[k].encode(symbol & (128 >> i), odds[first + i]);
      }
    this.step += steps;
  }
}

class Decoder implements StreamCoder<Uint8Array<ArrayBuffer>> {
  private readonly started: Promise<void>;
  /** steps x S bytes each */
  private readonly decoded: Uint8Array[] = [];

  constructor(
    private readonly network: CodingNetwork,
    codes: readonly Uint8Array[],
    private readonly length: number,
  ) {
    this.started = network.startDecoding(codes, streamLengths(length, network.streams));
    this.started.catch(() => {}); // told to whoever advances
  }

  async advance(steps: number): Promise<number> {
    await this.started;
    const { rows, used } = await this.network.decode(steps);
    this.decoded.push(rows);
    return used;
  }

  async finish(): Promise<Uint8Array<ArrayBuffer> | undefined> {
    if (!(await this.network.ends())) return undefined;
    const block = new Uint8Array(this.length);
    const { streams } = this.network;
    let step = 0;
    for (const rows of this.decoded) {
      // in the last row only the longer streams have a byte
      placeSymbols(block, streams, rows.subarray(0, this.length - step * streams), step);
      step += rows.length / streams;
    }
    return block;
  }

  close(): void {
    this.decoded.length = 0;
  }
}
