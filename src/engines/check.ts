/** @file What every engine asks of its arguments before memory outside JavaScript is touched. */
import { ShacompError } from '../errors.js';
import { SYMBOLS } from '../model/architecture.js';

/** More streams than any file has: keeps sizes far from overflow. */
const MAX_STREAMS = 65536;

export function checkStreams(streams: number): void {
  if (!Number.isInteger(streams) || streams < 1 || streams > MAX_STREAMS)
    throw new ShacompError(
      'ERR_OPTIONS',
      `streams must be a whole number from 1 to ${MAX_STREAMS}, not ${streams}`,
    );
}

/** @throws ShacompError ERR_OPTIONS if the arrays are others or too short for `steps` steps of `streams` streams */
export function checkRun(streams: number, bytes: Uint8Array, steps: number, frequencies: Uint32Array): void {
  // callers without types: the addon would take any object's memory for theirs
  if (!(bytes instanceof Uint8Array) || !(frequencies instanceof Uint32Array))
    throw new ShacompError(
      'ERR_OPTIONS',
      'a network takes its bytes as a Uint8Array, frequencies as a Uint32Array',
    );
  if (!Number.isInteger(steps) || steps < 0 || bytes.length < steps * streams)
    throw new ShacompError(
      'ERR_OPTIONS',
      `${bytes.length} bytes are too few for ${steps} steps of ${streams} streams`,
    );
  if (frequencies.length < steps * streams * SYMBOLS)
    throw new ShacompError('ERR_OPTIONS', `${frequencies.length} frequencies are too few for ${steps} steps`);
}
