/** @file What the codec takes from the platform that it runs on: Node has files and an addon, a page has neither. */
import type { Engine } from '../engines/engine.js';
import type { IntegerModel } from '../model/sharnn.js';

/** What names a model: a name or the path of a file, a file URL, the bytes of a `.sharnn` file, or a parsed model. */
export type ModelSource = string | URL | Uint8Array | IntegerModel;

export interface Platform {
  /**
   * The engine of that name; 'auto' is the platform's choice.
   * @throws ShacompError ERR_ENGINE_UNAVAILABLE, ERR_OPTIONS
   */
  selectEngine(name: string, options: { threads?: number }): Promise<Engine>;
  /**
   * A model; the default one where no source is given.
   * @throws ShacompError ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_UNSUPPORTED_VERSION, ERR_FILE
   */
  loadModel(source?: ModelSource): Promise<IntegerModel>;
  /**
   * The model whose id begins with these bytes, if it is the given one or one that the platform has.
   * @throws ShacompError ERR_MODEL_NOT_FOUND; and for the given one, as `loadModel`
   */
  findModel(prefix: Uint8Array, given?: ModelSource): Promise<IntegerModel>;
}
