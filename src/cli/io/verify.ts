/** @file Checks that what was written decompresses to what was read. */
import { createHash } from 'node:crypto';
import { type ByteSource, type DecompressOptions, decompressChunks } from '../../index.js';
import { UserError } from '../terminal/messages.js';

/** Length and SHA-256 of bytes that pass. */
export class Tally {
  readonly #hash = createHash('sha256');
  #digest: string | undefined;
  length = 0;

  add(chunk: Uint8Array): void {
    this.length += chunk.length;
    this.#hash.update(chunk);
  }

  /** Hands chunks through and counts them. */
  async *through(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.add(chunk);
      yield chunk;
    }
  }

  /** Adds all chunks. */
  async drain(chunks: AsyncIterable<Uint8Array>): Promise<this> {
    for await (const chunk of chunks) this.add(chunk);
    return this;
  }

  equals(other: Tally): boolean {
    return this.length === other.length && this.#digestOnce() === other.#digestOnce();
  }

  #digestOnce(): string {
    this.#digest ??= this.#hash.digest('hex');
    return this.#digest;
  }
}

const MISMATCH = 'the output does not decompress to the input, so it was not kept; please report this';

/** @throws UserError if `compressed` does not decompress to what `plain` counted */
export async function verifyCompressed(
  compressed: ByteSource,
  plain: Tally,
  options: DecompressOptions,
): Promise<void> {
  const decoded = await new Tally().drain(decompressChunks(compressed, options)).catch(blame);
  if (!decoded.equals(plain)) throw new UserError(MISMATCH);
}

/** @throws UserError if the bytes read back are not those that were written */
export async function verifyWritten(readBack: AsyncIterable<Uint8Array>, written: Tally): Promise<void> {
  if (!(await new Tally().drain(readBack)).equals(written))
    throw new UserError('the file does not hold what was written to it, so it was not kept; check the disk');
}

/**
 * Hands compressed chunks on while they are decompressed: for outputs that cannot be read back. A chunk is
 * handed on once its blocks have been, or, where several are decoded at the same time, have begun to be; the
 * last one when all have. Blocks carry checksums of the original; the end is compared with `plain`.
 * @throws UserError as {@link verifyCompressed}
 */
export async function* verifiedChunks<T extends Uint8Array>(
  compressed: AsyncIterable<T>,
  plain: Tally,
  options: DecompressOptions,
): AsyncGenerator<T> {
  let next: T | undefined;
  let ended = false;
  let wake = () => {};
  let decoded = () => {};
  async function* feed(): AsyncGenerator<Uint8Array> {
    for (;;) {
      // asking for more means that all before has been decoded, or is being decoded in workers
      decoded();
      if (!next && !ended)
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      if (!next) return;
      const chunk = next;
      next = undefined;
      yield chunk;
    }
  }
  const stop = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
  const decoding = new Tally().drain(decompressChunks(feed(), { ...options, signal }));
  decoding.catch(() => {});
  try {
    for await (const chunk of compressed) {
      const done = new Promise<void>((resolve) => {
        decoded = resolve;
      });
      next = chunk;
      wake();
      await Promise.race([done, decoding.catch(blame)]);
      yield chunk;
    }
    ended = true;
    wake();
    if (!(await decoding.catch(blame)).equals(plain)) throw new UserError(MISMATCH);
  } finally {
    // whatever ended this: workers that go on would keep the process
    stop.abort();
  }
}

/** Damage found while verifying is ours, not the user's. */
function blame(error: unknown): never {
  const { code } = error as { code?: string };
  if (
    code !== undefined &&
    ['ERR_CORRUPT', 'ERR_CHECKSUM', 'ERR_TRUNCATED', 'ERR_NOT_SHACOMP'].includes(code)
  )
    throw new UserError(MISMATCH);
  throw error;
}
