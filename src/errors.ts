/** @file The one error type that the library throws on purpose. */

/** What went wrong, for programs, with its meaning for people. The error's message has the details. */
export const ERROR_CODES = {
  ERR_NOT_SHACOMP: 'the input does not start as shacomp data does',
  ERR_UNSUPPORTED_VERSION: 'made by another version of shacomp, or damaged where the version stands',
  ERR_TRUNCATED: 'the input ends too early',
  ERR_CORRUPT: 'the input is damaged: fields contradict each other, or something else follows the end',
  ERR_CHECKSUM: 'the input is damaged: the decoded bytes are not those that were compressed',
  ERR_MODEL_NOT_FOUND: 'the model that is needed or was named is not here',
  ERR_MODEL_INVALID: 'the file is not a usable model',
  ERR_MEMORY_LIMIT: 'more memory is needed than memoryLimit allows or the machine has',
  ERR_OUTPUT_TOO_LARGE: 'there are more decompressed bytes than maxOutputLength allows',
  ERR_ENGINE_UNAVAILABLE: 'the engine that was asked for does not run here',
  ERR_CHECKPOINT_INVALID: 'the safetensors file is not a checkpoint of the network',
  ERR_TRAINING_DIVERGED: 'the loss of a training run is no longer a number',
  ERR_OPTIONS: 'an argument or option has the wrong type or is out of range',
  ERR_FILE: 'the file system refused: no such file, no permission, no space',
} as const;

/** A code of {@link ERROR_CODES}. */
export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * An error with a stable `code`, whose meaning {@link ERROR_CODES} says. The message is one line: what is
 * wrong and what to do.
 */
export class ShacompError extends Error {
  override readonly name = 'ShacompError';
  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
