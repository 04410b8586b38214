/** @file Work on one block that can be done anywhere: blocks depend on nothing but themselves. */
import { ShacompError } from '../errors.js';
import type { Model } from '../model/model.js';
import { parseOwnModel } from '../model/sharnn.js';
import { decodeBlock } from './block/block.js';
import { codedMode } from './block/modes.js';
import type { FromBlockWorker, ToBlockWorker } from './block-pool.js';
import { Pauses } from './event-loop.js';
import type { BlockJob, BlockResult, JobProgress, Platform } from './platform.js';
import { Networks } from './session.js';
import { BlockEncoder, planFor } from './strategy/choose.js';
import { levelSettings } from './strategy/levels.js';

/** Runs jobs, one after the other. */
export class BlockRunner {
  readonly #networks: Networks;
  readonly #pauses: Pauses;

  /** @param engine the name of one that the platform has */
  constructor(engine: string, threads: number, platform: Platform, pauses: Pauses) {
    this.#networks = new Networks({ engine, threads }, platform);
    this.#pauses = pauses;
  }

  /**
   * @param model the job's, parsed
   * @throws ShacompError ERR_CORRUPT, ERR_ENGINE_UNAVAILABLE
   */
  async run(job: BlockJob, model: Model | undefined, progress: JobProgress): Promise<BlockResult> {
    if (job.kind === 'encode') {
      const { level, mode, streams } = job;
      const plan = planFor(levelSettings(level), mode ?? 'auto', streams);
      // who gives the job has memory for it
      const encoder = new BlockEncoder(plan, this.#networks, this.#pauses, () => {});
      const coded = await encoder.encode(job.bytes, model, progress);
      if (!coded) return undefined;
      return { mode: coded.mode.name, streams: coded.streams, bytes: coded.payload };
    }
    const { length, streams } = job;
    const mode = codedMode(job.mode);
    const bytes = await decodeBlock(job.bytes, length, streams, mode, {
      ...(await this.#networks.tools(mode, streams, model)),
      pauses: this.#pauses,
      progress,
    });
    return { mode: mode.name, streams, bytes };
  }

  close(): void {
    this.#networks.close();
  }
}

/** Shortest time in ms between two messages of progress. */
const PROGRESS = 50;

/** A worker's end of a `BlockPool`: runs the jobs that it is sent. It is sent one at a time. */
export class BlockServer {
  readonly #runner: BlockRunner;
  readonly #models = new Map<string, Model>();
  readonly #post: (message: FromBlockWorker) => void;

  /** @param engine the name of one that the platform has; it gets one thread */
  constructor(engine: string, platform: Platform, post: (message: FromBlockWorker) => void) {
    this.#runner = new BlockRunner(engine, 1, platform, new Pauses());
    this.#post = post;
  }

  async receive({ job, model }: ToBlockWorker): Promise<void> {
    try {
      if (model?.bytes) this.#models.set(model.id, parseOwnModel(model.bytes));
      let told = 0;
      const result = await this.#runner.run(job, model && this.#models.get(model.id), (symbols, payload) => {
        const now = performance.now();
        if (now - told < PROGRESS) return;
        told = now;
        this.#post({ progress: [symbols, payload] });
      });
      this.#post({ result });
    } catch (error) {
      const { message } = error as Error;
      this.#post({ error: { code: error instanceof ShacompError ? error.code : undefined, message } });
    }
  }
}
