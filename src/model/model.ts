/** @file What users of the library see of a model. Its weights are `IntegerModel`'s, in `sharnn.ts`. */
import type { Architecture } from './architecture.js';

declare const loaded: unique symbol;

/**
 * A model that was loaded: to be handed to the codec. Only the library makes one, of the bytes of a `.sharnn`
 * file.
 */
export interface Model {
  /** as its file says */
  readonly name: string;
  readonly architecture: Readonly<Architecture>;
  /** SHA-256 of its file: what a `.sha` file names its model by */
  readonly id: Uint8Array<ArrayBuffer>;
  /** not there: it keeps other objects from passing for models */
  readonly [loaded]: true;
}
