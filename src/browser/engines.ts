/** @file The engines of a page. What is seldom used is fetched when it is. */
import { engineUnavailable } from '../engines/check.js';
import type { Engine } from '../engines/engine.js';
import {
  type EngineReport,
  type EngineResources,
  type Entry,
  isMarked,
  reportEngines,
  selectEntry,
} from '../engines/list.js';
import { wasmEngine } from '../engines/wasm/engine.js';
import { ShacompError } from '../errors.js';
import { wasmModule } from './wasm-module.js';

/** The WebGPU of this place, and what runs on it. @throws ShacompError ERR_ENGINE_UNAVAILABLE */
async function webgpu() {
  const { gpu } = (globalThis.navigator ?? {}) as { gpu?: GPU };
  if (gpu) return { gpu, ...(await import('./webgpu.js')) };
  const why = globalThis.isSecureContext
    ? 'this browser has no WebGPU'
    : 'browsers give WebGPU to pages of https alone';
  throw engineUnavailable('WebGPU', why);
}

/** Those that `auto` chooses from, fastest first. */
const CPU_ENGINES: readonly Entry<Engine>[] = [
  { name: 'wasm', load: async ({ wasm }) => wasmEngine(await wasm()) },
  { name: 'reference', load: async () => (await import('../engines/reference/engine.js')).referenceEngine },
];

const ENGINES: readonly Entry<Engine>[] = [
  CPU_ENGINES[0],
  {
    name: 'webgpu',
    graphics: true,
    // one device does the work of all threads
    single: true,
    load: async () => gpuEngine(),
    describe: async () => {
      const failed = (await gpu?.catch(() => undefined))?.failed();
      if (failed !== undefined) throw new ShacompError('ERR_ENGINE_UNAVAILABLE', failed);
      const { gpu: found, describeDevice, findGpu } = await webgpu();
      return describeDevice(await findGpu(found));
    },
  },
  ...CPU_ENGINES.slice(1),
];

/** Whether several workers may have an engine each. */
export const runsInWorkers = (name: string): boolean => !isMarked(ENGINES, 'single', name);

const resources: EngineResources = { wasm: wasmModule };

const cpuEngine = () => selectEntry(CPU_ENGINES, 'auto', resources);

let gpu: ReturnType<typeof loadGpu> | undefined;
const loadGpu = async () => {
  const { gpu, webgpuEngine } = await webgpu();
  return webgpuEngine(gpu, await cpuEngine());
};

/** One engine with one device, whoever asks; a failure is not remembered. */
function gpuEngine() {
  gpu ??= loadGpu();
  gpu.catch(() => {
    gpu = undefined;
  });
  return gpu;
}

/** @throws ShacompError ERR_ENGINE_UNAVAILABLE with the reason, ERR_OPTIONS if no engine is called so */
export const selectEngine = (name: string): Promise<Engine> =>
  name === 'auto' ? cpuEngine() : selectEntry(ENGINES, name, resources);

/** Streams from which on a GPU is used for blocks of the network alone: it does a step of all in one. */
const MANY_STREAMS = 64;

let real: Promise<boolean> | undefined;

/** Whether the adapter is a GPU, and not a processor that plays one. */
function hasRealGpu(): Promise<boolean> {
  real ??= webgpu()
    .then(({ gpu, findGpu }) => findGpu(gpu))
    .then(
      ({ software }) => !software,
      () => false,
    );
  return real;
}

/** As `Platform.engineForStreams`: the GPU, if there is a real one. */
export async function engineForStreams(streams: number): Promise<Engine | undefined> {
  if (streams < MANY_STREAMS || !(await hasRealGpu())) return undefined;
  try {
    const engine = await gpuEngine();
    return engine.failed() === undefined ? engine : undefined;
  } catch {
    // an adapter without a device that computes right is of no use
    real = Promise.resolve(false);
    return undefined;
  }
}

/** Every engine with what it would run on here or why it does not, and what `auto` takes it for. */
export async function engines(): Promise<EngineReport[]> {
  const [reports, many] = await Promise.all([reportEngines(ENGINES, resources), hasRealGpu()]);
  const isGraphics = (name: string) => isMarked(ENGINES, 'graphics', name);
  const first = reports.find(({ name, available }) => available && !isGraphics(name));
  return reports.map((report): EngineReport => {
    if (!report.available) return report;
    if (report === first) return { ...report, auto: 'all' };
    return many && isGraphics(report.name) ? { ...report, auto: 'many streams' } : report;
  });
}
