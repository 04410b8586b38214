/** @file The library: what `import ... from 'shacomp'` gives. Training is `shacomp/train`. */

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
export type { ModelSource } from './codec/platform.js';
export type { ByteTransform } from './codec/streams.js';
export type { Engine, MixHandle, MixKernels, Network } from './engines/engine.js';
export type { EngineReport } from './engines/list.js';
export { ERROR_CODES, type ErrorCode, ShacompError } from './errors.js';
export type { Architecture } from './model/architecture.js';
export type { Model } from './model/model.js';
export {
  compress,
  compressChunks,
  compressStream,
  decompress,
  decompressChunks,
  decompressStream,
  explain,
} from './node/codec.js';
export { type EngineOptions, engines } from './node/engines.js';
export { DEFAULT_MODEL, type InstalledModel, loadModel, models } from './node/models.js';
export { type Compressor, createCompress, createDecompress } from './node/streams.js';
