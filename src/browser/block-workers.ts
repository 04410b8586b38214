/** @file Workers of a worker, which code blocks side by side: each is the same file, told what to be. */
import { BlockServer } from '../codec/block-jobs.js';
import {
  BlockPool,
  type FromBlockWorker,
  type StartBlockPort,
  type ToBlockWorker,
} from '../codec/block-pool.js';
import type { BlockWorkers, Platform } from '../codec/platform.js';
import type { Engine } from '../engines/engine.js';
import { runsInWorkers } from './engines.js';
import { useWasmModule, wasmModule } from './wasm-module.js';

/** The first message to a worker that is to code blocks: what it works with. */
export interface BlockWorkerStart {
  engine: string;
  /** compiled already: the code is shared, and the threads' compilers do not repeat each other's work */
  wasm?: WebAssembly.Module;
}

/** Most workers of one run: each has a model, tables and a block of its own. */
const MOST = 8;

/** What of the machine's memory blocks may take beside each other. */
const SHARE = 1 / 4;
/** Bytes of a machine that does not tell, which only browsers of the Chromium family do. */
const USUAL = 4 * 2 ** 30;

const device = globalThis.navigator as (Navigator & { deviceMemory?: number }) | undefined;

/** Bytes that blocks may take beside each other, where the caller does not say. */
export const memoryBesides = SHARE * (device?.deviceMemory ? device.deviceMemory * 2 ** 30 : USUAL);

const start =
  (engine: string): StartBlockPort =>
  (message, ended) => {
    // a worker's own address is that of its file, whatever a bundler has called it
    const worker = new Worker(globalThis.location.href, { type: 'module', name: 'shacomp-block' });
    let open = true;
    worker.onmessage = ({ data }: MessageEvent<FromBlockWorker>) => message(data);
    worker.onerror = (event) => {
      event.preventDefault();
      ended(new Error(event.message || 'it cannot be loaded'));
    };
    // messages to a worker come in their order: what waits for the module is not overtaken
    const started = wasmModule().then(
      (wasm) => worker.postMessage({ engine, wasm } satisfies BlockWorkerStart),
      () => worker.postMessage({ engine } satisfies BlockWorkerStart),
    );
    return {
      post(sent) {
        void started.then(() => open && worker.postMessage(sent));
      },
      close() {
        open = false;
        worker.terminate();
      },
    };
  };

/**
 * As `Platform.blockWorkers`, in a worker of this library: as many as are asked for, by default one for each
 * processor, but no more than {@link MOST}. A GPU is one device: its engine has none.
 */
export function blockWorkers({
  engine,
  threads,
}: {
  engine: string | Engine;
  threads?: number;
}): BlockWorkers | undefined {
  if (typeof engine !== 'string' || !runsInWorkers(engine) || typeof Worker !== 'function') return undefined;
  const count = Math.min(threads ?? globalThis.navigator?.hardwareConcurrency ?? 1, MOST);
  return count < 2 ? undefined : new BlockPool(count, start(engine));
}

/** The other end: what a worker does from then on that is told to code blocks. */
export function serveBlocks(
  { engine, wasm }: BlockWorkerStart,
  platform: Platform,
  post: (message: FromBlockWorker) => void,
): (message: ToBlockWorker) => void {
  if (wasm) useWasmModule(wasm);
  const server = new BlockServer(engine, platform, post);
  return (message) => void server.receive(message);
}
