/** @file What the codec is given in Node. */
import * as zlib from 'node:zlib';
import type { Platform } from '../codec/platform.js';
import { selectEngine } from './engines.js';
import { findModel, loadModel } from './models.js';

/** Node, for the threads that code blocks. `crc32` is there since 20.15. */
export const NODE: Platform = {
  crc32: (zlib as { crc32?: (bytes: Uint8Array, previous: number) => number }).crc32,
  selectEngine,
  loadModel,
  findModel,
};
