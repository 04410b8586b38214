/**
 * @file The one interface through which the codec sees an engine: a network that predicts, and a coder that
 * mixes. Types only. All engines give the same bits.
 */
import type { Architecture } from '../model/architecture.js';
import type { Model } from '../model/model.js';

/** What an engine runs on, in parts. */
export interface EngineFacts {
  /** The processor, or the graphics adapter. */
  readonly device?: string;
  /** What lies between: the addon, the host of WebAssembly, the adapter's driver. */
  readonly driver?: string;
  /** Which of the engine's kernels run there: "AVX2", "dot4I8Packed in tiles". */
  readonly kernels: string;
  /** A processor that plays a GPU: slower than the engines of the processor. */
  readonly software: boolean;
  /** What bounds it, by name: threads, or bytes of the largest buffers. */
  readonly limits: Readonly<Record<string, number>>;
}

/** A way of running integer networks and the mixing coder. */
export interface Engine {
  /** What it is called in options and reports; nothing is chosen by it. */
  readonly name: string;
  /** What it runs on, for people: "AVX-512 VNNI, 2 threads". */
  readonly detail: string;
  /** The same in parts, as far as the engine knows them. */
  readonly facts?: EngineFacts;
  /** Bytes that an open network of that shape takes, beside the model's own, which its networks share. */
  memory(architecture: Architecture, streams: number): number;
  /**
   * Opens a network for `streams` lockstep streams, all at the cold state.
   * @param model as `loadModel` gives it: engines, and they alone, know it as `IntegerModel`
   * @throws ShacompError ERR_OPTIONS, ERR_MODEL_INVALID, ERR_MEMORY_LIMIT
   */
  open(model: Model, streams: number): Network;
  /** The mixing coder. An engine without one of its own is lent another engine's: see `lendMixing`. */
  readonly mixing: MixKernels;
  /**
   * Coding of blocks of the network alone, where the engine can do it whole; else the codec has the network
   * predict step by step.
   */
  readonly streams?: StreamKernels;
  /**
   * To be told of what was thrown in the middle of a block. Gives true if the reason was a device that is
   * used no more from now on: networks that are opened then run elsewhere, and the block can be coded again
   * from its start.
   */
  carriesOn?(error: unknown): boolean;
}

/** An engine that only predicts. */
export type Predictor = Omit<Engine, 'mixing'>;

/**
 * S streams of one network, advancing together. `step` and `run` may return a promise (engines whose results
 * come back asynchronously, such as GPUs); callers await only then.
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

/**
 * Coding of blocks whose streams are independent (docs/format.md, section 1.3): the network and a range coder
 * for every stream stay with the engine, on its threads or on its device, for as many steps as are asked for
 * at once. The codes are those of the network's `run` or `step` and a range coder per stream.
 */
export interface StreamKernels {
  /**
   * Bytes that coding a block takes beside the open network, wherever the engine has them; its copies of the
   * block and of the codes included.
   */
  streamBytes(length: number, streams: number): number;
  /**
   * Begins to encode a block from the cold state, in as many streams as the network has. The network must not
   * be used for anything else until the coder is closed, nor closed before.
   * @returns undefined if the network is another engine's
   * @throws ShacompError ERR_MEMORY_LIMIT
   */
  encodeStreams(network: Network, block: Uint8Array): StreamCoder<Uint8Array[]> | undefined;
  /**
   * Begins to decode a block, as {@link encodeStreams}.
   * @param codes of all streams. Any codes decode to something
   * @param length bytes of the block: at least as many as there are streams. Memory should be taken as it is
   * needed: the length may be a lie of the file
   */
  decodeStreams(
    network: Network,
    codes: readonly Uint8Array[],
    length: number,
  ): StreamCoder<Uint8Array<ArrayBuffer>> | undefined;
}

/**
 * A block that is being coded. One call at a time; results may be promises, which must be awaited before
 * `close`.
 */
export interface StreamCoder<Result> {
  /**
   * Codes the next `steps` bytes of every stream; at most as many steps as the longest stream has bytes left.
   * @returns encoding, the bytes of all codes so far that no carry can change any more (docs/format.md,
   * section 1.4), the same number on every engine; decoding, the bytes of code used so far, Infinity once it
   * is known that no encoder writes these codes
   */
  advance(steps: number): number | Promise<number>;
  /**
   * The result, once all steps are done: the codes of all streams; or the block, in its own order.
   * @returns undefined if the codes are together longer than the block; or are not exactly those of what was
   * decoded
   */
  finish(): Result | undefined | Promise<Result | undefined>;
  /** Frees what the coder has. It must not be used afterwards. */
  close(): void;
}

/** The `LIKELIEST` (./profiles.ts) likeliest values of bytes, for each the likeliest first. */
export interface Likeliest {
  symbols: Uint8Array;
  /** their probabilities Q16 */
  chances: Uint16Array;
}

/** An open mixing coder of one block; belongs to the engine that made it. */
export type MixHandle = object;

/**
 * The mixing coder of an engine. Symbols come in coding order: symbol i of a block of S streams belongs to
 * stream i mod S, streams are contiguous slices, the longer ones first. Profiles are the numbers of
 * `MIX_PROFILES`.
 */
export interface MixKernels {
  /**
   * Bytes of memory that a coder needs, 0 where an argument is out of range. Grows with the block, bounded.
   */
  mixBytes(profile: number, length: number, streams: number): number;
  /** Opens an encoder or, with a payload (which is copied), a decoder. */
  mixOpen(profile: number, length: number, streams: number, payload?: Uint8Array): MixHandle;
  /**
   * Readies a piece of the coder's memory, some milliseconds of work. To be called before the first symbol
   * until all is ready; otherwise the first symbols take the time for what is left.
   * @returns whether all is ready
   */
  mixPrepare?(coder: MixHandle): boolean;
  /**
   * @param frequencies symbols.length x 256 of the network, each in [1, 2^22], sums below 2^30; or none
   * @param odds receives for each symbol the probabilities Q16, each in [1, 65535], that its 8 bits had, the
   * highest bit first
   * @param likeliest receives for each symbol the values that were likeliest in its place, as predicted
   * before any of its bits is learned from: the chance of the symbol itself differs a little from what its
   * odds say. Takes some times as long as coding
   * @returns bytes of payload so far, Infinity once they are more than the block's length
   */
  mixEncode(
    coder: MixHandle,
    symbols: Uint8Array,
    frequencies?: Uint32Array,
    odds?: Uint16Array,
    likeliest?: Likeliest,
  ): number;
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
   * Has a network predict and codes what it predicts, both at the same time, where the engine can: the bits
   * are those of the network's `run` or `step` and {@link mixEncode} or {@link mixDecode} in turns.
   * @param network of any engine
   * @param rows the network's first input, a byte per stream, and behind it `count` symbols: what an encoder
   * reads and a decoder writes
   * @param count symbols; whole steps, except at the end of the block
   * @param frequencies room for the frequencies of at least one step
   * @returns as `mixEncode` or `mixDecode`; undefined, and nothing is done, if the network is another
   * engine's
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
