/**
 * @file `shacomp/decoder` in a page: decompression alone, on the calling thread, a few milliseconds at a
 * time. A page that only opens files takes less of the library with it.
 */
import type { Bytes } from '../codec/bytes.js';
import type { ByteSource } from '../codec/container/byte-reader.js';
import * as decompressor from '../codec/decompress.js';
import type { DecompressOptions } from '../codec/options.js';
import type { Platform } from '../codec/platform.js';
import type { Engine } from '../engines/engine.js';
import { type Entry, selectEntry } from '../engines/list.js';
import { wasmEngine } from '../engines/wasm/engine.js';
import { findModel, loadModel } from './models.js';
import { wasmModule } from './wasm-module.js';

export { inspect } from '../codec/decompress.js';
export type { DecompressOptions, Progress } from '../codec/options.js';
export { ERROR_CODES, type ErrorCode, ShacompError } from '../errors.js';
export { loadModel } from './models.js';

/** One engine: the others would be loaded for nothing. */
const ENGINES: readonly Entry<Engine>[] = [
  { name: 'wasm', load: async ({ wasm }) => wasmEngine(await wasm()) },
];

const DECODER: Platform = {
  selectEngine: (name) => selectEntry(ENGINES, name, { wasm: wasmModule }),
  loadModel,
  findModel,
};

/** Decompresses the bytes of a `.sha` file. @throws as `decompress` of the whole library */
export const decompress = (data: Bytes, options?: DecompressOptions): Promise<Uint8Array<ArrayBuffer>> =>
  decompressor.decompress(data, options, DECODER);

/** Decompresses a source of chunks, block by block. @throws as `decompressChunks` of the whole library */
export const decompressChunks = (source: ByteSource, options?: DecompressOptions) =>
  decompressor.decompressChunks(source, options, DECODER);
