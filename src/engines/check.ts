/** @file What every engine refuses, so that all refuse the same with the same words. */
import { ShacompError } from '../errors.js';
import { SYMBOLS } from '../model/architecture.js';
import type { Likeliest } from './engine.js';
import { LIKELIEST } from './profiles.js';

/** More streams than any file has: keeps sizes far from overflow. */
const MAX_STREAMS = 65536;

/** The error of an engine that does not run here. @param engine its name, for people */
export const engineUnavailable = (engine: string, why: string, cause?: unknown) =>
  new ShacompError('ERR_ENGINE_UNAVAILABLE', `the ${engine} engine does not run here: ${why}`, { cause });

const refused = (what: string) => new ShacompError('ERR_OPTIONS', what);

/** @throws ShacompError ERR_OPTIONS */
export function checkStreams(streams: number): void {
  if (!Number.isInteger(streams) || streams < 1 || streams > MAX_STREAMS)
    throw refused(`streams must be a whole number from 1 to ${MAX_STREAMS}, not ${streams}`);
}

/**
 * @throws ShacompError ERR_OPTIONS if the arrays are others or too short for `steps` steps of `streams`
 * streams
 */
export function checkRun(streams: number, bytes: Uint8Array, steps: number, frequencies: Uint32Array): void {
  // callers without types: the addon would take any object's memory for theirs
  if (!(bytes instanceof Uint8Array) || !(frequencies instanceof Uint32Array))
    throw new ShacompError(
      'ERR_OPTIONS',
      'a network takes its bytes as a Uint8Array, frequencies as a Uint32Array',
    );
  if (!Number.isInteger(steps) || steps < 0 || bytes.length < steps * streams)
    throw refused(`${bytes.length} bytes are too few for ${steps} steps of ${streams} streams`);
  if (frequencies.length < steps * streams * SYMBOLS)
    throw refused(`${frequencies.length} frequencies are too few for ${steps} steps`);
}

/** What a network throws that is used after it was closed. */
export const networkClosed = () => refused('the network is closed');

/** @throws ShacompError ERR_OPTIONS if a mixing coder lacks frequencies for `count` symbols */
export function checkFrequencies(count: number, frequencies: Uint32Array | undefined): void {
  if (frequencies && frequencies.length < count * SYMBOLS)
    throw refused('mixing coder: needs 256 frequencies for each byte');
}

/** @throws ShacompError ERR_OPTIONS if there is no room for the odds of the 8 bits of `count` symbols */
export function checkOdds(count: number, odds: Uint16Array | undefined): void {
  if (odds && odds.length < count * 8)
    throw refused('mixing coder: needs room for the odds of 8 bits for each byte');
}

/** @throws ShacompError ERR_OPTIONS if there is no room for the likeliest values of `count` symbols */
export function checkLikeliest(count: number, likeliest: Likeliest | undefined): void {
  const { symbols, chances } = likeliest ?? {};
  if (Math.min(symbols?.length ?? Infinity, chances?.length ?? Infinity) < count * LIKELIEST)
    throw refused('mixing coder: needs room for the likeliest values of each byte');
}

/** @throws ShacompError ERR_OPTIONS unless `count` symbols fit */
export function checkRoom(symbols: Uint8Array, count: number): void {
  if (!Number.isInteger(count) || count < 0 || count > symbols.length)
    throw refused(`mixing coder: there is no room for ${count} bytes`);
}

/** What `mixOpen` throws where `mixBytes` gives 0. */
export const mixingOutOfRange = () =>
  refused('mixing coder: profile, block length or number of streams out of range');

/**
 * What a mixing coder throws that is asked for what it cannot do: closed, of another engine, or not a
 * decoder.
 */
export const notACoder = (needed: 'an open coder' | 'an open decoder') =>
  refused(`mixing coder: needs ${needed} of this engine`);
