/** @file The library: what `import ... from 'shacomp'` gives. */

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
export type { Engine, MixHandle, MixKernels, Network } from './engines/engine.js';
export { ERROR_CODES, type ErrorCode, ShacompError } from './errors.js';
export type { Architecture } from './model/architecture.js';
export type { IntegerModel } from './model/sharnn.js';
export { compress, compressChunks, decompress, decompressChunks, explain } from './node/codec.js';
export {
  DEFAULT_MODEL,
  type InstalledModel,
  listModels,
  loadModel,
} from './node/models.js';
export {
  type ByteTransform,
  compressStream,
  createCompress,
  createDecompress,
  decompressStream,
} from './node/streams.js';
