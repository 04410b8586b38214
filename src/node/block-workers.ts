/** @file Threads that code blocks side by side: each has an engine of its own, and one job at a time. */
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { BlockPool, type FromBlockWorker, type StartBlockPort } from '../codec/block-pool.js';
import type { BlockWorkers } from '../codec/platform.js';
import type { Engine } from '../engines/engine.js';
import { isOwnEngine, runsInThreads, wantedEngine } from './engines.js';
import { environment } from './env.js';

/** There is none where the program is run from its source. */
const FILE = new URL('./block-worker.js', import.meta.url);

/** @param engine name of the threads' engine, once the first one starts */
const thread =
  (engine: () => string): StartBlockPort =>
  (message, ended) => {
    const worker = new Worker(FILE, { workerData: engine() });
    worker.on('message', (sent: FromBlockWorker) => message(sent));
    worker.on('error', ended);
    worker.on('exit', (code) => ended(new Error(`with the status ${code}`)));
    return {
      post: (sent) => worker.postMessage(sent),
      close() {
        worker.removeAllListeners();
        void worker.terminate();
      },
    };
  };

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
  const running = () => chosen?.()?.name ?? wantedEngine(engine as string);
  return new BlockPool(count, thread(typeof engine === 'string' ? running : () => engine.name));
}
