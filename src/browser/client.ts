/** @file The page's end of workers: starts them, sends them jobs, and gives back what they give. */
import { type Bytes, bytesOf, compact } from '../codec/bytes.js';
import { FLUSH } from '../codec/container/byte-reader.js';
import { ShacompError } from '../errors.js';
import { type FromWorker, type JobName, type Jobs, receiveError, sendError, type ToWorker } from './jobs.js';

type Progress = Extract<FromWorker, { progress: unknown }>['progress'];

export interface JobOptions {
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
  /** gives the chunks of jobs that ask for them */
  source?: AsyncIterator<Bytes | typeof FLUSH>;
  /** takes the chunks that a job gives; resolves when it wants the next one */
  onChunk?: (chunk: Uint8Array<ArrayBuffer>) => Promise<void>;
}

/** Most workers: each has its own copy of a model. */
const most = () => Math.max(1, Math.min(4, globalThis.navigator?.hardwareConcurrency ?? 2));
/** How long a worker without jobs is kept, in ms. */
const KEPT = 60_000;

let counter = 0;

class RemoteWorker {
  readonly #worker: Worker;
  readonly #receivers = new Map<number, (message: FromWorker) => void>();
  #broken = false;
  #end: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    // written out in one piece: so bundlers find the worker's file
    this.#worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'shacomp' });
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receivers.get(data.id)?.(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#fail(
        new ShacompError(
          'ERR_ENGINE_UNAVAILABLE',
          `the worker does not run: ${event.message ?? 'it cannot be loaded'}`,
        ),
      );
    };
  }

  get jobs(): number {
    return this.#receivers.size;
  }

  get broken(): boolean {
    return this.#broken;
  }

  run<Name extends JobName>(
    name: Name,
    given: Jobs[Name]['given'],
    options: JobOptions,
  ): Promise<Jobs[Name]['gives']> {
    const { signal, onProgress, source, onChunk } = options;
    const id = counter++;
    clearTimeout(this.#end);
    const send = (message: ToWorker) => this.#worker.postMessage(message);
    return new Promise<Jobs[Name]['gives']>((resolve, reject) => {
      /** An error of the page's own: the worker is only told that there was one. */
      let own: { error: unknown } | undefined;
      const end = () => {
        this.#receivers.delete(id);
        signal?.removeEventListener('abort', abort);
        if (this.#receivers.size === 0) this.#end = setTimeout(() => this.close(), KEPT);
      };
      const abort = () => {
        own ??= { error: signal?.reason };
        send({ id, abort: true });
      };
      const receive = async (message: FromWorker): Promise<void> => {
        if ('result' in message) {
          end();
          resolve(message.result as Jobs[Name]['gives']);
        } else if ('error' in message) {
          end();
          reject(own ? own.error : receiveError(message.error));
        } else if ('progress' in message) {
          onProgress?.(message.progress);
        } else if ('chunk' in message) {
          await onChunk?.(message.chunk as Uint8Array<ArrayBuffer>);
          send({ id, more: true });
        } else {
          const { done, value } = (await source?.next()) ?? { done: true };
          if (done || value === FLUSH) return send({ id, chunk: done ? undefined : null });
          // what is no bytes is refused over there
          const bytes = bytesOf(value);
          send({ id, chunk: bytes ? compact(bytes) : (value as Bytes) });
        }
      };
      this.#receivers.set(id, (message) => {
        receive(message).catch((error) => {
          own ??= { error };
          send('wants' in message ? { id, failed: true } : { id, abort: true });
        });
      });
      signal?.addEventListener('abort', abort);
      try {
        send({ id, name, given } as ToWorker);
      } catch (error) {
        end();
        reject(error);
      }
    });
  }

  close(): void {
    this.#worker.terminate();
    pool.delete(this);
  }

  #fail(error: ShacompError): void {
    this.#broken = true;
    for (const [id, receive] of this.#receivers) receive({ id, error: sendError(error) });
    this.close();
  }
}

const pool = new Set<RemoteWorker>();

/**
 * A worker with nothing to do, else a new one, else the one with the least to do. @throws what `new Worker`
 * throws
 */
function worker(): RemoteWorker {
  const idle = [...pool].find((w) => w.jobs === 0 && !w.broken);
  if (idle) return idle;
  if (pool.size < most()) {
    const made = new RemoteWorker();
    pool.add(made);
    return made;
  }
  return [...pool].sort((a, b) => a.jobs - b.jobs)[0];
}

/** Whether this place can have workers of this module: not inside some workers, nor from another origin. */
export function hasWorkers(): boolean {
  if (typeof Worker !== 'function') return false;
  const here = globalThis.location?.origin;
  return here === undefined || new URL(import.meta.url).origin === here;
}

/**
 * Runs a job in a worker.
 * @throws what the job throws; the signal's reason
 */
export async function remote<Name extends JobName>(
  name: Name,
  given: Jobs[Name]['given'],
  options: JobOptions = {},
): Promise<Jobs[Name]['gives']> {
  options.signal?.throwIfAborted();
  return worker().run(name, given, options);
}

/** Ends the workers that have nothing to do. They would end by themselves after a minute. */
export function endWorkers(): void {
  for (const w of pool) if (w.jobs === 0) w.close();
}
