/** @file What the library gives on every platform, in Node and in a page. */
export type { Bytes } from './codec/bytes.js';
export { type ByteSource, FLUSH, type FlushableSource } from './codec/container/byte-reader.js';
export type {
  BlockRecord,
  ContainerRecord,
  EndRecord,
  LengthRecord,
  MemberRecord,
  ModelRecord,
} from './codec/container/container.js';
export type { Mode } from './codec/container/format.js';
export { inspect } from './codec/decompress.js';
export type { ExplainedBlock, ExplainOptions, Explanation } from './codec/explain/explain.js';
export type { CodecOptions, CompressOptions, DecompressOptions, Progress } from './codec/options.js';
export { DEFAULT_MODEL, type ModelSource } from './codec/platform.js';
export type { ByteTransform } from './codec/streams.js';
export type { EngineReport } from './engines/list.js';
export { ERROR_CODES, type ErrorCode, ShacompError } from './errors.js';
export type { Architecture } from './model/architecture.js';
export type { Model } from './model/model.js';
