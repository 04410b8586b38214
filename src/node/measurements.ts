/**
 * @file What engines were measured to do on this machine, in a file of the user's cache. It is only ever a
 * help: damaged, unreadable or of another version it counts as absent, and that it cannot be written is no
 * error.
 */
import { mkdir, readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { environment } from './env.js';
import { version } from './version.js';
import { newFile } from './write-file.js';

/** How fast an engine is with a model and a number of streams. Rates are bytes per second of all streams. */
export interface Rates {
  /** seconds until the first network has made its first step */
  start: number;
  /** many steps of known input at once: what encoding asks of the network */
  run: number;
  /** one step at a time: what decoding with mixing asks of it */
  step: number;
  /** blocks of the network alone, encoded; null where the engine has nothing of its own for them */
  encode: number | null;
  /** the same, decoded */
  decode: number | null;
}

/** What rates are of. A measurement counts for nothing else. */
export interface MeasuredOn {
  /** version of this program */
  program: string;
  engine: string;
  /** the engine's own line: kernels, threads, limits */
  detail: string;
  processor: string;
  /** the graphics adapter and its driver; null for engines of the processor */
  adapter: string | null;
  /** SHA-256 of the model in hexadecimal */
  model: string;
  streams: number;
}

export interface Measurement extends MeasuredOn, Rates {
  /** the model's, for people */
  modelName: string;
  /** the adapter is a processor that plays one */
  software: boolean;
}

/** The measurement of a model on an engine. */
export const measurement = (
  of: Omit<MeasuredOn, 'streams'>,
  model: { name: string },
  streams: number,
  rates: Rates,
  software = false,
): Measurement => ({ ...of, streams, modelName: model.name, software, ...rates });

/** Most measurements that are kept: the latest. */
const MOST = 500;
/** A file that is longer, in bytes, is not ours. */
const LONGEST = 2 ** 20;

/** Where they are kept; undefined where there is no home. */
export function measurementsFile(): string | undefined {
  const cache = environment('XDG_CACHE_HOME');
  // relative folders are to be ignored, as the specification of the variable says
  if (cache !== undefined && isAbsolute(cache)) return join(cache, 'shacomp', 'engines.json');
  try {
    return join(homedir(), '.cache', 'shacomp', 'engines.json');
  } catch {
    return undefined;
  }
}

const positive = (x: unknown): boolean => typeof x === 'number' && Number.isFinite(x) && x > 0;

function isMeasurement(value: unknown): value is Measurement {
  if (typeof value !== 'object' || value === null) return false;
  const m = value as Record<keyof Measurement, unknown>;
  const words = [m.program, m.engine, m.detail, m.processor, m.model, m.modelName];
  const text = words.every((x) => typeof x === 'string') && typeof m.software === 'boolean';
  const rates = [m.run, m.step, m.start].every(positive);
  const own = [m.encode, m.decode].every((x) => x === null || positive(x));
  const adapter = m.adapter === null || typeof m.adapter === 'string';
  return text && rates && own && adapter && positive(m.streams) && Number.isInteger(m.streams);
}

/** Those of this version of the program, the latest last. Never throws. */
export async function readMeasurements(): Promise<Measurement[]> {
  const file = measurementsFile();
  if (file === undefined) return [];
  try {
    const facts = await stat(file);
    if (!facts.isFile() || facts.size > LONGEST) return [];
    const { measurements } = JSON.parse(await readFile(file, 'utf8')) as { measurements?: unknown };
    if (!Array.isArray(measurements)) return [];
    return measurements.filter(isMeasurement).filter(({ program }) => program === version);
  } catch {
    return [];
  }
}

const keyOf = ({ program, engine, detail, processor, adapter, model, streams }: MeasuredOn): string =>
  JSON.stringify([program, engine, detail, processor, adapter, model, streams]);

/** Whether a measurement is of that; what is left out does not matter. */
export const isOf = (measured: MeasuredOn, what: Partial<MeasuredOn>): boolean =>
  (Object.keys(what) as (keyof MeasuredOn)[]).every((name) => measured[name] === what[name]);

/**
 * Adds to what is kept, in the place of older ones of the same. The file is replaced as a whole, so that
 * readers see the old one or the new one. Never throws.
 * @returns whether they are kept
 */
export async function storeMeasurements(added: readonly Measurement[]): Promise<boolean> {
  const file = measurementsFile();
  if (file === undefined) return false;
  const all = new Map((await readMeasurements()).map((m) => [keyOf(m), m]));
  for (const m of added) {
    all.delete(keyOf(m));
    all.set(keyOf(m), m);
  }
  const measurements = [...all.values()].slice(-MOST);
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const output = await newFile(file);
    try {
      await output.write(Buffer.from(`${JSON.stringify({ measurements }, null, 1)}\n`));
      await output.finish();
      await output.commit(true);
      return true;
    } catch (error) {
      await output.discard();
      throw error;
    }
  } catch {
    return false;
  }
}
