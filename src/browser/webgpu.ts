/** @file The WebGPU engine in a page or a worker; loaded only where there is `navigator.gpu`. */
import type { Engine, Predictor } from '../engines/engine.js';
import { lendMixing } from '../engines/list.js';
import { type DeviceReport, findAdapter } from '../engines/webgpu/device.js';
import { describeDevice, webgpuPredictor } from '../engines/webgpu/engine.js';
import { type ErrorCode, ShacompError } from '../errors.js';
import type { Architecture } from '../model/architecture.js';

/** What the adapter is, without a device. @throws ShacompError ERR_ENGINE_UNAVAILABLE */
export const findGpu = async (gpu: GPU): Promise<DeviceReport> => (await findAdapter(gpu)).report;

export { describeDevice };

/** An engine on a GPU, until that fails. */
export interface WebGpuEngine extends Engine {
  /** Why it runs on the lender from now on; undefined while the GPU is used. */
  readonly failed: () => string | undefined;
}

/**
 * The engine. Its device has computed something right before this resolves.
 * @param lender mixes, and runs all networks once the GPU has failed
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE
 */
export async function webgpuEngine(gpu: GPU, lender: Engine): Promise<WebGpuEngine> {
  const predictor = await webgpuPredictor(gpu);
  let failed: string | undefined;
  /** Who runs a network: a single one may be too large for the device. */
  const runs = (architecture: Architecture, streams: number): Predictor => {
    if (failed !== undefined) return lender;
    try {
      predictor.memory(architecture, streams);
      return predictor;
    } catch (error) {
      if (isOf(error, 'ERR_MEMORY_LIMIT')) return lender;
      throw error;
    }
  };
  return {
    ...lendMixing(predictor, lender),
    memory: (architecture, streams) => runs(architecture, streams).memory(architecture, streams),
    open: (model, streams) => runs(model.architecture, streams).open(model, streams),
    failed: () => failed,
    carriesOn(error) {
      // no room: another network might find some, but hardly while this page has others open
      if (failed !== undefined || !isOf(error, 'ERR_ENGINE_UNAVAILABLE', 'ERR_MEMORY_LIMIT')) return false;
      failed = error.message;
      return true;
    },
  };
}

const isOf = (error: unknown, ...codes: ErrorCode[]): error is ShacompError =>
  error instanceof ShacompError && codes.includes(error.code);
