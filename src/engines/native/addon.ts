/** @file Loads the native addon (cpp/bindings/node), the C++ of the engine and of the trainer. */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { engineUnavailable } from '../check.js';
import { withTypedErrors } from './errors.js';

/**
 * "linux-x64", "linux-x64-musl", "darwin-arm64", …: must equal prebuildName() in scripts/build-native.mjs.
 */
function prebuildName(): string {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  const musl = process.platform === 'linux' && !report?.header?.glibcVersionRuntime;
  return `${process.platform}-${process.arch}${musl ? '-musl' : ''}`;
}

/** This machine's addon within the package. */
export const nativeAddonName = (): string => `prebuilds/${prebuildName()}/shacomp.node`;

/**
 * Where this machine's addon lies, built or not: in src/ as in dist/, this file is three levels below the
 * package.
 */
export const nativeAddonPath = (): string =>
  fileURLToPath(new URL(`../../../${nativeAddonName()}`, import.meta.url));

/** Once it is loaded. That it failed is not remembered: the next attempt may succeed. */
let loaded: unknown;

function load(): unknown {
  try {
    return withTypedErrors(createRequire(import.meta.url)(nativeAddonPath()));
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
    const [line] = String((error as Error).message).split('\n');
    const reason = missing ? `${nativeAddonName()} is not there` : line;
    throw engineUnavailable('native', reason, error);
  }
}

/**
 * The addon's exports, as the part of the program sees them that calls it.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE with the reason
 */
export function nativeAddon<T>(): T {
  loaded ??= load();
  return loaded as T;
}
