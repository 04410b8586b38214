/**
 * @file What a worker can be asked to do, and the messages that go to and fro. One worker may have several
 * jobs.
 */
import type { Bytes } from '../codec/bytes.js';
import type { ExplainOptions, Explanation, Trial } from '../codec/explain/explain.js';
import type { CompressOptions, DecompressOptions, Progress } from '../codec/options.js';
import type { EngineReport } from '../engines/list.js';
import { ERROR_CODES, type ErrorCode, ShacompError } from '../errors.js';

/** Options as they can be sent: what stays behind is the signal, and functions. */
export type Sendable<T> = Omit<T, 'signal' | 'onProgress'>;

/** Jobs, with what they are given and what they give. Chunks of bytes come and go beside. */
export interface Jobs {
  compress: {
    given: { data: Uint8Array; options: Sendable<CompressOptions> };
    gives: Uint8Array<ArrayBuffer>;
  };
  decompress: {
    given: { data: Uint8Array; options: Sendable<DecompressOptions> };
    gives: Uint8Array<ArrayBuffer>;
  };
  compressChunks: { given: { options: Sendable<CompressOptions> }; gives: undefined };
  decompressChunks: { given: { options: Sendable<DecompressOptions> }; gives: undefined };
  explain: { given: { data: Uint8Array; options: Sendable<ExplainOptions> }; gives: Explanation };
  tryLevels: {
    given: { data: Uint8Array; options: Sendable<ExplainOptions>; levels?: readonly number[] };
    gives: Trial[];
  };
  engines: { given: Record<string, never>; gives: EngineReport[] };
}

export type JobName = keyof Jobs;

export type ToWorker =
  | { [Name in JobName]: { id: number; name: Name; given: Jobs[Name]['given'] } }[JobName]
  /** the next chunk of the source; `null` for FLUSH, undefined at its end */
  | { id: number; chunk: Bytes | null | undefined }
  /** the source has failed */
  | { id: number; failed: true }
  /** the next chunk of the result is wanted */
  | { id: number; more: true }
  | { id: number; abort: true };

export type FromWorker =
  | { id: number; result: unknown }
  | { id: number; error: SentError }
  | { id: number; progress: Progress | [done: number, of: number] }
  /** a chunk of the result */
  | { id: number; chunk: Uint8Array }
  /** a chunk of the source is wanted */
  | { id: number; wants: true };

/** An error as it can be sent. */
export interface SentError {
  code?: string;
  name: string;
  message: string;
}

export function sendError(error: unknown): SentError {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) };
  const code = error instanceof ShacompError ? error.code : undefined;
  return { name: error.name, message: error.message, code };
}

export function receiveError({ code, name, message }: SentError): Error {
  if (code !== undefined && code in ERROR_CODES) return new ShacompError(code as ErrorCode, message);
  if (name === 'RangeError') return new RangeError(message);
  return Object.assign(new Error(message), { name });
}
