/** @file What the codec takes from the platform that it runs on: Node has files and an addon, a page has neither. */
import type { Engine } from '../engines/engine.js';
import { ShacompError } from '../errors.js';
import type { Model } from '../model/model.js';
import { type Bytes, bytesOf, kindOf } from './bytes.js';

/** The model that is loaded where none is named. */
export const DEFAULT_MODEL = 'lite';

/** What names a model: a name or the path of a file, a file URL, the bytes of a `.sharnn` file, or a loaded model. */
export type ModelSource = string | URL | Bytes | Model;

/** @throws ShacompError ERR_OPTIONS unless a model can be named so */
export function checkModelSource(source: unknown): void {
  const named = typeof source === 'string' || source instanceof URL || bytesOf(source) !== undefined;
  const parsed = typeof source === 'object' && source !== null && 'id' in source && 'architecture' in source;
  if (!named && !parsed)
    throw new ShacompError(
      'ERR_OPTIONS',
      `model must be a name, a path, a file URL, the bytes of a model file or a loaded model, not ${kindOf(source)}`,
    );
}

export interface Platform {
  /** CRC-32 as `src/crc32.ts` computes it, where the platform has a faster one. */
  readonly crc32?: (bytes: Uint8Array, previous: number) => number;
  /**
   * The engine of that name; 'auto' is the platform's choice.
   * @throws ShacompError ERR_ENGINE_UNAVAILABLE, ERR_OPTIONS
   */
  selectEngine(name: string, options: { threads?: number }): Promise<Engine>;
  /**
   * A model; the default one where no source is given.
   * @throws ShacompError ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_UNSUPPORTED_VERSION, ERR_FILE
   */
  loadModel(source?: ModelSource): Promise<Model>;
  /**
   * The model whose id begins with these bytes, if it is the given one or one that the platform has.
   * @throws ShacompError ERR_MODEL_NOT_FOUND; and for the given one, as `loadModel`
   */
  findModel(prefix: Uint8Array, given?: ModelSource): Promise<Model>;
}
