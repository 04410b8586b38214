/** @file The symbol coders made of an engine's mixing coder. */
import type { MixHandle, MixKernels, Network } from '../../engines/engine.js';
import { MIX_PROFILES, type MixProfile } from '../../engines/profiles.js';
import { damagedBlock, type SymbolDecoder, type SymbolEncoder } from './symbol-coder.js';

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
