/** @file The library: what `import ... from 'shacomp'` gives. Training is `shacomp/train`. */

export * from './codec/public.js';
export type { Engine, MixHandle, MixKernels, Network } from './engines/engine.js';
export type { EngineReport } from './engines/list.js';
export {
  compress,
  compressChunks,
  compressStream,
  decompress,
  decompressChunks,
  decompressStream,
  explain,
} from './node/codec.js';
export {
  type EngineRates,
  type EnginesOptions,
  engines,
  type MeasuredEngine,
} from './node/engine-reports.js';
export type { EngineOptions } from './node/engines.js';
export { type InstalledModel, loadModel, models } from './node/models.js';
export { type Compressor, createCompress, createDecompress } from './node/streams.js';
