/** @file Threads that code blocks side by side: each has an engine of its own, and one job at a time. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { BlockJob, BlockResult, BlockWorkers, JobProgress } from '../codec/platform.js';
import type { Engine } from '../engines/engine.js';
import { type ErrorCode, ShacompError } from '../errors.js';
import { hex } from '../model/id.js';
import type { Model } from '../model/model.js';
import type { IntegerModel } from '../model/sharnn.js';
import { isOwnEngine, runsInThreads, wantedEngine } from './engines.js';
import { environment } from './env.js';

export interface ToBlockWorker {
  job: BlockJob;
  /** its file comes with the first job that needs it */
  model?: { id: string; bytes?: Uint8Array<ArrayBuffer> };
}

export type FromBlockWorker =
  | { progress: [symbols: number, payload: number] }
  | { result: BlockResult }
  | { error: { code?: ErrorCode; message: string } };

/** There is none where the program is run from its source. */
const FILE = new URL('./block-worker.js', import.meta.url);

interface Waiting {
  job: BlockJob;
  model: Model | undefined;
  progress: JobProgress;
  resolve(result: BlockResult): void;
  reject(error: unknown): void;
}

class BlockThread {
  readonly #worker: Worker;
  readonly #models = new Set<string>();
  #job: Waiting | undefined;

  /** @param idle called when it can have a job */
  constructor(engine: string, idle: () => void, failed: (error: Error) => void) {
    this.#worker = new Worker(FILE, { workerData: engine });
    this.#worker.on('message', (message: FromBlockWorker) => {
      if ('progress' in message) return this.#job?.progress(...message.progress);
      const job = this.#job;
      this.#job = undefined;
      if ('result' in message) job?.resolve(message.result);
      else job?.reject(errorOf(message.error));
      idle();
    });
    const end = (cause: unknown) => {
      const { message } = cause as Error;
      const error = new ShacompError('ERR_ENGINE_UNAVAILABLE', `a thread has ended: ${message}`, { cause });
      this.#job?.reject(error);
      this.#job = undefined;
      failed(error);
    };
    this.#worker.on('error', end);
    this.#worker.on('exit', (code) => end(new Error(`with the status ${code}`)));
  }

  get busy(): boolean {
    return this.#job !== undefined;
  }

  start(waiting: Waiting): void {
    this.#job = waiting;
    const { job, model } = waiting;
    const id = model && hex(model.id);
    const known = id === undefined || this.#models.has(id);
    if (id !== undefined) this.#models.add(id);
    const sent =
      id === undefined ? undefined : { id, ...(!known && { bytes: (model as IntegerModel).bytes }) };
    this.#worker.postMessage({ job, model: sent } satisfies ToBlockWorker);
  }

  close(): void {
    this.#job?.reject(closed());
    this.#job = undefined;
    this.#worker.removeAllListeners();
    void this.#worker.terminate();
  }
}

const errorOf = ({ code, message }: { code?: ErrorCode; message: string }): Error =>
  code === undefined ? new Error(message) : new ShacompError(code, message);
const closed = () => new ShacompError('ERR_ENGINE_UNAVAILABLE', 'the threads were ended');

class BlockThreads implements BlockWorkers {
  readonly count: number;
  readonly #engine: () => string;
  readonly #threads = new Set<BlockThread>();
  readonly #queue: Waiting[] = [];
  #failure: Error | undefined;

  constructor(engine: () => string, count: number) {
    this.#engine = engine;
    this.count = count;
  }

  run(job: BlockJob, model: Model | undefined, progress: JobProgress): Promise<BlockResult> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ job, model, progress, resolve, reject });
      this.#next();
    });
  }

  close(): void {
    this.#fail(closed());
  }

  #next(): void {
    if (this.#failure) for (const { reject } of this.#queue.splice(0)) reject(this.#failure);
    if (this.#queue.length === 0) return;
    let thread = [...this.#threads].find(({ busy }) => !busy);
    if (!thread && this.#threads.size < this.count) {
      try {
        thread = new BlockThread(
          this.#engine(),
          () => this.#next(),
          (error) => this.#fail(error),
        );
        this.#threads.add(thread);
      } catch (error) {
        this.#fail(error as Error);
        return;
      }
    }
    const first = thread && this.#queue.shift();
    if (first) thread!.start(first);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const thread of this.#threads) thread.close();
    this.#threads.clear();
    this.#next();
  }
}

/**
 * As `Platform.blockWorkers`; of as many threads as are asked for, by default SHACOMP_THREADS, else one for
 * each processor.
 */
export function blockWorkers({
  engine,
  threads,
  chosen,
}: {
  engine: string | Engine;
  threads?: number;
  chosen?: () => Engine | undefined;
}): BlockWorkers | undefined {
  if (typeof engine !== 'string' && !isOwnEngine(engine)) return undefined;
  const name = typeof engine === 'string' ? wantedEngine(engine) : engine.name;
  if (!runsInThreads(name)) return undefined;
  const processors = availableParallelism();
  const count = Math.min(threads ?? (Number(environment('SHACOMP_THREADS')) || processors), processors);
  if (count < 2 || !FILE.pathname.endsWith('.js') || !existsSync(fileURLToPath(FILE))) return undefined;
  if (typeof engine !== 'string') return new BlockThreads(() => engine.name, count);
  return new BlockThreads(() => chosen?.()?.name ?? wantedEngine(engine), count);
}
