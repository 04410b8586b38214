/** @file Reads exact numbers of bytes from a stream of chunks of any size. */
import { ShacompError } from '../../errors.js';
import { type Bytes, bytesOf, changedInput, kindOf, requireBytes } from '../bytes.js';

/** What the codec reads: bytes, or chunks of them, all at once or as they come. */
export type ByteSource = Bytes | Iterable<Bytes> | AsyncIterable<Bytes>;

/**
 * A mark in what is compressed: a block ends here, so that everything before it can be decompressed from what
 * has come out. Blocks that end early cost some 15 bytes each and compress less.
 */
export const FLUSH: unique symbol = Symbol.for('shacomp.flush');

/** A source whose reader can be told to end a block, by {@link FLUSH} in the place of a chunk. */
export type FlushableSource = Bytes | Iterable<Bytes | typeof FLUSH> | AsyncIterable<Bytes | typeof FLUSH>;

export interface ReaderOptions {
  /** Ends the wait for a chunk. */
  signal?: AbortSignal;
  /** Whether the source may have {@link FLUSH} in it. */
  flushes?: boolean;
}

type Chunks = AsyncIterator<unknown> | Iterator<unknown>;

/** @throws ShacompError ERR_OPTIONS */
function chunksOf(source: unknown): Chunks {
  const bytes = bytesOf(source);
  if (bytes) return [bytes][Symbol.iterator]();
  if (typeof source === 'object' && source !== null) {
    const { [Symbol.asyncIterator]: later, [Symbol.iterator]: now } = source as Partial<
      AsyncIterable<unknown> & Iterable<unknown>
    >;
    if (typeof later === 'function') return later.call(source);
    if (typeof now === 'function') return now.call(source);
  }
  throw new ShacompError(
    'ERR_OPTIONS',
    `the input must be bytes, or an iterable or stream of them, not ${kindOf(source)}`,
  );
}

export class ByteReader {
  readonly #chunks: Chunks;
  readonly #options: ReaderOptions;
  #chunk: Uint8Array = new Uint8Array(0);
  /** Bytes that the chunk had when it came. */
  #end = 0;
  #at = 0;
  #offset = 0;
  /** Whether a {@link FLUSH} comes next. */
  #marked = false;
  /** Whether the source still owes a chunk that nobody waits for any more. */
  #abandoned = false;

  /** @throws ShacompError ERR_OPTIONS for a source that is none */
  constructor(source: FlushableSource, options: ReaderOptions = {}) {
    this.#chunks = chunksOf(source);
    this.#options = options;
  }

  /** Bytes read so far. */
  get offset(): number {
    return this.#offset;
  }

  /**
   * Whether nothing is left. May wait for the next chunk.
   * @throws ShacompError ERR_OPTIONS for a chunk that is not bytes, or whose buffer was resized or
   * transferred since; the signal's reason
   */
  async atEnd(): Promise<boolean> {
    return !(await this.#more()) && !this.#marked;
  }

  /** Whether a mark came next; it is passed then. */
  takeMark(): boolean {
    const marked = this.#marked;
    this.#marked = false;
    return marked;
  }

  /** Whether there are bytes before the end or a mark. */
  async #more(): Promise<boolean> {
    while (this.#at >= this.#end) {
      if (this.#marked) return false;
      const next = await this.#wait(this.#chunks.next());
      if (next.done) return false;
      if (next.value === FLUSH && this.#options.flushes) {
        this.#marked = true;
        return false;
      }
      this.#chunk = requireBytes('each chunk of the input', next.value);
      this.#end = this.#chunk.length;
      this.#at = 0;
    }
    if (this.#chunk.length !== this.#end) throw changedInput();
    return true;
  }

  /** What the source gives; the signal's reason if that comes first. */
  async #wait(next: PromiseLike<IteratorResult<unknown>> | IteratorResult<unknown>) {
    const { signal } = this.#options;
    if (!signal || !('then' in next)) return next;
    return new Promise<IteratorResult<unknown>>((resolve, reject) => {
      const abort = () => {
        this.#abandoned = true;
        reject(signal.reason);
      };
      const settled = () => signal.removeEventListener('abort', abort);
      signal.addEventListener('abort', abort);
      if (signal.aborted) abort();
      next.then(resolve, reject).then(settled);
    });
  }

  /**
   * The next `length` bytes, fewer only at the end of the source or a mark; a copy, because the source may
   * use its buffer again. Memory grows with the bytes that are there, however small the chunks: at most three
   * times as many for a moment.
   * @param allow called before that many bytes of memory are taken; may throw
   */
  async read(length: number, allow?: (bytes: number) => void): Promise<Uint8Array<ArrayBuffer>> {
    let bytes = new Uint8Array(0);
    let filled = 0;
    while (filled < length && (await this.#more())) {
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
    if (!(await this.#more())) throw truncated();
    this.#offset++;
    return this.#chunk[this.#at++];
  }

  /** Reads past `length` bytes without keeping them. @throws ShacompError ERR_TRUNCATED */
  async skip(length: number): Promise<void> {
    for (let missing = length; missing > 0; ) {
      if (!(await this.#more())) throw truncated();
      const step = Math.min(missing, this.#end - this.#at);
      this.#at += step;
      this.#offset += step;
      missing -= step;
    }
  }

  /**
   * Passes over zero bytes, up to the first other one or the end.
   * @param pause called after each piece; gives a promise to await, if it is time
   */
  async skipZeros(pause: () => Promise<void> | undefined): Promise<void> {
    while (await this.#more()) {
      const piece = this.#chunk.subarray(this.#at, Math.min(this.#end, this.#at + 2 ** 20));
      let zeros = 0;
      while (zeros < piece.length && piece[zeros] === 0) zeros++;
      this.#at += zeros;
      this.#offset += zeros;
      if (zeros < piece.length) return;
      await pause();
    }
  }

  /**
   * Tells the source that no more will be read. Waits for its answer, unless the source lets us wait already.
   */
  async close(): Promise<void> {
    const closed = this.#chunks.return?.();
    if (this.#abandoned) Promise.resolve(closed).catch(() => {});
    else await closed;
  }
}

const truncated = () =>
  new ShacompError('ERR_TRUNCATED', 'the compressed data ends too early: the file is incomplete');
