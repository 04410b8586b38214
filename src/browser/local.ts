/** @file The library's work on the calling thread, for where there are no workers. Loaded only there. */
import type { Bytes } from '../codec/bytes.js';
import * as compressor from '../codec/compress.js';
import type { ByteSource, FlushableSource } from '../codec/container/byte-reader.js';
import * as decompressor from '../codec/decompress.js';
import * as explainer from '../codec/explain/explain.js';
import type { CompressOptions, DecompressOptions } from '../codec/options.js';
import { engineForStreams, engines } from './engines.js';
import { BROWSER } from './platform.js';

export { engines };

const PLATFORM = { ...BROWSER, engineForStreams };

export const compress = (data: Bytes, options: CompressOptions) =>
  compressor.compress(data, options, PLATFORM);
export const decompress = (data: Bytes, options: DecompressOptions) =>
  decompressor.decompress(data, options, PLATFORM);
export const compressChunks = (source: FlushableSource, options: CompressOptions) =>
  compressor.compressChunks(source, options, PLATFORM);
export const decompressChunks = (source: ByteSource, options: DecompressOptions) =>
  decompressor.decompressChunks(source, options, PLATFORM);
export const explain = (data: Bytes, options: explainer.ExplainOptions) =>
  explainer.explain(data, options, PLATFORM);
