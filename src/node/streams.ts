/** @file Compression and decompression as streams of Node. Those of the web are in `src/codec/streams.ts`. */
import { Duplex } from 'node:stream';
import { type Bytes, bytesOf } from '../codec/bytes.js';
import { FLUSH, type FlushableSource } from '../codec/container/byte-reader.js';
import type { CompressOptions, DecompressOptions } from '../codec/options.js';
import { type Coder, compressing, decompressing, Feed } from '../codec/streams.js';
import { NODE } from './codec.js';

/** A Node stream that compresses. */
export interface Compressor extends Duplex {
  /**
   * As `flush` of zlib's streams: queued behind what was written, it ends a block, so that everything before
   * can be decompressed from what has come out. Blocks that end early cost some 15 bytes each and compress
   * less.
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
  async #push(chunks: AsyncGenerator<Uint8Array>): Promise<void> {
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
      // readers see what was pushed in the next tick
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

/**
 * Node stream that compresses what is written to it, as `zlib.createGzip` does: bytes, or strings in any
 * encoding. `destroy()` stops the work at once. Emits errors as {@link compressChunks} throws them.
 * @throws ShacompError ERR_OPTIONS
 */
export const createCompress = (options?: CompressOptions): Compressor =>
  new CompressorStream(compressing(options, NODE));

/**
 * Node stream that decompresses what is written to it. Emits errors as {@link decompressChunks} throws them.
 * @throws ShacompError ERR_OPTIONS
 */
export const createDecompress = (options?: DecompressOptions): Duplex =>
  new CoderStream(decompressing(options, NODE));
