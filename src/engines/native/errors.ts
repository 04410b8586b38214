/** @file Errors of the addon, which cannot make the library's own. */
import { type ErrorCode, ShacompError } from '../../errors.js';

/** The codes that cpp/bindings/node gives its errors. */
const ADDON_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'ERR_ENGINE_UNAVAILABLE',
  'ERR_MEMORY_LIMIT',
  'ERR_OPTIONS',
]);

type Exports = Record<string, (...parameters: unknown[]) => unknown>;

/** An error of the addon with one of its codes as a ShacompError; any other as it is. */
export function typedError(error: unknown): unknown {
  const { code, message } = (error ?? {}) as { code?: ErrorCode; message: string };
  return code && ADDON_CODES.has(code) ? new ShacompError(code, message, { cause: error }) : error;
}

/**
 * The addon's functions, so that an error with one of its codes is a ShacompError. Any other is thrown as it
 * is.
 */
export function withTypedErrors(addon: Exports): Exports {
  const typed =
    (call: Exports[string]): Exports[string] =>
    (...parameters) => {
      try {
        return call(...parameters);
      } catch (error) {
        throw typedError(error);
      }
    };
  return Object.fromEntries(Object.entries(addon).map(([name, call]) => [name, typed(call)]));
}
