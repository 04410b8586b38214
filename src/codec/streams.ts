/**
 * @file Compression and decompression as streams of the web, and what all streams are made of: see
 * `compressStream`.
 */
import type { Bytes } from './bytes.js';
import { compressChunks } from './compress.js';
import type { ByteSource, FLUSH, FlushableSource } from './container/byte-reader.js';
import { decompressChunks } from './decompress.js';
import {
  type CompressOptions,
  checkCompressOptions,
  checkDecompressOptions,
  type DecompressOptions,
} from './options.js';
import type { Platform } from './platform.js';

type Chunk = Uint8Array<ArrayBuffer>;

/** Starts coding what a source gives, until the signal is aborted. */
export type Coder<Source> = (source: Source, signal: AbortSignal) => AsyncGenerator<Chunk, void, undefined>;

/** What is written to a stream, as a source that a coder reads. */
export class Feed<T> implements AsyncIterableIterator<T> {
  #written: { value: T; settle: Settlers } | undefined;
  #read: Settlers | undefined;
  #wanted: ((result: IteratorResult<T>) => void) | undefined;
  #ended = false;
  #failure: { error: unknown } | undefined;

  /**
   * Hands a value on. Resolves when the reader asks for the next one: it has done with this one. One at a
   * time.
   */
  put(value: T): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#written = { value, settle: { resolve, reject } };
      this.#step();
    });
  }

  /** Nothing more will be put. */
  end(): void {
    this.#ended = true;
    this.#step();
  }

  /** Fails what was put and not done with, and all that will be. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#step();
  }

  next(): Promise<IteratorResult<T>> {
    this.#read?.resolve();
    this.#read = undefined;
    return new Promise((resolve) => {
      this.#wanted = resolve;
      this.#step();
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #step(): void {
    if (this.#failure) {
      this.#read?.reject(this.#failure.error);
      this.#written?.settle.reject(this.#failure.error);
    } else if (this.#wanted && this.#written) {
      this.#wanted({ value: this.#written.value, done: false });
      this.#read = this.#written.settle;
      this.#written = undefined;
      this.#wanted = undefined;
    } else if (this.#ended) {
      this.#wanted?.({ value: undefined, done: true });
    }
  }
}

interface Settlers {
  resolve(): void;
  reject(error: unknown): void;
}

/** Both signals in one, for options. */
export const withSignal = <T extends { signal?: AbortSignal }>(options: T, signal: AbortSignal): T => ({
  ...options,
  signal: options.signal ? AbortSignal.any([options.signal, signal]) : signal,
});

/** A stream's compressor. @throws ShacompError ERR_OPTIONS */
export const compressing = (options: CompressOptions = {}, platform: Platform): Coder<FlushableSource> => {
  checkCompressOptions(options);
  return (source, signal) => compressChunks(source, withSignal(options, signal), platform);
};

/** A stream's decompressor. @throws ShacompError ERR_OPTIONS */
export const decompressing = (options: DecompressOptions = {}, platform: Platform): Coder<ByteSource> => {
  checkDecompressOptions(options);
  return (source, signal) => decompressChunks(source, withSignal(options, signal), platform);
};

/** A pair of streams of the web for `pipeThrough`, as `CompressionStream` is one. */
export type ByteTransform<Written = Bytes> = ReadableWritablePair<Chunk, Written>;

/** Web streams that compress. @throws ShacompError ERR_OPTIONS */
export const compressStream = (
  options: CompressOptions | undefined,
  platform: Platform,
): ByteTransform<Bytes | typeof FLUSH> => webTransform(compressing(options, platform));

/** Web streams that decompress. @throws ShacompError ERR_OPTIONS */
export const decompressStream = (options: DecompressOptions | undefined, platform: Platform): ByteTransform =>
  webTransform(decompressing(options, platform));

/** A coder as a pair of streams. */
export function webTransform<Source, Written>(coder: Coder<Source>): ByteTransform<Written> {
  const feed = new Feed<Written>();
  const stop = new AbortController();
  const chunks = coder(feed as Source, stop.signal);
  let input!: WritableStreamDefaultController;
  let output!: ReadableStreamDefaultController<Chunk>;
  let finish!: Settlers;
  const finished = new Promise<void>((resolve, reject) => {
    finish = { resolve, reject };
  });
  // the error is seen on both sides anyway
  finished.catch(() => {});
  /** Stops the work and fails what was read. Resolves when the coder's memory is free. */
  const abort = async (reason: unknown): Promise<void> => {
    stop.abort(reason);
    feed.fail(reason);
    output.error(reason);
    finish.reject(reason);
    await chunks.return();
  };
  /** The same for what is written, which an abort() does by itself. */
  const fail = (reason: unknown): Promise<void> => {
    input.error(reason);
    return abort(reason);
  };
  const writable = new WritableStream<Written>({
    start(controller) {
      input = controller;
      // the sink's abort() comes only after the write that is going on
      controller.signal.addEventListener('abort', () => abort(controller.signal.reason));
    },
    write: (chunk) => feed.put(chunk),
    close() {
      feed.end();
      return finished;
    },
    abort,
  });
  const readable = new ReadableStream<Chunk>(
    {
      start(controller) {
        output = controller;
      },
      async pull() {
        try {
          const { done, value } = await chunks.next();
          if (!done) return output.enqueue(value);
          output.close();
          finish.resolve();
        } catch (error) {
          await fail(error);
        }
      },
      cancel: fail,
    },
    { highWaterMark: 0 },
  );
  return { writable, readable };
}
