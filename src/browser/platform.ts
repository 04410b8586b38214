/** @file The platform of a page: engines that run anywhere, models by URL. */
import type { Platform } from '../codec/platform.js';
import {
  ENGINES,
  type EngineReport,
  type EngineResources,
  reportEngines,
  selectEntry,
} from '../engines/list.js';
import { findModel, loadModel } from './models.js';
import { wasmModule } from './wasm-module.js';

const resources = ({ threads }: { threads?: number }): EngineResources => ({ threads, wasm: wasmModule });

/** A page. */
export const BROWSER: Platform = {
  selectEngine: (name, options) => selectEntry(ENGINES, name, resources(options)),
  loadModel,
  findModel,
};

/** Every engine, fastest first, with what it would run on here or why it does not. */
export const engines = (): Promise<EngineReport[]> => reportEngines(ENGINES, resources({}));
