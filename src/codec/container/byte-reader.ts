/** @file Reads exact numbers of bytes from a stream of chunks of any size. */
import { ShacompError } from '../../errors.js';

/** What the codec reads: chunks of bytes, all at once or as they come. */
export type ByteSource = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
  /** Bytes that the chunk had when it came. */
  #end = 0;
  #at = 0;
  #offset = 0;

  constructor(source: ByteSource) {
    this.#chunks =
      Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]();
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#offset;
  }

  /**
   * Whether nothing is left. May wait for the next chunk.
   * @throws ShacompError ERR_OPTIONS for a chunk that is not bytes, or whose buffer was resized or transferred since
   */
  async atEnd(): Promise<boolean> {
    while (this.#at >= this.#end) {
      const next = await this.#chunks.next();
      if (next.done) return true;
      if (!(next.value instanceof Uint8Array))
        throw new ShacompError(
          'ERR_OPTIONS',
          'input chunks must be Uint8Arrays (set no encoding on the stream)',
        );
      this.#chunk = next.value;
      this.#end = next.value.length;
      this.#at = 0;
      if (this.#end === 0 && isGone(next.value)) throw changed();
    }
    if (this.#chunk.length !== this.#end) throw changed();
    return false;
  }

  /**
   * The next `length` bytes, fewer only at the end of the source; a copy, because the source may use its buffer again.
   * Memory grows with the bytes that are there, however small the chunks: at most three times as many for a moment.
   * @param allow called before that many bytes of memory are taken; may throw
   */
  async read(length: number, allow?: (bytes: number) => void): Promise<Uint8Array<ArrayBuffer>> {
    let bytes = new Uint8Array(0);
    let filled = 0;
    while (filled < length && !(await this.atEnd())) {
      const part = this.#chunk.subarray(this.#at, Math.min(this.#end, this.#at + length - filled));
      if (filled + part.length > bytes.length) {
        const size = Math.min(length, Math.max(filled + part.length, 2 * bytes.length));
        allow?.(bytes.length + size);
        const larger = new Uint8Array(size);
        larger.set(bytes.subarray(0, filled));
        bytes = larger;
      }
      bytes.set(part, filled);
      filled += part.length;
      this.#at += part.length;
      this.#offset += part.length;
    }
    return filled < bytes.length ? bytes.slice(0, filled) : bytes;
  }

  /** Exactly `length` bytes. @throws ShacompError ERR_TRUNCATED */
  async exactly(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = await this.read(length);
    if (bytes.length < length) throw truncated();
    return bytes;
  }

  /** One byte. @throws ShacompError ERR_TRUNCATED */
  async byte(): Promise<number> {
    if (await this.atEnd()) throw truncated();
    this.#offset++;
    return this.#chunk[this.#at++];
  }

  /** Reads past `length` bytes without keeping them. @throws ShacompError ERR_TRUNCATED */
  async skip(length: number): Promise<void> {
    for (let missing = length; missing > 0; ) {
      if (await this.atEnd()) throw truncated();
      const step = Math.min(missing, this.#end - this.#at);
      this.#at += step;
      this.#offset += step;
      missing -= step;
    }
  }

  /** Tells the source that no more will be read. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

/** Whether an array's buffer was transferred, or cut before the array's begin: it only looks empty. */
function isGone(array: Uint8Array): boolean {
  try {
    array.at(0);
    return false;
  } catch {
    return true;
  }
}

const changed = () =>
  new ShacompError(
    'ERR_OPTIONS',
    'the input was resized or transferred before it was read: give a copy of it',
  );
const truncated = () =>
  new ShacompError('ERR_TRUNCATED', 'the compressed data ends too early: the file is incomplete');
