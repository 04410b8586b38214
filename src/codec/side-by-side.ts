/** @file Blocks that are coded at the same time: in the platform's workers, or here one after the other. */

import type { Engine } from '../engines/engine.js';
import { ShacompError } from '../errors.js';
import { InTurn } from '../in-turn.js';
import type { Model } from '../model/model.js';
import type { CodecOptions } from './options.js';
import type { BlockJob, BlockResult, BlockWorkers, JobProgress, Platform } from './platform.js';

/** Shortest blocks that are worth a worker. */
const LEAST = 2 ** 18;

/** Progress of blocks at the same time: bytes read and written that are not counted yet. */
export class Advance {
  readonly #running = new Map<object, [number, number]>();

  /** How far one more job is. */
  of(job: object): JobProgress {
    return (symbols, payload) => {
      this.#running.set(job, [symbols, payload]);
    };
  }

  ended(job: object): void {
    this.#running.delete(job);
  }

  get symbols(): number {
    return [...this.#running.values()].reduce((sum, [symbols]) => sum + symbols, 0);
  }

  get payload(): number {
    return [...this.#running.values()].reduce((sum, [, payload]) => sum + payload, 0);
  }
}

/** Where the blocks of one run are coded. */
export class SideBySide {
  readonly #start: () => BlockWorkers | undefined;
  /** Bytes that the blocks of a run may take beside each other. */
  readonly limit: number;
  #workers: BlockWorkers | undefined;
  #asked = false;
  /** There are no workers, or not any more. */
  #failed = false;
  /** The run is over, by this. */
  #over: { reason: unknown } | undefined;
  /** Bytes of memory of jobs that run, and who waits for less. */
  #taken = 0;
  #running = 0;
  readonly #waiting: (() => void)[] = [];
  /** What runs on this thread ends before the next one begins: it shares one open network. */
  readonly #here = new InTurn();

  /** @param chosen the engine of what is coded here, once it was needed */
  constructor(
    { engine = 'auto', threads, memoryLimit }: CodecOptions,
    platform: Platform,
    chosen?: () => Engine | undefined,
  ) {
    this.#start = () => platform.blockWorkers?.({ engine, threads, chosen });
    const { memoryBesides = Number.POSITIVE_INFINITY } = platform;
    this.limit = Math.min(memoryLimit ?? Number.POSITIVE_INFINITY, memoryBesides);
  }

  /** Bytes of memory of the jobs that run. */
  get taken(): number {
    return this.#taken;
  }

  /** Blocks at the same time. @param length of blocks to come */
  most(length: number): number {
    if (length < LEAST || this.#failed) return 1;
    if (!this.#asked) this.#workers = this.#start();
    this.#asked = true;
    return this.#workers?.count ?? 1;
  }

  /** Does something on this thread, after what already runs here. @throws what it throws */
  here<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#here.do(() => {
      if (this.#over) throw this.#over.reason;
      return work();
    });
  }

  /**
   * Runs a job in a worker, when there is memory for it beside those that run; without one that runs, at
   * once.
   * @param needs bytes of memory that it takes, and that are taken beside all jobs; whether it needs the
   * device of this thread's engine
   * @param here does the same on this thread, for where there is no worker
   * @throws what the job throws
   */
  async run(
    job: BlockJob,
    model: Model | undefined,
    needs: { job: number; beside: number; device: boolean },
    progress: JobProgress,
    here: () => Promise<BlockResult>,
  ): Promise<BlockResult> {
    const over = () => this.#taken + needs.job + needs.beside > this.limit;
    while (this.#running > 0 && over())
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
      });
    const fits = !over();
    this.#running++;
    this.#taken += needs.job;
    try {
      const length = job.kind === 'decode' ? job.length : job.bytes.length;
      if (fits && this.most(length) > 1 && !needs.device) {
        try {
          return await this.#workers!.run(job, model, progress);
        } catch (error) {
          if (this.#over) throw this.#over.reason;
          if (!(error instanceof ShacompError) || error.code !== 'ERR_ENGINE_UNAVAILABLE') throw error;
          // the system gives no thread, or not for long
          this.#failed = true;
        }
      }
      return await this.here(here);
    } finally {
      this.#running--;
      this.#taken -= needs.job;
      for (const wake of this.#waiting.splice(0)) wake();
    }
  }

  /**
   * Ends all work at once: in workers now, here as soon as what runs sees its signal.
   * @param reason what it all throws
   */
  async close(reason: unknown): Promise<void> {
    this.#failed = true;
    this.#over ??= { reason };
    this.#workers?.close();
    this.#workers = undefined;
    await this.#here.do(async () => {});
  }
}
