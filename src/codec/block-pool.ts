/** @file Workers that code blocks side by side, one job each at a time, whatever the platform calls them. */
import { type ErrorCode, ShacompError } from '../errors.js';
import { hex } from '../model/id.js';
import type { Model } from '../model/model.js';
import type { IntegerModel } from '../model/sharnn.js';
import type { BlockJob, BlockResult, BlockWorkers, JobProgress } from './platform.js';

/** What a worker is sent. */
export interface ToBlockWorker {
  job: BlockJob;
  /** its file comes with the first job that needs it */
  model?: { id: string; bytes?: Uint8Array<ArrayBuffer> };
}

/** What it answers: any number of messages of progress, then one of the others. */
export type FromBlockWorker =
  | { progress: [symbols: number, payload: number] }
  | { result: BlockResult }
  | { error: { code?: ErrorCode; message: string } };

/** A worker of the platform, one that runs a `BlockServer`. */
export interface BlockPort {
  post(message: ToBlockWorker): void;
  /** Ends it at once. It tells nothing any more. */
  close(): void;
}

/**
 * Starts a worker.
 * @param message to be called with what it sends
 * @param ended to be called if it ends by itself, or does not start
 * @throws whatever the platform does where it gives none
 */
export type StartBlockPort = (
  message: (message: FromBlockWorker) => void,
  ended: (cause: Error) => void,
) => BlockPort;

interface Waiting {
  job: BlockJob;
  model: Model | undefined;
  progress: JobProgress;
  resolve(result: BlockResult): void;
  reject(error: unknown): void;
}

const closed = () => new ShacompError('ERR_ENGINE_UNAVAILABLE', 'the workers were ended');
const errorOf = ({ code, message }: { code?: ErrorCode; message: string }): Error =>
  code === undefined ? new Error(message) : new ShacompError(code, message);

class PooledWorker {
  readonly #port: BlockPort;
  readonly #models = new Set<string>();
  #job: Waiting | undefined;

  /** @param idle called when it can have a job */
  constructor(start: StartBlockPort, idle: () => void, failed: (error: Error) => void) {
    this.#port = start(
      (message) => {
        if ('progress' in message) return this.#job?.progress(...message.progress);
        const job = this.#job;
        this.#job = undefined;
        if ('result' in message) job?.resolve(message.result);
        else job?.reject(errorOf(message.error));
        idle();
      },
      (cause) => {
        const why = `a worker has ended: ${cause.message}`;
        const error = new ShacompError('ERR_ENGINE_UNAVAILABLE', why, { cause });
        this.#job?.reject(error);
        this.#job = undefined;
        failed(error);
      },
    );
  }

  get busy(): boolean {
    return this.#job !== undefined;
  }

  start(waiting: Waiting): void {
    this.#job = waiting;
    const { job, model } = waiting;
    this.#port.post({ job, model: model && this.#sent(model) });
  }

  #sent(model: Model): ToBlockWorker['model'] {
    const id = hex(model.id);
    if (this.#models.has(id)) return { id };
    this.#models.add(id);
    return { id, bytes: (model as IntegerModel).bytes };
  }

  close(): void {
    this.#job?.reject(closed());
    this.#job = undefined;
    this.#port.close();
  }
}

/** As many workers as there are jobs at the same time, up to a number. Each is started with its first job. */
export class BlockPool implements BlockWorkers {
  readonly count: number;
  readonly #start: StartBlockPort;
  readonly #workers = new Set<PooledWorker>();
  readonly #queue: Waiting[] = [];
  #failure: Error | undefined;

  /** @param count most workers, at least 2 */
  constructor(count: number, start: StartBlockPort) {
    this.count = count;
    this.#start = start;
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
    let worker = [...this.#workers].find(({ busy }) => !busy);
    if (!worker && this.#workers.size < this.count) {
      try {
        worker = new PooledWorker(
          this.#start,
          () => this.#next(),
          (error) => this.#fail(error),
        );
        this.#workers.add(worker);
      } catch (error) {
        this.#fail(error as Error);
        return;
      }
    }
    const first = worker && this.#queue.shift();
    if (first) worker!.start(first);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const worker of this.#workers) worker.close();
    this.#workers.clear();
    this.#next();
  }
}
