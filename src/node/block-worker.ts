/** @file The thread of a worker: runs the jobs that it is sent, one after the other. */
import { parentPort, workerData } from 'node:worker_threads';
import { BlockRunner } from '../codec/block-jobs.js';
import { Pauses } from '../codec/event-loop.js';
import type { BlockJob } from '../codec/platform.js';
import { ShacompError } from '../errors.js';
import type { Model } from '../model/model.js';
import { parseOwnModel } from '../model/sharnn.js';
import type { FromBlockWorker, ToBlockWorker } from './block-workers.js';
import { NODE } from './platform.js';

const port = parentPort!;
/** Shortest time in ms between two messages of progress. */
const PROGRESS = 50;

const runner = new BlockRunner(workerData as string, 1, NODE, new Pauses());
const models = new Map<string, Model>();

async function work(job: BlockJob, model: ToBlockWorker['model']): Promise<FromBlockWorker> {
  try {
    if (model?.bytes) models.set(model.id, parseOwnModel(model.bytes));
    let told = 0;
    const result = await runner.run(job, model && models.get(model.id), (symbols, payload) => {
      const now = performance.now();
      if (now - told < PROGRESS) return;
      told = now;
      port.postMessage({ progress: [symbols, payload] } satisfies FromBlockWorker);
    });
    return { result };
  } catch (error) {
    const { message } = error as Error;
    return { error: { code: error instanceof ShacompError ? error.code : undefined, message } };
  }
}

port.on('message', async ({ job, model }: ToBlockWorker) => {
  port.postMessage(await work(job, model));
});
