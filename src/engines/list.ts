/** @file Which engine to use: the one asked for, or the fastest that runs here. */
import { ShacompError } from '../errors.js';
import type { Engine, EngineName } from './engine.js';

export interface EngineOptions {
  /** Most threads to use, where the engine has threads. Never changes a result. */
  threads?: number;
}

/** How each engine is made, fastest first. Loaded late: an engine that cannot be loaded must not hinder the others. */
const ENGINES: Record<EngineName, (options: EngineOptions) => Promise<Engine>> = {
  native: async (options) => (await import('./native/engine.js')).nativeEngine(options),
  wasm: async () => (await import('./wasm/engine.js')).wasmEngine(),
  reference: async () => (await import('./reference/network.js')).referenceEngine,
};

/** All engines' names, fastest first. */
export const ENGINE_NAMES = Object.keys(ENGINES) as EngineName[];

/**
 * The engine of that name; 'auto' is the environment variable SHACOMP_ENGINE if set, else the fastest engine that runs here.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE with the reason, ERR_OPTIONS for a name that is none
 */
export async function selectEngine(name: 'auto' | EngineName, options: EngineOptions = {}): Promise<Engine> {
  const wanted = name === 'auto' ? globalThis.process?.env.SHACOMP_ENGINE || 'auto' : name;
  if (wanted !== 'auto') {
    if (!Object.hasOwn(ENGINES, wanted))
      throw new ShacompError(
        'ERR_OPTIONS',
        `there is no engine "${wanted}"; use auto, ${ENGINE_NAMES.join(', ')}`,
      );
    return ENGINES[wanted as EngineName](options);
  }
  for (const candidate of ENGINE_NAMES) {
    try {
      return await ENGINES[candidate](options);
    } catch (error) {
      // an option out of range is the caller's mistake, not the engine's
      if (!(error instanceof ShacompError) || error.code !== 'ERR_ENGINE_UNAVAILABLE') throw error;
    }
  }
  throw new ShacompError('ERR_ENGINE_UNAVAILABLE', 'no engine runs here');
}

/** One engine for people: what it runs on, or why it does not run. */
export type EngineReport = { name: EngineName } & ({ detail: string } | { unavailable: string });

/** Every engine, fastest first, with what it would run on or why it does not run here. */
export async function availableEngines(options: EngineOptions = {}): Promise<EngineReport[]> {
  return Promise.all(
    ENGINE_NAMES.map(async (name) => {
      try {
        return { name, detail: (await ENGINES[name](options)).detail };
      } catch (error) {
        return { name, unavailable: (error as Error).message };
      }
    }),
  );
}
