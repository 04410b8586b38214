/** @file The codec with the engines and models of Node: what the library and the command line call. */
import type { Bytes } from '../codec/bytes.js';
import * as compressor from '../codec/compress.js';
import type { ByteSource, FLUSH, FlushableSource } from '../codec/container/byte-reader.js';
import * as decompressor from '../codec/decompress.js';
import * as explainer from '../codec/explain/explain.js';
import type { CompressOptions, DecompressOptions } from '../codec/options.js';
import type { Platform } from '../codec/platform.js';
import * as streams from '../codec/streams.js';
import { selectEngineFor } from './auto.js';
import { blockWorkers } from './block-workers.js';
import { NODE as PLATFORM } from './platform.js';

/** Node, with threads that code blocks side by side, and engines chosen by measurements. */
export const NODE: Platform = { ...PLATFORM, selectEngine: selectEngineFor, blockWorkers };

/**
 * Compresses a source of chunks to a `.sha` file, chunk by chunk, one chunk per block. Memory is bounded by
 * the block size. The result depends on the bytes, the model, the level, the mode and the block size alone,
 * and on where the source has FLUSH in it: not on the chunks, engine or threads.
 * @throws ShacompError ERR_OPTIONS, ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_ENGINE_UNAVAILABLE,
 * ERR_MEMORY_LIMIT; the signal's reason; whatever the source throws
 */
export const compressChunks = (source: FlushableSource, options?: CompressOptions) =>
  compressor.compressChunks(source, options, NODE);

/**
 * Compresses bytes to a `.sha` file.
 * @throws as {@link compressChunks}
 */
export const compress = (data: Bytes, options?: CompressOptions) => compressor.compress(data, options, NODE);

/**
 * Decompresses a source of chunks, block by block: a block is given out once its checksum has matched.
 * Members that follow each other decode to the bytes of one after the other.
 * @throws ShacompError ERR_NOT_SHACOMP, ERR_UNSUPPORTED_VERSION, ERR_TRUNCATED, ERR_CORRUPT, ERR_CHECKSUM,
 * ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_ENGINE_UNAVAILABLE, ERR_MEMORY_LIMIT, ERR_OUTPUT_TOO_LARGE,
 * ERR_OPTIONS; the signal's reason; whatever the source throws
 */
export const decompressChunks = (source: ByteSource, options?: DecompressOptions) =>
  decompressor.decompressChunks(source, options, NODE);

/**
 * Decompresses the bytes of a `.sha` file.
 * @throws as {@link decompressChunks}
 */
export const decompress = (data: Bytes, options?: DecompressOptions) =>
  decompressor.decompress(data, options, NODE);

/**
 * Web streams that compress: `readable.pipeThrough(compressStream())`. {@link FLUSH} can be written in the
 * place of bytes. `cancel()` and `abort()` stop the work at once. Errors as {@link compressChunks}.
 * @throws ShacompError ERR_OPTIONS
 */
export const compressStream = (options?: CompressOptions): streams.ByteTransform<Bytes | typeof FLUSH> =>
  streams.compressStream(options, NODE);

/**
 * Web streams that decompress. Errors as {@link decompressChunks}.
 * @throws ShacompError ERR_OPTIONS
 */
export const decompressStream = (options?: DecompressOptions): streams.ByteTransform =>
  streams.decompressStream(options, NODE);

/**
 * Compresses bytes and says what each of them cost: as coded, and by the predictions of the network and of
 * the context models alone. The costs of a block sum up to its payload, but for what the range coder loses:
 * less than 0.01 % and 5 bytes.
 * @throws as {@link compressChunks}; ERR_OPTIONS for more than 64 MiB
 */
export const explain = (data: Bytes, options?: explainer.ExplainOptions) =>
  explainer.explain(data, options, NODE);

/** Sizes of the same bytes at other levels. */
export const tryLevels = (
  data: Uint8Array,
  options: Parameters<typeof explainer.tryLevels>[1],
  levels?: readonly number[],
) => explainer.tryLevels(data, options, NODE, levels);
