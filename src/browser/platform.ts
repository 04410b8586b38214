/** @file The platform of a page: engines that run anywhere, models by URL. */
import type { Platform } from '../codec/platform.js';
import { selectEngine } from './engines.js';
import { findModel, loadModel } from './models.js';

/** A page, or a worker of one. */
export const BROWSER: Platform = { selectEngine, loadModel, findModel };
