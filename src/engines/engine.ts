/** @file The one interface through which the codec sees a network. */
import type { Architecture } from '../model/architecture.js';
import type { IntegerModel } from '../model/sharnn.js';

export type EngineName = 'reference' | 'native' | 'wasm';

/** A way of running integer networks. All engines give the same bits. */
export interface Engine {
  readonly name: EngineName;
  /** What the engine runs on, for people: "AVX-512 VNNI, 2 threads". */
  readonly detail: string;
  /** Bytes that an open network of that shape takes, beside the model's own, which its networks share. */
  memory(architecture: Architecture, streams: number): number;
  /**
   * Opens a network for `streams` lockstep streams, all at the cold state.
   * @throws ShacompError if the model cannot run here.
   */
  open(model: IntegerModel, streams: number): Network;
}

/**
 * S streams of one network, advancing together. `step` and `run` may return a promise (engines whose results come
 * back asynchronously, such as GPUs); callers await only then.
 */
export interface Network {
  readonly streams: number;
  /** Puts every stream back to the cold state. */
  reset(): void;
  /**
   * Feeds one byte to each stream and gives each stream's distribution of the next byte.
   * @param bytes S bytes: the previous byte of each stream (INITIAL_BYTE at a stream's start).
   * @param frequencies receives S x 256 unsigned frequencies, stream-major, each in [1, 2^22].
   */
  step(bytes: Uint8Array, frequencies: Uint32Array): void | Promise<void>;
  /**
   * `steps` calls of `step` at once, for the encoder, which knows its input.
   * @param bytes steps x S bytes, step-major.
   * @param frequencies receives steps x S x 256 frequencies, step-major, then stream-major.
   */
  run(bytes: Uint8Array, steps: number, frequencies: Uint32Array): void | Promise<void>;
  /** Frees the state. The network must not be used afterwards. */
  close(): void;
}
