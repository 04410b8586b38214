/** @file Bytes in the forms that JavaScript has for them. */
import { ShacompError } from '../errors.js';
import type { Pauses } from './event-loop.js';

/**
 * Bytes: a Uint8Array (a Buffer is one), any other view of a buffer, such as a DataView, or a whole
 * ArrayBuffer.
 */
export type Bytes = ArrayBufferView | ArrayBufferLike;

/**
 * Bytes as a Uint8Array that shares their memory; undefined for anything else. @throws ShacompError
 * ERR_OPTIONS if they are gone
 */
export function bytesOf(value: unknown): Uint8Array | undefined {
  const view = ArrayBuffer.isView(value);
  // not by instanceof: buffers of other realms (node:vm, test runners) are none of ours
  if (!view && !isBuffer(value)) return undefined;
  try {
    const bytes = !view
      ? new Uint8Array(value)
      : value instanceof Uint8Array
        ? value
        : new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    // throws for a buffer that was transferred or cut before the view's begin: it only looks empty
    if (bytes.length === 0 && 'at' in (value as object)) (value as Uint8Array).at(0);
    return bytes;
  } catch {
    throw changedInput();
  }
}

const isBuffer = (value: unknown): value is ArrayBufferLike =>
  ['[object ArrayBuffer]', '[object SharedArrayBuffer]'].includes(Object.prototype.toString.call(value));

/** Bytes that are alone in their buffer: sending a view to a worker sends all that it is a view of. */
export const compact = (bytes: Uint8Array): Uint8Array =>
  bytes.byteLength < bytes.buffer.byteLength ? new Uint8Array(bytes) : bytes;

/** Bytes as a Uint8Array. @throws ShacompError ERR_OPTIONS for anything else */
export function requireBytes(name: string, value: unknown): Uint8Array {
  const bytes = bytesOf(value);
  if (bytes) return bytes;
  throw new ShacompError(
    'ERR_OPTIONS',
    `${name} must be bytes (Uint8Array, ArrayBuffer or DataView), not ${kindOf(value)}`,
  );
}

/** What a value of the wrong type is, for messages: "a string", "an array". */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  const type = typeof value;
  return `${type === 'object' ? 'an' : 'a'} ${type}`;
}

/** Bytes whose memory changed hands before they were read. */
export const changedInput = () =>
  new ShacompError(
    'ERR_OPTIONS',
    'the input was resized or transferred before it was read: give a copy of it',
  );

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
 * Gathers arrays to be joined in the end, so that many small ones cost no more memory than their bytes. Large
 * ones are kept, not copied: they must not change.
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

  /**
   * All of it; the array itself if there was one. Nothing can be added afterwards.
   * @throws the reason of the signal that `pauses` watches
   */
  async join(pauses: Pauses): Promise<Uint8Array<ArrayBuffer>> {
    this.#endTail();
    const [first] = this.#parts;
    if (this.#parts.length === 1 && first.length === first.buffer.byteLength) return first;
    const bytes = new Uint8Array(this.#length);
    let at = 0;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += part.length;
      await pauses.take();
    }
    return bytes;
  }

  #endTail(): void {
    if (this.#filled > 0) this.#parts.push(this.#tail.subarray(0, this.#filled));
    this.#tail = new Uint8Array(0);
    this.#filled = 0;
  }
}
