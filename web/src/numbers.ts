/** @file How numbers read on the page. */
import { humanBytes } from '../../src/format-bytes.js';

export { humanBytes };

export const count = (n: number): string => n.toLocaleString('en');
export const bits = (n: number): string => (n < 10 ? n.toFixed(2) : n < 100 ? n.toFixed(1) : n.toFixed(0));
export const percent = (share: number): string =>
  `${(100 * share).toFixed(share > 0 && share < 0.0995 ? 1 : 0)} %`;
export const perByte = (sum: number | undefined, bytes: number): string =>
  sum === undefined || bytes === 0 ? '–' : (sum / bytes).toFixed(2);
export const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 10_000 ? 1 : 0)} s`;
