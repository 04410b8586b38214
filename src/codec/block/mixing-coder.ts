/** @file The symbol coders made of an engine's mixing coder. */
import type { MixHandle, MixKernels, Network } from '../../engines/engine.js';
import { MIX_PROFILES, type MixProfile } from '../../engines/profiles.js';
import { ShacompError } from '../../errors.js';
import type { SymbolDecoder, SymbolEncoder } from './symbol-coder.js';

/** Encodes a block of `length` bytes by mixing. */
export class MixEncoder implements SymbolEncoder {
  readonly #kernels: MixKernels;
  readonly #coder: MixHandle;
  readonly #limit: number;
  #length = 0;

  constructor(kernels: MixKernels, profile: MixProfile, length: number, streams: number) {
    this.#kernels = kernels;
    this.#coder = kernels.mixOpen(MIX_PROFILES[profile], length, streams);
    this.#limit = length;
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

  /** @returns the payload; one as long as the block and of no use if coding would lengthen the block */
  finish(): Uint8Array {
    return this.#kernels.mixFinish(this.#coder) ?? new Uint8Array(this.#limit);
  }

  close(): void {
    this.#kernels.mixClose(this.#coder);
  }
}

/** Most zero bytes at the end of the code that a payload omits. */
const OMITTED = 4;

const damaged = () => new ShacompError('ERR_CORRUPT', 'a block of the compressed data is damaged');

/** Decodes what {@link MixEncoder} wrote, given the same profile, length, streams and frequencies. */
export class MixDecoder implements SymbolDecoder {
  readonly #kernels: MixKernels;
  readonly #coder: MixHandle;
  readonly #size: number;
  #used = 0;

  constructor(
    kernels: MixKernels,
    profile: MixProfile,
    length: number,
    streams: number,
    payload: Uint8Array,
  ) {
    this.#kernels = kernels;
    this.#size = payload.length;
    this.#coder = kernels.mixOpen(MIX_PROFILES[profile], length, streams, payload);
  }

  get position(): number {
    return Math.min(this.#used, this.#size);
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
    if (this.#used < this.#size) throw damaged();
  }

  close(): void {
    this.#kernels.mixClose(this.#coder);
  }

  #use(bytes: number): void {
    this.#used = bytes;
    // an encoder leaves out at most that many zero bytes: do not decode on and on what is not there
    if (bytes > this.#size + OMITTED) throw damaged();
  }
}
