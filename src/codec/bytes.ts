/** @file Joins byte arrays. */

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Parts up to this size are copied together. */
const SMALL = 65536;

/**
 * Gathers arrays to be joined in the end, so that many small ones cost no more memory than their bytes. Large ones are
 * kept, not copied: they must not change.
 */
export class Gathering {
  readonly #parts: Uint8Array<ArrayBuffer>[] = [];
  /** Where small arrays go, and how far it is filled; empty unless the last part was small. */
  #tail = new Uint8Array(0);
  #filled = 0;
  #length = 0;

  /** Bytes gathered. */
  get length(): number {
    return this.#length;
  }

  add(bytes: Uint8Array<ArrayBuffer>): void {
    this.#length += bytes.length;
    if (this.#filled + bytes.length > this.#tail.length) {
      this.#endTail();
      if (bytes.length >= SMALL || this.#length === bytes.length) {
        this.#parts.push(bytes);
        return;
      }
      this.#tail = new Uint8Array(SMALL);
    }
    this.#tail.set(bytes, this.#filled);
    this.#filled += bytes.length;
  }

  /** All of it; the array itself if there was one. Nothing can be added afterwards. */
  join(): Uint8Array<ArrayBuffer> {
    this.#endTail();
    const [first] = this.#parts;
    const whole = this.#parts.length === 1 && first.length === first.buffer.byteLength;
    return whole ? first : concat(this.#parts);
  }

  #endTail(): void {
    if (this.#filled > 0) this.#parts.push(this.#tail.subarray(0, this.#filled));
    this.#tail = new Uint8Array(0);
    this.#filled = 0;
  }
}
