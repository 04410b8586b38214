/** @file Work on one block that can be done anywhere: blocks depend on nothing but themselves. */
import type { Model } from '../model/model.js';
import { decodeBlock } from './block/block.js';
import { codedMode } from './block/modes.js';
import type { Pauses } from './event-loop.js';
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
