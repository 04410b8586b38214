/** @file Engines as a platform lists them: one is chosen by its name, or all are told of. */
import { ShacompError } from '../errors.js';
import type { Engine, EngineFacts, Predictor } from './engine.js';

/** What engines are made of that only the platform can give. */
export interface EngineResources {
  /** Most threads to use, where the engine has threads; default: its own choice. Never changes a result. */
  threads?: number;
  /** The compiled WebAssembly module. @throws ShacompError ERR_ENGINE_UNAVAILABLE */
  wasm(): Promise<WebAssembly.Module>;
}

/** What an engine runs on: in a line for people, and in parts. */
export type Description = Pick<Engine, 'detail' | 'facts'>;

/** One of several ways to do a thing. */
export interface Entry<Thing, Resources = EngineResources> {
  readonly name: string;
  /** It runs on a graphics adapter: 'auto' takes it for the work that it does sooner. */
  readonly graphics?: boolean;
  /** There is one for all threads: blocks that are coded side by side cannot have an engine each. */
  readonly single?: boolean;
  /**
   * Makes it. What may be missing is loaded here, so that it cannot hinder the others.
   * @throws ShacompError ERR_ENGINE_UNAVAILABLE with the reason if it does not run here
   */
  load(resources: Resources): Promise<Thing>;
  /** What it would run on, where that is told without loading it. @throws as `load` */
  describe?(): Promise<Description>;
}

/** An engine made of one that only predicts and the mixing coder of another one, which its detail says. */
export function lendMixing(predictor: Predictor, lender: Engine): Engine {
  return {
    name: predictor.name,
    detail: `${predictor.detail}; mixing by ${lender.name}`,
    facts: predictor.facts,
    memory: (architecture, streams) => predictor.memory(architecture, streams),
    open: (model, streams) => predictor.open(model, streams),
    mixing: lender.mixing,
    streams: predictor.streams,
  };
}

/**
 * What a list has by that name; for 'auto' the first entry that runs here.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE with the reason, ERR_OPTIONS if no entry is called so
 */
export async function selectEntry<Thing, Resources>(
  list: readonly Entry<Thing, Resources>[],
  name: string,
  resources: Resources,
): Promise<Thing> {
  if (name !== 'auto') {
    const entry = list.find((e) => e.name === name);
    if (entry) return entry.load(resources);
    const names = ['auto', ...list.map((e) => e.name)].join(', ');
    throw new ShacompError('ERR_OPTIONS', `there is no engine "${name}"; use one of ${names}`);
  }
  for (const entry of list) {
    try {
      return await entry.load(resources);
    } catch (error) {
      // an option out of range is the caller's mistake, not the engine's
      if (!(error instanceof ShacompError) || error.code !== 'ERR_ENGINE_UNAVAILABLE') throw error;
    }
  }
  throw new ShacompError('ERR_ENGINE_UNAVAILABLE', 'no engine runs here');
}

/** Whether the entry of that name has a mark; names that are not in the list have none. */
export const isMarked = (
  list: readonly Entry<Engine>[],
  mark: 'graphics' | 'single',
  name: string,
): boolean => list.some((entry) => entry.name === name && entry[mark] === true);

/** An engine of a list: what it runs on, or in a line why it does not run here. */
export type EngineReport =
  | ({
      name: string;
      available: true;
      detail: string;
      /** In a page: the blocks that `auto` takes it for; undefined for none. */
      auto?: 'all' | 'many streams';
    } & Partial<EngineFacts>)
  | { name: string; available: false; reason: string };

/** Every engine of a list with what it would run on. */
export async function reportEngines(
  list: readonly Entry<Engine>[],
  resources: EngineResources,
): Promise<EngineReport[]> {
  return Promise.all(
    list.map(async ({ name, load, describe }): Promise<EngineReport> => {
      try {
        const { detail, facts } = (await describe?.()) ?? (await load(resources));
        return { name, available: true, detail, ...facts };
      } catch (error) {
        return { name, available: false, reason: (error as Error).message };
      }
    }),
  );
}
