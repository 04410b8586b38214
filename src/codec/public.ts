/** @file What the library gives on every platform, in Node and in a page. */

export { ERROR_CODES, type ErrorCode, ShacompError } from '../errors.js';
export type { Architecture } from '../model/architecture.js';
export type { Model } from '../model/model.js';
export type { Bytes } from './bytes.js';
export { type ByteSource, FLUSH, type FlushableSource } from './container/byte-reader.js';
export type {
  BlockRecord,
  ContainerRecord,
  EndRecord,
  LengthRecord,
  MemberRecord,
  ModelRecord,
  WindowRecord,
} from './container/container.js';
export type { Copy } from './container/copies.js';
export type { Mode } from './container/format.js';
export { inspect } from './decompress.js';
export type { ExplainedBlock, ExplainOptions, Explanation } from './explain/explain.js';
export type { CodecOptions, CompressOptions, DecompressOptions, Progress } from './options.js';
export { DEFAULT_MODEL, type ModelSource } from './platform.js';
export type { ByteTransform } from './streams.js';
