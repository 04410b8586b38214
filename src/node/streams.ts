/** @file Compression and decompression as streams of the web and of Node. */
import { Duplex } from 'node:stream';
import type { ByteSource } from '../codec/container/byte-reader.js';
import type { CompressOptions, DecompressOptions } from '../codec/options.js';
import { compressChunks, decompressChunks } from './codec.js';

type Coder = (source: ByteSource) => AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>;

/** A transform of the web's streams, for `pipeThrough`. */
export type ByteTransform = ReadableWritablePair<Uint8Array<ArrayBuffer>, Uint8Array>;

/** Web transform that compresses: `readable.pipeThrough(compressStream())`. Errors as {@link compressChunks}. */
export const compressStream = (options?: CompressOptions): ByteTransform =>
  webTransform((source) => compressChunks(source, options));

/** Web transform that decompresses. Errors as {@link decompressChunks}. */
export const decompressStream = (options?: DecompressOptions): ByteTransform =>
  webTransform((source) => decompressChunks(source, options));

/** Node stream that compresses what is written to it, as `zlib.createGzip` does. Errors as {@link compressChunks}. */
export const createCompress = (options?: CompressOptions): Duplex =>
  Duplex.from((source: AsyncIterable<Uint8Array>) => compressChunks(source, options));

/** Node stream that decompresses what is written to it. Errors as {@link decompressChunks}. */
export const createDecompress = (options?: DecompressOptions): Duplex =>
  Duplex.from((source: AsyncIterable<Uint8Array>) => decompressChunks(source, options));

function webTransform(coder: Coder): ByteTransform {
  const input = new TransformStream<Uint8Array, Uint8Array>();
  const reader = input.readable.getReader();
  const output = coder(chunks(reader));
  const readable = new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller) {
        try {
          const { done, value } = await output.next();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          // tell the writer too: there is no point in more input
          await reader.cancel(error).catch(() => {});
          throw error;
        }
      },
      async cancel(reason) {
        await reader.cancel(reason).catch(() => {});
        await output.return();
      },
    },
    { highWaterMark: 0 },
  );
  return { writable: input.writable, readable };
}

async function* chunks(reader: ReadableStreamDefaultReader<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}
