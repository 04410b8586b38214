/**
 * @file The mixing coder as the codec sees it: what an implementation (native addon, WebAssembly, plain TypeScript)
 * offers, and the symbol coders made of it.
 */
import type { Network } from '../../engines/engine.js';
import { damagedBlock, type SymbolDecoder, type SymbolEncoder } from './symbol-coder.js';

/** Mixing profiles in the numbers of the file format: few models for speed, or all of them. */
export const MIX_PROFILES = { fast: 0, full: 1 } as const;

export type MixProfile = keyof typeof MIX_PROFILES;

/** An open coder of one block; belongs to the implementation that made it. */
export type MixHandle = object;

/**
 * An implementation. All give the same bits. Symbols come in coding order: symbol i of a block of S streams belongs to
 * stream i mod S, streams are contiguous slices, the longer ones first.
 */
export interface MixKernels {
  /** Bytes of memory that a coder needs, 0 where an argument is out of range. Grows with the block, bounded. */
  mixBytes(profile: number, length: number, streams: number): number;
  /** Opens an encoder or, with a payload (which is copied), a decoder. */
  mixOpen(profile: number, length: number, streams: number, payload?: Uint8Array): MixHandle;
  /**
   * @param frequencies symbols.length x 256 of the network, each in [1, 2^22], sums below 2^30; or none
   * @returns bytes of payload so far, Infinity once they are more than the block's length
   */
  mixEncode(coder: MixHandle, symbols: Uint8Array, frequencies?: Uint32Array): number;
  /** @returns the payload, undefined if it would be longer than the block */
  mixFinish(coder: MixHandle): Uint8Array | undefined;
  /**
   * Decodes `count` symbols into the front of `symbols`. Any payload decodes to something.
   * @returns bytes of payload used so far, Infinity once it is known to be damaged
   */
  mixDecode(coder: MixHandle, symbols: Uint8Array, count: number, frequencies?: Uint32Array): number;
  /** Whether a decoder's payload is exactly the one that an encoder makes of what was decoded so far. */
  mixEnds(coder: MixHandle): boolean;
  /**
   * Has a network predict and codes what it predicts, both at the same time, where the implementation can: the bits are
   * those of the network's `run` or `step` and {@link mixEncode} or {@link mixDecode} in turns.
   * @param rows the network's first input, a byte per stream, and behind it `count` symbols: what an encoder reads and a
   * decoder writes
   * @param count symbols; whole steps, except at the end of the block
   * @param frequencies room for the frequencies of at least one step
   * @returns as `mixEncode` or `mixDecode`; undefined, and nothing is done, if the network is not of this implementation
   */
  mixSteps?(
    coder: MixHandle,
    network: Network,
    rows: Uint8Array,
    count: number,
    frequencies: Uint32Array,
  ): number | undefined;
  /** Frees the memory. The coder must not be used afterwards. */
  mixClose(coder: MixHandle): void;
}

/** Encodes a block of `length` bytes by mixing. */
export class MixEncoder implements SymbolEncoder {
  readonly #kernels: MixKernels;
  readonly #coder: MixHandle;
  #length = 0;

  constructor(kernels: MixKernels, profile: MixProfile, length: number, streams: number) {
    this.#kernels = kernels;
    this.#coder = kernels.mixOpen(MIX_PROFILES[profile], length, streams);
  }

  get length(): number {
    return this.#length;
  }

  encode(symbols: Uint8Array, frequencies?: Uint32Array): void {
    this.#length = this.#kernels.mixEncode(this.#coder, symbols, frequencies);
  }

  encodeSteps(network: Network, rows: Uint8Array, count: number, frequencies: Uint32Array): boolean {
    const length = this.#kernels.mixSteps?.(this.#coder, network, rows, count, frequencies);
    if (length === undefined) return false;
    this.#length = length;
    return true;
  }

  finish(): Uint8Array | undefined {
    return this.#kernels.mixFinish(this.#coder);
  }

  close(): void {
    this.#kernels.mixClose(this.#coder);
  }
}

/** Decodes what {@link MixEncoder} wrote, given the same profile, length, streams and frequencies. */
export class MixDecoder implements SymbolDecoder {
  readonly #kernels: MixKernels;
  readonly #coder: MixHandle;
  #used = 0;

  constructor(
    kernels: MixKernels,
    profile: MixProfile,
    length: number,
    streams: number,
    payload: Uint8Array,
  ) {
    this.#kernels = kernels;
    this.#coder = kernels.mixOpen(MIX_PROFILES[profile], length, streams, payload);
  }

  get position(): number {
    return this.#used;
  }

  decode(symbols: Uint8Array, count: number, frequencies?: Uint32Array): void {
    this.#use(this.#kernels.mixDecode(this.#coder, symbols, count, frequencies));
  }

  decodeSteps(network: Network, rows: Uint8Array, count: number, frequencies: Uint32Array): boolean {
    const used = this.#kernels.mixSteps?.(this.#coder, network, rows, count, frequencies);
    if (used === undefined) return false;
    this.#use(used);
    return true;
  }

  finish(): void {
    if (!this.#kernels.mixEnds(this.#coder)) throw damagedBlock();
  }

  close(): void {
    this.#kernels.mixClose(this.#coder);
  }

  #use(bytes: number): void {
    // do not decode on and on what is not there
    if (bytes === Number.POSITIVE_INFINITY) throw damagedBlock();
    this.#used = bytes;
  }
}
