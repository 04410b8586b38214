/** @file Errors of the file system in words: the same ones wherever a file is read or written. */
import { getSystemErrorMap } from 'node:util';
import { ShacompError } from '../errors.js';

/**
 * What a system error says, without code, call and path: "no such file or directory"; undefined for any other
 * error.
 */
export function systemReason(error: unknown): string | undefined {
  const errno = (error as NodeJS.ErrnoException | undefined)?.errno;
  return typeof errno === 'number' ? getSystemErrorMap().get(errno)?.[1] : undefined;
}

/** An ERR_FILE about a file: "texts/a: permission denied". */
export function fileError(path: string, error: unknown): ShacompError {
  const reason = systemReason(error) ?? (error instanceof Error ? error.message : String(error));
  return new ShacompError('ERR_FILE', `${path}: ${reason}`, { cause: error });
}
