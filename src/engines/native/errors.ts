/** @file Errors of the addon, which cannot make the library's own. */
import { type ErrorCode, ShacompError } from '../../errors.js';

/**
 * Calls the addon.
 * @throws ShacompError what the addon throws with one of its codes (cpp/bindings/node); anything else as it is
 */
export function typed<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    const { code, message } = error as { code?: unknown; message: string };
    const ours = error instanceof Error && typeof code === 'string' && ADDON_CODES.has(code);
    throw ours ? new ShacompError(code as ErrorCode, message, { cause: error }) : error;
  }
}

const ADDON_CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'ERR_ENGINE_UNAVAILABLE',
  'ERR_MEMORY_LIMIT',
  'ERR_OPTIONS',
]);
