/** @file The engines of Node: the native one, those that run anywhere, and a GPU's. */
import { cpus } from 'node:os';
import type { Engine } from '../engines/engine.js';
import {
  type EngineReport,
  type EngineResources,
  type Entry,
  isMarked,
  reportEngines,
  selectEntry,
} from '../engines/list.js';
import { nativeEngine } from '../engines/native/engine.js';
import { referenceEngine } from '../engines/reference/engine.js';
import { wasmEngine } from '../engines/wasm/engine.js';
import { environment } from './env.js';
import { describeTfjs, tfjsEngine } from './tfjs.js';
import { wasmModule } from './wasm-module.js';
import { describeGpu, webgpuEngine } from './webgpu.js';

export interface EngineOptions {
  /** Most threads to use, where the engine has threads. Never changes a result. */
  threads?: number;
}

/**
 * Fastest first. Our own modules are imported by this file and not when they are used: Node may remember for
 * ever that an import failed once, for lack of file descriptors, for instance.
 */
const CPU_ENGINES: readonly Entry<Engine>[] = [
  {
    name: 'native',
    load: async ({ threads }) => nativeEngine({ threads }),
  },
  { name: 'wasm', load: async ({ wasm }) => wasmEngine(await wasm()) },
  { name: 'reference', load: async () => referenceEngine },
];

/**
 * In the order in which 'auto' tries them. The GPU pays for large networks and many streams alone, so it is
 * asked for.
 */
const NODE_ENGINES: readonly Entry<Engine>[] = [
  ...CPU_ENGINES,
  {
    name: 'webgpu',
    graphics: true,
    // one process has the GPU, for all networks
    single: true,
    load: async (given) => webgpuEngine(await selectEntry(CPU_ENGINES, 'auto', given)),
    describe: describeGpu,
  },
  {
    name: 'tfjs',
    // one process has one TensorFlow, and one GPU's memory
    single: true,
    load: async (given) => tfjsEngine(await selectEntry(CPU_ENGINES, 'auto', given)),
    describe: () => describeTfjs(),
  },
];

/** All engines' names, fastest on a CPU first. */
export const ENGINE_NAMES: readonly string[] = NODE_ENGINES.map(({ name }) => name);

const resources = ({ threads }: EngineOptions): EngineResources => ({
  threads,
  wasm: wasmModule,
});

/**
 * The engine of that name; 'auto' is the environment variable SHACOMP_ENGINE if set, else the fastest engine
 * that runs here.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE with the reason, ERR_OPTIONS if no engine is called so
 */
export async function selectEngine(name = 'auto', options: EngineOptions = {}): Promise<Engine> {
  const engine = await selectEntry(NODE_ENGINES, wantedEngine(name), resources(options));
  own.add(engine);
  return engine;
}

/** Engines that were made here. */
const own = new WeakSet<Engine>();

/** Whether an engine was made by {@link selectEngine}: another one of its name does the same. */
export const isOwnEngine = (engine: Engine): boolean => own.has(engine);

/** Whether several threads may have an engine each. */
export const runsInThreads = (name: string): boolean => !isMarked(NODE_ENGINES, 'single', name);

/** Whether an engine runs on a graphics adapter. */
export const isGraphics = (name: string): boolean => isMarked(NODE_ENGINES, 'graphics', name);

/** The graphics adapter's engine. */
export const GRAPHICS_ENGINE: string = NODE_ENGINES.find(({ graphics }) => graphics)!.name;

/** The name asked for; where that is 'auto', the one in SHACOMP_ENGINE, if any. */
export const wantedEngine = (name: string): string =>
  name === 'auto' ? (environment('SHACOMP_ENGINE') ?? 'auto') : name;

/** The processor, as it calls itself. */
export const processorName = (): string => cpus()[0]?.model.trim() || process.arch;

/** Every engine with what it would run on here or why it does not. */
export async function describeEngines(options: EngineOptions = {}): Promise<EngineReport[]> {
  const host = `Node.js ${process.version}, V8 ${process.versions.v8}`;
  const reports = await reportEngines(NODE_ENGINES, resources(options));
  return reports.map((report) => {
    if (!report.available) return report;
    const { device = processorName(), driver = host } = report;
    return { ...report, device, driver };
  });
}
