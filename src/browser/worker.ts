/** @file The worker: runs the jobs that it is sent, or codes blocks for another worker. */

import type { ToBlockWorker } from '../codec/block-pool.js';
import { compress, compressChunks } from '../codec/compress.js';
import { FLUSH } from '../codec/container/byte-reader.js';
import { decompress, decompressChunks } from '../codec/decompress.js';
import { explain, tryLevels } from '../codec/explain/explain.js';
import type { Platform } from '../codec/platform.js';
import { type BlockWorkerStart, blockWorkers, memoryBesides, serveBlocks } from './block-workers.js';
import { engineForStreams, engines } from './engines.js';
import { type FromWorker, type JobName, type Jobs, sendError, type ToWorker } from './jobs.js';
import { BROWSER } from './platform.js';

/** Of the worker's global scope, what is used here: the types of pages do not know it. */
const scope = globalThis as unknown as {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent<ToWorker | BlockWorkerStart | ToBlockWorker>) => void) | null;
};
const post = (message: FromWorker, transfer?: Transferable[]) => scope.postMessage(message, transfer);

/** What a page's jobs are done with; what codes blocks for them has neither workers nor the GPU itself. */
const PLATFORM: Platform = { ...BROWSER, blockWorkers, memoryBesides, engineForStreams };

/** Shortest time in ms between two messages of progress. */
const PROGRESS = 50;

class Job {
  readonly id: number;
  readonly stop = new AbortController();
  #chunk: ((message: { chunk?: unknown; failed?: true }) => void) | undefined;
  #more: (() => void) | undefined;
  #told = 0;

  constructor(id: number) {
    this.id = id;
  }

  receive(message: ToWorker): void {
    if ('abort' in message) {
      this.stop.abort();
      // whoever waits must be told
      this.#chunk?.({ failed: true });
      this.#more?.();
    } else if ('more' in message) this.#more?.();
    else if ('chunk' in message || 'failed' in message) this.#chunk?.(message as { chunk?: unknown });
  }

  /** What the page's source gives. */
  async *source(): AsyncGenerator<Uint8Array | typeof FLUSH> {
    for (;;) {
      const asked = new Promise<{ chunk?: unknown; failed?: true }>((resolve) => {
        this.#chunk = resolve;
      });
      post({ id: this.id, wants: true });
      const { chunk, failed } = await asked;
      this.#chunk = undefined;
      if (failed) throw new Error('the source has failed');
      if (chunk === undefined) return;
      yield chunk === null ? FLUSH : (chunk as Uint8Array);
    }
  }

  /** Hands a chunk on, and waits until the next one is wanted. */
  async give(chunk: Uint8Array<ArrayBuffer>): Promise<void> {
    const asked = new Promise<void>((resolve) => {
      this.#more = resolve;
    });
    post({ id: this.id, chunk }, [chunk.buffer]);
    await asked;
    this.#more = undefined;
    this.stop.signal.throwIfAborted();
  }

  progress(progress: Extract<FromWorker, { progress: unknown }>['progress']): void {
    const now = performance.now();
    if (now - this.#told < PROGRESS) return;
    this.#told = now;
    post({ id: this.id, progress });
  }
}

type Runner<Name extends JobName> = (given: Jobs[Name]['given'], job: Job) => Promise<Jobs[Name]['gives']>;

const common = (job: Job) => ({
  signal: job.stop.signal,
  onProgress: (p: { bytesIn: number; bytesOut: number }) => job.progress(p),
});

const RUNNERS: { [Name in JobName]: Runner<Name> } = {
  compress: ({ data, options }, job) => compress(data, { ...options, ...common(job) }, PLATFORM),
  decompress: ({ data, options }, job) => decompress(data, { ...options, ...common(job) }, PLATFORM),
  async compressChunks({ options }, job) {
    const source = job.source();
    for await (const chunk of compressChunks(source, { ...options, ...common(job) }, PLATFORM))
      await job.give(chunk);
    return undefined;
  },
  async decompressChunks({ options }, job) {
    const source = job.source() as AsyncGenerator<Uint8Array>;
    for await (const chunk of decompressChunks(source, { ...options, ...common(job) }, PLATFORM))
      await job.give(chunk);
    return undefined;
  },
  explain: ({ data, options }, job) =>
    explain(
      data,
      { ...options, signal: job.stop.signal, onProgress: (done, of) => job.progress([done, of]) },
      PLATFORM,
    ),
  tryLevels: ({ data, options, levels }, job) =>
    tryLevels(data, { ...options, signal: job.stop.signal }, PLATFORM, levels),
  engines: () => engines(),
};

const jobs = new Map<number, Job>();

async function run<Name extends JobName>(name: Name, given: Jobs[Name]['given'], job: Job): Promise<void> {
  try {
    const result = await RUNNERS[name](given, job);
    post({ id: job.id, result });
  } catch (error) {
    post({ id: job.id, error: sendError(error) });
  } finally {
    jobs.delete(job.id);
  }
}

scope.onmessage = ({ data: message }) => {
  if ('engine' in message) {
    const receive = serveBlocks(message, BROWSER, (answer) => scope.postMessage(answer));
    scope.onmessage = ({ data }) => receive(data as ToBlockWorker);
    return;
  }
  if (!('id' in message)) return;
  if (!('name' in message)) return jobs.get(message.id)?.receive(message);
  const job = new Job(message.id);
  jobs.set(job.id, job);
  void run(message.name, message.given as never, job);
};
