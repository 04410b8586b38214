/** @file The library: what `import ... from 'shacomp'` gives. */

export type { Mode } from './codec/block/modes.js';
export { compress, compressChunks } from './codec/compress.js';
export type { ByteSource } from './codec/container/byte-reader.js';
export type {
  BlockRecord,
  ContainerRecord,
  EndRecord,
  LengthRecord,
  MemberRecord,
  ModelRecord,
} from './codec/container/container.js';
export { decompress, decompressChunks, inspect } from './codec/decompress.js';
export type { CodecOptions, CompressOptions, DecompressOptions, Progress } from './codec/options.js';
export type { Engine, MixHandle, MixKernels, Network } from './engines/engine.js';
export { type ErrorCode, ShacompError } from './errors.js';
export type { Architecture } from './model/architecture.js';
export type { IntegerModel } from './model/sharnn.js';
export {
  DEFAULT_MODEL,
  type InstalledModel,
  listModels,
  loadModel,
  type ModelSource,
} from './node/models.js';
export {
  type ByteTransform,
  compressStream,
  createCompress,
  createDecompress,
  decompressStream,
} from './node/streams.js';
