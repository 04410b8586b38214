/** @file Reads exact numbers of bytes from a stream of chunks of any size. */
import { ShacompError } from '../../errors.js';

/** What the codec reads: chunks of bytes, all at once or as they come. */
export type ByteSource = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

export class ByteReader {
  readonly #chunks: AsyncIterator<Uint8Array> | Iterator<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);
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

  /** Whether nothing is left. May wait for the next chunk. */
  async atEnd(): Promise<boolean> {
    while (this.#at === this.#chunk.length) {
      const next = await this.#chunks.next();
      if (next.done) return true;
      if (!(next.value instanceof Uint8Array))
        throw new ShacompError(
          'ERR_OPTIONS',
          'input chunks must be Uint8Arrays (set no encoding on the stream)',
        );
      this.#chunk = next.value;
      this.#at = 0;
    }
    return false;
  }

  /** The next `length` bytes, fewer only at the end of the source. Allocates only for bytes that are there. */
  async read(length: number): Promise<Uint8Array<ArrayBuffer>> {
    const parts: Uint8Array[] = [];
    let missing = length;
    while (missing > 0 && !(await this.atEnd())) {
      const part = this.#chunk.subarray(this.#at, this.#at + missing);
      this.#at += part.length;
      this.#offset += part.length;
      missing -= part.length;
      // copied because the source may use its buffer again, unless all comes from one chunk; slice() of a Buffer is a view
      parts.push(missing > 0 ? new Uint8Array(part) : part);
    }
    if (parts.length === 1) return new Uint8Array(parts[0]);
    const bytes = new Uint8Array(length - missing);
    let at = 0;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
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
      const step = Math.min(missing, this.#chunk.length - this.#at);
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

const truncated = () =>
  new ShacompError('ERR_TRUNCATED', 'the compressed data ends too early: the file is incomplete');
