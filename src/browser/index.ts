/**
 * @file The library in a page: what `import ... from 'shacomp'` gives where a bundler or a content network
 * builds for browsers. The same functions as in Node, with models by name, URL or bytes. The work is done in
 * workers; where there can be none (a module from another origin), on the calling thread, a few milliseconds
 * at a time.
 */
import { type Bytes, compact, requireBytes } from '../codec/bytes.js';
import type { ByteSource, FLUSH, FlushableSource } from '../codec/container/byte-reader.js';
import type { ExplainOptions, Explanation } from '../codec/explain/explain.js';
import {
  type CodecOptions,
  type CompressOptions,
  checkCompressOptions,
  checkDecompressOptions,
  type DecompressOptions,
  type Progress,
} from '../codec/options.js';
import { type ByteTransform, Feed, webTransform, withSignal } from '../codec/streams.js';
import type { EngineReport } from '../engines/list.js';
import { hasWorkers, remote } from './client.js';
import type { Sendable } from './jobs.js';

export type { Trial } from '../codec/explain/explain.js';
export * from '../codec/public.js';
export type { EngineReport } from '../engines/list.js';
export { endWorkers } from './client.js';
export { loadModel } from './models.js';
export { SHIPPED, type ShippedModel } from './shipped.js';

/** What works without workers. */
const local = () => import('./local.js');

async function* localChunks(
  chunks: () => Promise<AsyncGenerator<Uint8Array<ArrayBuffer>>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  yield* await chunks();
}

/** Options without what cannot be sent to a worker; undefined if the work has to be done here. */
function sendable<T extends Pick<CodecOptions, 'engine' | 'model' | 'signal'> & { onProgress?: unknown }>(
  options: T,
): Sendable<T> | undefined {
  const { signal: _, onProgress: __, ...rest } = options;
  const { engine, model } = rest;
  if (!hasWorkers() || typeof engine === 'object') return undefined;
  if (model instanceof URL) return { ...rest, model: model.href };
  const bytes =
    model === undefined ||
    typeof model === 'string' ||
    ArrayBuffer.isView(model) ||
    model instanceof ArrayBuffer;
  return bytes ? rest : undefined;
}

const toldOf = ({ signal, onProgress }: Pick<CodecOptions, 'signal' | 'onProgress'>) => ({
  signal,
  onProgress: onProgress && ((progress: unknown) => onProgress(progress as Progress)),
});

/**
 * Compresses bytes to a `.sha` file.
 * @throws ShacompError ERR_OPTIONS, ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_ENGINE_UNAVAILABLE,
 * ERR_MEMORY_LIMIT; the signal's reason
 */
export async function compress(data: Bytes, options: CompressOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
  checkCompressOptions(options);
  const sent = sendable(options);
  return sent
    ? remote('compress', { data: compact(requireBytes('data', data)), options: sent }, toldOf(options))
    : (await local()).compress(data, options);
}

/**
 * Decompresses the bytes of a `.sha` file.
 * @throws ShacompError ERR_NOT_SHACOMP, ERR_UNSUPPORTED_VERSION, ERR_TRUNCATED, ERR_CORRUPT, ERR_CHECKSUM,
 * ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_ENGINE_UNAVAILABLE, ERR_MEMORY_LIMIT, ERR_OUTPUT_TOO_LARGE,
 * ERR_OPTIONS; the signal's reason
 */
export async function decompress(
  data: Bytes,
  options: DecompressOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  checkDecompressOptions(options);
  const sent = sendable(options);
  return sent
    ? remote('decompress', { data: compact(requireBytes('data', data)), options: sent }, toldOf(options))
    : (await local()).decompress(data, options);
}

/** Chunks that a worker makes of those of a source. */
async function* remoteChunks<T>(
  name: 'compressChunks' | 'decompressChunks',
  source: unknown,
  options: Sendable<CompressOptions>,
  told: ReturnType<typeof toldOf>,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  const stop = new AbortController();
  const chunks = iteratorOf<T>(source);
  let owes = false;
  const next = async () => {
    owes = true;
    const chunk = await chunks.next();
    owes = false;
    return chunk;
  };
  const made = new Feed<Uint8Array<ArrayBuffer>>();
  const run = remote(
    name,
    { options },
    {
      ...withSignal(told, stop.signal),
      source: { next } as AsyncIterator<Bytes | typeof FLUSH>,
      onChunk: (chunk) => made.put(chunk),
    },
  ).finally(() => made.end());
  // it is awaited below, whatever comes first
  run.catch(() => {});
  try {
    yield* made;
    await run;
  } finally {
    stop.abort(new Error('no more chunks are wanted'));
    const returned = chunks.return?.().catch(() => {});
    // a source that owes a chunk ends after that
    if (!owes) await returned;
  }
}

function iteratorOf<T>(source: unknown): AsyncIterator<T> {
  const one = source instanceof ArrayBuffer || ArrayBuffer.isView(source);
  const iterable = (one ? [source] : source) as AsyncIterable<T> | Iterable<T>;
  return (async function* () {
    yield* iterable;
  })();
}

/**
 * Compresses a source of chunks, chunk by chunk, one chunk per block.
 * @throws as {@link compress}; whatever the source throws
 */
export function compressChunks(
  source: FlushableSource,
  options: CompressOptions = {},
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  checkCompressOptions(options);
  const sent = sendable(options);
  return sent
    ? remoteChunks('compressChunks', source, sent, toldOf(options))
    : localChunks(async () => (await local()).compressChunks(source, options));
}

/**
 * Decompresses a source of chunks, block by block: a block is given out once its checksum has matched.
 * @throws as {@link decompress}; whatever the source throws
 */
export function decompressChunks(
  source: ByteSource,
  options: DecompressOptions = {},
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  checkDecompressOptions(options);
  const sent = sendable(options);
  return sent
    ? remoteChunks('decompressChunks', source, sent, toldOf(options))
    : localChunks(async () => (await local()).decompressChunks(source, options));
}

/**
 * Web streams that compress: `readable.pipeThrough(compressStream())`. FLUSH can be written in the place of
 * bytes.
 * @throws ShacompError ERR_OPTIONS
 */
export function compressStream(options: CompressOptions = {}): ByteTransform<Bytes | typeof FLUSH> {
  checkCompressOptions(options);
  return webTransform((source: FlushableSource, signal) =>
    compressChunks(source, withSignal(options, signal)),
  );
}

/** Web streams that decompress. @throws ShacompError ERR_OPTIONS */
export function decompressStream(options: DecompressOptions = {}): ByteTransform {
  checkDecompressOptions(options);
  return webTransform((source: ByteSource, signal) => decompressChunks(source, withSignal(options, signal)));
}

/**
 * Compresses bytes and says what each of them cost: as coded, and by the predictions of the network and of
 * the context models alone.
 * @throws as {@link compress}; ERR_OPTIONS for more than 64 MiB
 */
export async function explain(data: Bytes, options: ExplainOptions = {}): Promise<Explanation> {
  const { onProgress, signal, ...rest } = options;
  checkCompressOptions(rest);
  const sent = sendable(options);
  if (!sent) return (await local()).explain(data, options);
  return remote(
    'explain',
    { data: compact(requireBytes('data', data)), options: sent },
    {
      signal,
      onProgress: onProgress && ((progress) => onProgress(...(progress as [number, number]))),
    },
  );
}

/** Every engine, fastest first, with what it would run on here or why it does not. */
export const engines = async (): Promise<EngineReport[]> =>
  hasWorkers() ? remote('engines', {}) : (await local()).engines();
