/**
 * @file What the engine 'auto' is for some work: the processor's fastest, or a GPU where both were measured
 * on this machine and the GPU does the work sooner.
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { EngineWork } from '../codec/platform.js';
import type { Engine, EngineFacts } from '../engines/engine.js';
import type { Description } from '../engines/list.js';
import { hex } from '../model/id.js';
import { onceEach } from '../once.js';
import { comparable, gpuPays, secondsOf } from './choice.js';
import {
  type EngineOptions,
  GRAPHICS_ENGINE,
  isGraphics,
  processorName,
  selectEngine,
  wantedEngine,
} from './engines.js';
import { measureRates } from './measure.js';
import {
  isOf,
  type MeasuredOn,
  type Measurement,
  measurement,
  readMeasurements,
  storeMeasurements,
} from './measurements.js';
import { version } from './version.js';
import { describeGpu } from './webgpu.js';

/**
 * Work that lacks measurements has them made if it is long: from so many bytes on the processor is measured
 * (half a second), and from so many seconds on, by that, a GPU (some 3 seconds with its start, if there is
 * one). Both are about a twentieth of the work, or less, and are done once.
 */
export const LEAST_MEASURED: Readonly<Record<'bytes' | 'seconds', number>> = { bytes: 2 ** 24, seconds: 60 };

export interface Choice {
  engine: Engine;
  /** In a line, why it is that one; undefined where it was asked for. */
  why?: string;
}

export interface AutoOptions extends EngineOptions {
  /** what work must be for a measurement; default {@link LEAST_MEASURED} */
  least?: typeof LEAST_MEASURED;
  /** What it is for, where that is known. */
  work?: EngineWork;
}

/** How a GPU is come by. */
export interface GpuAccess {
  /** whether its package is there at all: known without loading it */
  installed(): boolean;
  /** @throws ShacompError ERR_ENGINE_UNAVAILABLE */
  describe(): Promise<Description>;
  /** @throws ShacompError ERR_ENGINE_UNAVAILABLE */
  load(options: EngineOptions): Promise<Engine>;
}

/** Engines of GPUs by their threads: what is chosen once serves all that follows. */
const gpuEngine = onceEach((threads: number | undefined) => selectEngine(GRAPHICS_ENGINE, { threads }));

const GPU: GpuAccess = {
  installed: () =>
    (createRequire(import.meta.url).resolve.paths('webgpu') ?? []).some((folder) =>
      existsSync(join(folder, 'webgpu', 'package.json')),
    ),
  describe: () => describeGpu(),
  load: ({ threads }) => gpuEngine(threads),
};

/** An adapter and its driver. */
const adapterOf = ({ device, driver }: Partial<EngineFacts> = {}): string => `${device}; ${driver}`;

/** What a measurement of an engine is of, but for the number of streams. */
export const measuredOn = (
  engine: { name: string; detail: string } & Partial<EngineFacts>,
  model: { id: Uint8Array },
): Omit<MeasuredOn, 'streams'> => ({
  program: version,
  engine: engine.name,
  detail: engine.detail,
  processor: processorName(),
  adapter: isGraphics(engine.name) ? adapterOf(engine) : null,
  model: hex(model.id),
});

/**
 * The engine of that name. 'auto' is the one in SHACOMP_ENGINE if set, else chosen for the work.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE with the reason, ERR_OPTIONS if no engine is called so
 */
export async function chooseEngine(
  name: string,
  { work, ...options }: AutoOptions = {},
  gpu: GpuAccess = GPU,
): Promise<Choice> {
  const engine = await selectEngine(name, options);
  if (wantedEngine(name) !== 'auto') return { engine };
  const other = await gpuFor(engine, work, options, gpu).catch((error: Error) => error.message);
  if (typeof other === 'string') return { engine, why: `auto takes ${engine.name}; no GPU: ${other}` };
  return { engine: other, why: `auto takes ${other.name}: it was measured to be faster than ${engine.name}` };
}

/** As {@link chooseEngine}, without the reason. */
export const selectEngineFor = async (name: string, options: AutoOptions): Promise<Engine> =>
  (await chooseEngine(name, options)).engine;

/** The GPU's engine, if it does the work sooner; else in a line why it is not taken. */
async function gpuFor(
  cpu: Engine,
  work: EngineWork | undefined,
  options: AutoOptions,
  gpu: GpuAccess,
): Promise<Engine | string> {
  if (!work) return 'nothing is known of the work, or it has no network';
  if (!gpu.installed()) return 'its optional package "webgpu" is not installed';
  const all = await readMeasurements();
  const { model } = work;
  const ofCpu = measuredOn({ ...cpu.facts, name: cpu.name, detail: cpu.detail }, model);
  const { detail: _, adapter: __, ...ofGpu } = measuredOn({ name: GRAPHICS_ENGINE, detail: '' }, model);
  const found = comparable(
    work,
    all.filter((m) => isOf(m, ofCpu)),
    all.filter((m) => isOf(m, ofGpu)),
  );
  const pair = found ?? (await measuredFor(cpu, work, options, gpu, ofCpu, all));
  if (typeof pair === 'string') return pair;
  if (pair.gpu.software) return `${pair.gpu.adapter} is a processor that plays one`;
  if (!gpuPays(work, pair.cpu, pair.gpu)) return `${cpu.name} was measured to be faster, or as fast`;
  const engine = await gpu.load(options);
  if (engine.facts?.software) return `${engine.facts.device} is a processor that plays one`;
  if (adapterOf(engine.facts) === pair.gpu.adapter) return engine;
  return `${engine.facts?.device} was not measured`;
}

/** Measures what long work lacks; else says why that is not done. */
async function measuredFor(
  cpu: Engine,
  work: EngineWork,
  options: AutoOptions,
  gpu: GpuAccess,
  ofCpu: Omit<MeasuredOn, 'streams'>,
  all: readonly Measurement[],
): Promise<{ cpu: Measurement; gpu: Measurement } | string> {
  const { model, streams } = work;
  const { least = LEAST_MEASURED } = options;
  const short = 'it was not measured for this model and so many streams, and the work is too short for that';
  if (work.encode + work.decode < least.bytes) return short;
  let onCpu = all.findLast((m) => isOf(m, { ...ofCpu, streams }));
  if (!onCpu) {
    onCpu = measurement(ofCpu, model, streams, await measureRates(cpu, model, streams));
    await storeMeasurements([onCpu]);
  }
  if (secondsOf(work, onCpu) < least.seconds) return short;
  const { detail, facts } = await gpu.describe();
  if (facts?.software) return `${facts.device} is a processor that plays one`;
  const begin = performance.now();
  const engine = await gpu.load(options);
  const rates = await measureRates(engine, model, streams, (performance.now() - begin) / 1000);
  const of = measuredOn({ ...facts, name: GRAPHICS_ENGINE, detail }, model);
  const onGpu = measurement(of, model, streams, rates);
  await storeMeasurements([onGpu]);
  return { cpu: onCpu, gpu: onGpu };
}
