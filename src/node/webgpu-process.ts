/**
 * @file The process that has the GPU: loads npm's `webgpu` and runs networks for the process that started it
 * (webgpu.ts).
 */

import { findAdapter, gpuUnavailable } from '../engines/webgpu/device.js';
import { type WebGpuPredictor, webgpuPredictor } from '../engines/webgpu/engine.js';
import type { CodingNetwork } from '../engines/webgpu/streams.js';
import { type ErrorCode, ShacompError } from '../errors.js';
import { SYMBOLS } from '../model/architecture.js';
import { type IntegerModel, parseModel } from '../model/sharnn.js';
import type { FromGpu, ToGpu } from './webgpu.js';

/** A name that compilers do not look up: it may be missing. */
const PACKAGE: string = 'webgpu';
/** Node's package crashes if this is collected while a device is used. */
let gpu: GPU | undefined;
let engine: Promise<WebGpuPredictor> | undefined;
const models = new Map<number, IntegerModel>();
const networks = new Map<number, CodingNetwork>();

/** The Vulkan loader, which Dawn looks for on Linux; without it there is no adapter, and no word why. */
const LOADER = 'libvulkan.so.1';

/** @throws ShacompError ERR_ENGINE_UNAVAILABLE if it is not installed */
function requireLoader(): void {
  if (process.platform !== 'linux') return;
  try {
    process.dlopen({ exports: {} }, LOADER);
  } catch (error) {
    // it is no addon of Node's, which is said once it is loaded
    if (/cannot open shared object file/.test((error as Error).message))
      throw gpuUnavailable(`the Vulkan loader ${LOADER} is not installed (Debian: libvulkan1)`);
  }
}

async function load(): Promise<GPU> {
  requireLoader();
  try {
    const { create } = (await import(PACKAGE)) as { create(options: string[]): GPU };
    gpu ??= create([]);
    return gpu;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw gpuUnavailable(
      code === 'ERR_MODULE_NOT_FOUND'
        ? 'its optional package "webgpu" is not installed'
        : `its package does not load: ${message.split('\n')[0]}`,
    );
  }
}

const start = (): Promise<WebGpuPredictor> => {
  engine ??= load().then((loaded) => webgpuPredictor(loaded));
  return engine;
};

async function answer(message: ToGpu): Promise<unknown> {
  switch (message.ask) {
    case 'describe':
      return (await findAdapter(await load())).report;
    case 'start':
      return (await start()).report;
    case 'model':
      models.set(message.model, parseModel(message.file));
      return undefined;
    case 'open': {
      const { network, model, streams } = message;
      networks.set(network, (await start()).open(models.get(model)!, streams));
      return undefined;
    }
    case 'run': {
      const { bytes, steps } = message;
      const frequencies = new Uint32Array(bytes.length * SYMBOLS);
      await networks.get(message.network)!.run(bytes, steps, frequencies);
      return frequencies;
    }
    case 'odds': {
      const { rows, steps } = message;
      const network = networks.get(message.network)!;
      const odds = new Uint16Array(steps * network.streams * 8);
      await network.odds(rows, steps, odds);
      return odds;
    }
    case 'startDecoding':
      return networks.get(message.network)!.startDecoding(message.codes, message.symbols);
    case 'decode':
      return networks.get(message.network)!.decode(message.steps);
    case 'ends':
      return networks.get(message.network)!.ends();
    case 'reset':
      return networks.get(message.network)?.reset();
    case 'close':
      networks.get(message.network)?.close();
      networks.delete(message.network);
      return undefined;
  }
}

const send = (reply: FromGpu) => process.connected && process.send!(reply);

process.on('message', async ({ id, ...message }: { id: number } & ToGpu) => {
  try {
    send({ id, value: await answer(message as ToGpu) });
  } catch (error) {
    const code: ErrorCode | undefined = error instanceof ShacompError ? error.code : undefined;
    send({ id, error: { code, message: (error as Error).message } });
  }
});
// the other one is done, or has ended
process.on('disconnect', () => process.exit());
