/**
 * @file Bytes to a regular file so that zeros take no space where the file system can have holes: as zstd and
 * xz do.
 */
import type { FileHandle } from 'node:fs/promises';
import { writeFully } from './write-fully.js';

/** Bytes of a hole, at least, and what it is aligned to: the block of most file systems. */
const PAGE = 4096;
const ZEROS = Buffer.alloc(PAGE);

/** Writes a new file from its beginning on, and leaves out pages of zeros. */
export class SparseWriter {
  readonly #handle: FileHandle;
  /** bytes so far, and where the last ones end that were not left out */
  #length = 0;
  #written = 0;

  /** @param handle of an empty file */
  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** Adds bytes at the end. @throws system errors */
  async write(bytes: Uint8Array): Promise<void> {
    const { length } = bytes;
    for (let at = 0; at < length; ) {
      const [from, zero] = [at, this.#isZero(bytes, at)];
      do at = this.#pageEnd(at, length);
      while (at < length && this.#isZero(bytes, at) === zero);
      if (zero) continue;
      await writeFully(this.#handle.fd, bytes.subarray(from, at), this.#length + from);
      this.#written = this.#length + at;
    }
    this.#length += length;
  }

  /** Gives the file its length, if it ends with a hole. @throws system errors */
  async finish(): Promise<void> {
    if (this.#written < this.#length) await this.#handle.truncate(this.#length);
    this.#written = this.#length;
  }

  /** Where the page of the file ends that byte `at` of what is written now belongs to. */
  #pageEnd(at: number, length: number): number {
    return Math.min(length, at + PAGE - ((this.#length + at) % PAGE));
  }

  #isZero(bytes: Uint8Array, at: number): boolean {
    const page = bytes.subarray(at, this.#pageEnd(at, bytes.length));
    return Buffer.compare(page, ZEROS.subarray(0, page.length)) === 0;
  }
}
