/** @file The one error type that the library throws on purpose. */

/** What went wrong, for programs. The message says it for people, in one line, with what to do about it. */
export type ErrorCode =
  | 'ERR_NOT_SHACOMP' // input does not start with the magic number
  | 'ERR_UNSUPPORTED_VERSION' // made by another format version, or reserved bits set
  | 'ERR_TRUNCATED' // input ends too early
  | 'ERR_CORRUPT' // contradictory fields, trailing bytes, or garbage in a block
  | 'ERR_CHECKSUM' // decoded bytes are not those that were compressed
  | 'ERR_MODEL_NOT_FOUND' // the file needs a model that is not here
  | 'ERR_MODEL_INVALID' // a model file that cannot be used
  | 'ERR_MEMORY_LIMIT' // would need more memory than allowed
  | 'ERR_OUTPUT_TOO_LARGE' // longer than maxOutputLength
  | 'ERR_ENGINE_UNAVAILABLE' // the engine asked for does not run here
  | 'ERR_CHECKPOINT_INVALID' // a safetensors file that is not a SHA-RNN checkpoint
  | 'ERR_TRAINING_DIVERGED' // the loss of a training run is no longer a number
  | 'ERR_OPTIONS' // an option out of range
  | 'ERR_FILE'; // the file system said no

/** An error with a stable `code`; the message is one line. */
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
