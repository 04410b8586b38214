/**
 * @file `shacomp/decoder` in a page: decompression alone, on the calling thread, a few milliseconds at a time. A page that only
 * opens files takes less than half of the library with it.
 */
import type { Bytes } from '../codec/bytes.js';
import type { ByteSource } from '../codec/container/byte-reader.js';
import * as decompressor from '../codec/decompress.js';
import type { DecompressOptions } from '../codec/options.js';
import { BROWSER } from './platform.js';

export { inspect } from '../codec/decompress.js';
export type { DecompressOptions, Progress } from '../codec/options.js';
export { ERROR_CODES, type ErrorCode, ShacompError } from '../errors.js';
export { loadModel } from './models.js';

/** Decompresses the bytes of a `.sha` file. @throws as `decompress` of the whole library */
export const decompress = (data: Bytes, options?: DecompressOptions): Promise<Uint8Array<ArrayBuffer>> =>
  decompressor.decompress(data, options, BROWSER);

/** Decompresses a source of chunks, block by block. @throws as `decompressChunks` of the whole library */
export const decompressChunks = (source: ByteSource, options?: DecompressOptions) =>
  decompressor.decompressChunks(source, options, BROWSER);
