/** @file Compression and decompression as streams of Node and of the web. */
import { Duplex } from 'node:stream';
import { type Bytes, bytesOf } from '../codec/bytes.js';
import { type ByteSource, FLUSH, type FlushableSource } from '../codec/container/byte-reader.js';
import {
  type CompressOptions,
  checkCompressOptions,
  checkDecompressOptions,
  type DecompressOptions,
} from '../codec/options.js';
import { compressChunks, decompressChunks } from './codec.js';

type Chunk = Uint8Array<ArrayBuffer>;

/** Starts coding what a source gives, until the signal is aborted. */
type Coder<Source> = (source: Source, signal: AbortSignal) => AsyncGenerator<Chunk, void, undefined>;

/** What is written to a stream, as a source that a coder reads. */
class Feed<T> implements AsyncIterableIterator<T> {
  #written: { value: T; settle: Settlers } | undefined;
  #read: Settlers | undefined;
  #wanted: ((result: IteratorResult<T>) => void) | undefined;
  #ended = false;
  #failure: { error: unknown } | undefined;

  /** Hands a value on. Resolves when the reader asks for the next one: it has done with this one. One at a time. */
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

/** A Node stream that compresses. */
export interface Compressor extends Duplex {
  /**
   * As `flush` of zlib's streams: queued behind what was written, it ends a block, so that everything before can be
   * decompressed from what has come out. Blocks that end early cost some 15 bytes each and compress less.
   * @param kind taken for zlib's sake: there is one kind
   * @param callback called once it has come out
   */
  flush(callback?: (error?: Error | null) => void): void;
  flush(kind: number | undefined, callback?: (error?: Error | null) => void): void;
}

/** Written to a Node stream for {@link FLUSH}, as only bytes can be. */
const FLUSH_BYTES = Buffer.alloc(0);

class CoderStream<Source> extends Duplex {
  readonly #feed = new Feed<Bytes | typeof FLUSH>();
  readonly #stop = new AbortController();
  /** Ends without an error when the coder has ended, in whatever way. */
  readonly #run: Promise<void>;
  #wanted: (() => void) | undefined;
  #finish: (() => void) | undefined;

  constructor(coder: Coder<Source>) {
    super();
    this.#run = this.#push(coder(this.#feed as Source, this.#stop.signal));
  }

  /** Codes and gives out, as much as is wanted. */
  async #push(chunks: AsyncGenerator<Chunk>): Promise<void> {
    try {
      for await (const chunk of chunks) {
        if (this.destroyed) return;
        if (!this.push(chunk))
          await new Promise<void>((resolve) => {
            this.#wanted = resolve;
          });
      }
      this.#finish?.();
      this.push(null);
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  override _read(): void {
    this.#wanted?.();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#feed.put(chunk === FLUSH_BYTES ? FLUSH : chunk).then(
      // readers hear of what was pushed in the next tick
      () => process.nextTick(done),
      // destroyed without an error, it is none that this was not written
      () => done(this.errored),
    );
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#finish = done;
    this.#feed.end();
  }

  /** Stops the work, and closes when all memory is free. */
  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#stop.abort(error ?? undefined);
    this.#feed.fail(error ?? this.#stop.signal.reason);
    this.#wanted?.();
    this.#run.then(() => done(error));
  }

  // Node's streams take strings and Uint8Arrays, and other bytes in newer versions alone
  override write(chunk: unknown, ...rest: unknown[]): boolean {
    return super.write(...([bytesOf(chunk) ?? chunk, ...rest] as Parameters<Duplex['write']>));
  }

  override end(...parameters: unknown[]): this {
    const [chunk, ...rest] = parameters;
    return super.end(...([bytesOf(chunk) ?? chunk, ...rest] as Parameters<Duplex['end']>));
  }
}

class CompressorStream extends CoderStream<FlushableSource> implements Compressor {
  flush(...parameters: unknown[]): void {
    const callback = parameters.find((p) => typeof p === 'function') as
      | ((error?: Error | null) => void)
      | undefined;
    if (!this.writableEnded) this.write(FLUSH_BYTES, 'buffer', callback);
    else if (callback && this.readableEnded) process.nextTick(callback);
    else if (callback) this.once('end', callback);
  }
}

/** Both signals in one, for options. */
const withSignal = <T extends { signal?: AbortSignal }>(options: T | undefined, signal: AbortSignal): T =>
  ({ ...options, signal: options?.signal ? AbortSignal.any([options.signal, signal]) : signal }) as T;

const compressing = (options: CompressOptions = {}): Coder<FlushableSource> => {
  checkCompressOptions(options);
  return (source, signal) => compressChunks(source, withSignal(options, signal));
};

const decompressing = (options: DecompressOptions = {}): Coder<ByteSource> => {
  checkDecompressOptions(options);
  return (source, signal) => decompressChunks(source, withSignal(options, signal));
};

/**
 * Node stream that compresses what is written to it, as `zlib.createGzip` does: bytes, or strings in any encoding.
 * `destroy()` stops the work at once. Emits errors as {@link compressChunks} throws them.
 * @throws ShacompError ERR_OPTIONS
 */
export const createCompress = (options?: CompressOptions): Compressor =>
  new CompressorStream(compressing(options));

/**
 * Node stream that decompresses what is written to it. Emits errors as {@link decompressChunks} throws them.
 * @throws ShacompError ERR_OPTIONS
 */
export const createDecompress = (options?: DecompressOptions): Duplex =>
  new CoderStream(decompressing(options));

/** A pair of streams of the web for `pipeThrough`, as `CompressionStream` is one. */
export type ByteTransform<Written = Bytes> = ReadableWritablePair<Chunk, Written>;

/**
 * Web streams that compress: `readable.pipeThrough(compressStream())`. {@link FLUSH} can be written in the place of bytes.
 * `cancel()` and `abort()` stop the work at once. Errors as {@link compressChunks}.
 * @throws ShacompError ERR_OPTIONS
 */
export const compressStream = (options?: CompressOptions): ByteTransform<Bytes | typeof FLUSH> =>
  webTransform(compressing(options));

/**
 * Web streams that decompress. Errors as {@link decompressChunks}.
 * @throws ShacompError ERR_OPTIONS
 */
export const decompressStream = (options?: DecompressOptions): ByteTransform =>
  webTransform(decompressing(options));

function webTransform<Source, Written>(coder: Coder<Source>): ByteTransform<Written> {
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
