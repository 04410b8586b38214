/** @file `engines()`: what engines run on here, and how fast they were measured to be. */
import type { ModelSource } from '../codec/platform.js';
import type { EngineReport } from '../engines/list.js';
import { ShacompError } from '../errors.js';
import { measuredOn } from './auto.js';
import { describeEngines, type EngineOptions, selectEngine } from './engines.js';
import { measureStreams } from './measure.js';
import {
  isOf,
  type Measurement,
  measurement,
  type Rates,
  readMeasurements,
  storeMeasurements,
} from './measurements.js';
import { loadModel } from './models.js';

/** How fast an engine was measured to be with a model and a number of streams. */
export interface EngineRates extends Rates {
  model: { name: string; id: string };
  streams: number;
}

/** An engine, with the rates that are known of it as it runs here. */
export type MeasuredEngine = EngineReport & { rates: EngineRates[] };

export interface EnginesOptions extends EngineOptions {
  /** Measures now, which takes some seconds, and keeps the results: the engine `auto` is chosen by them. */
  measure?: boolean;
  /** Models to measure with; default: `lite` and `base`. */
  models?: readonly ModelSource[];
  /** Numbers of streams to measure with; default: 1, 16 and 256. */
  streams?: readonly number[];
}

export const MEASURED_MODELS: readonly string[] = ['lite', 'base'];
export const MEASURED_STREAMS: readonly number[] = [1, 16, 256];

/**
 * Every engine with what it would run on here, or why it does not, in the order in which 'auto' tries them;
 * and how fast it was measured to be, now or before. An engine that would take long for a number of streams
 * is not measured with it.
 * @throws ShacompError with `measure`: ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_FILE, ERR_OPTIONS
 */
export async function engines(options: EnginesOptions = {}): Promise<MeasuredEngine[]> {
  const { measure = false, ...how } = options;
  const reports = await describeEngines(options);
  const measured = measure ? await measureAll(reports, how) : [];
  // what was measured now, also where it cannot be kept
  const kept = [...(await readMeasurements()), ...measured];
  return reports.map((report) => ({ ...report, rates: ratesOf(report, kept) }));
}

async function measureAll(
  reports: EngineReport[],
  { models = MEASURED_MODELS, streams = MEASURED_STREAMS, threads }: EnginesOptions,
): Promise<Measurement[]> {
  const loaded = await Promise.all(models.map((source) => loadModel(source)));
  const all: Measurement[] = [];
  // one after the other: each has the machine to itself
  for (const [i, report] of reports.entries()) {
    if (!report.available) continue;
    const begin = performance.now();
    const engine = await selectEngine(report.name, { threads }).catch((error) => {
      if (!(error instanceof ShacompError) || error.code !== 'ERR_ENGINE_UNAVAILABLE') throw error;
      // described without being loaded, and does not run
      reports[i] = { name: report.name, available: false, reason: error.message };
    });
    if (!engine) continue;
    const seconds = (performance.now() - begin) / 1000;
    for (const model of loaded)
      for (const [count, rates] of await measureStreams(engine, model, streams, seconds))
        all.push(measurement(measuredOn(report, model), model, count, rates, report.software));
  }
  await storeMeasurements(all);
  return all;
}

/** The latest of every model and number of streams. */
function ratesOf(report: EngineReport, kept: readonly Measurement[]): EngineRates[] {
  if (!report.available) return [];
  const { model: _, ...on } = measuredOn(report, { id: new Uint8Array(0) });
  const found = new Map<string, EngineRates>();
  for (const m of kept)
    if (isOf(m, on)) {
      const { modelName: name, model: id, streams, start, run, step, encode, decode } = m;
      found.set(`${id} ${streams}`, { model: { name, id }, streams, start, run, step, encode, decode });
    }
  return [...found.values()];
}
