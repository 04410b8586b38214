/**
 * @file Memory of the WebAssembly module: an instance and what is allocated in it, for networks, mixing and
 * training.
 */
import { ShacompError } from '../../errors.js';
import { humanBytes } from '../../format-bytes.js';

/** What every instance of the module exports. */
export interface HeapExports {
  memory: WebAssembly.Memory;
  /** where the memory begins that the module does not use itself */
  __heap_base: WebAssembly.Global;
}

const PAGE = 65536;
const ALIGNMENT = 64;
/** Pointers have 32 bits. */
const MOST = 2 ** 32;

/** The next multiple of the alignment of all blocks, in bytes. */
export const aligned = (size: number) => Math.ceil(size / ALIGNMENT) * ALIGNMENT;

interface Gap {
  at: number;
  size: number;
}

/**
 * An instance of the module and the blocks of its memory: the first gap that is large enough is taken, and
 * freed blocks merge with the gaps beside them. WebAssembly memory never shrinks: to give it back, drop the
 * instance.
 */
export class WasmHeap<Exports extends HeapExports> {
  readonly exports: Exports;
  /** Free blocks below `#top`, by address; no two touch, and none touches `#top`. */
  #gaps: Gap[] = [];
  readonly #taken = new Map<number, number>();
  /** End of the last block. */
  #top: number;
  /** From here on the memory is as it was made: zero. */
  #clean: number;
  #used = 0;

  /** @throws ShacompError ERR_MEMORY_LIMIT if there is no memory for another instance */
  constructor(module: WebAssembly.Module) {
    try {
      this.exports = new WebAssembly.Instance(module).exports as unknown as Exports;
    } catch (error) {
      if (error instanceof RangeError) throw noMemory('another WebAssembly instance', error);
      throw error;
    }
    this.#top = aligned(this.exports.__heap_base.value as number);
    this.#clean = this.#top;
  }

  /** Bytes in blocks that are taken. */
  get used(): number {
    return this.#used;
  }

  /** Bytes of the whole memory, which is as large as it ever had to be. */
  get size(): number {
    return this.exports.memory.buffer.byteLength;
  }

  /**
   * A block of at least `size` bytes, aligned to 64; its contents are undefined. May grow the memory, which
   * detaches every view of it.
   * @param what the block is for, for the message
   * @throws ShacompError ERR_MEMORY_LIMIT
   */
  allocate(size: number, what: string): number {
    const rounded = Math.max(ALIGNMENT, aligned(size));
    const gap = this.#gaps.find((free) => free.size >= rounded);
    const at = gap?.at ?? this.#top;
    if (gap) {
      gap.at += rounded;
      gap.size -= rounded;
      if (gap.size === 0) this.#gaps.splice(this.#gaps.indexOf(gap), 1);
    } else {
      this.#grow(at + rounded, `${what} (${humanBytes(size)})`);
      this.#top = at + rounded;
    }
    this.#clean = Math.max(this.#clean, at + rounded);
    this.#taken.set(at, rounded);
    this.#used += rounded;
    return at;
  }

  /** As {@link allocate}, filled with zeros. */
  allocateZeroed(size: number, what: string): number {
    const { at, dirty } = this.allocateDirty(size, what);
    this.bytes(at, dirty).fill(0);
    return at;
  }

  /** As {@link allocate}. The first `dirty` bytes may be anything, the others are zero. */
  allocateDirty(size: number, what: string): { at: number; dirty: number } {
    const before = this.#clean;
    const at = this.allocate(size, what);
    return { at, dirty: Math.max(0, Math.min(aligned(size), before - at)) };
  }

  /** Frees a block. */
  release(at: number): void {
    const size = this.#taken.get(at);
    if (size === undefined) throw new Error(`no block begins at ${at}`);
    this.#taken.delete(at);
    this.#used -= size;
    let start = at;
    let end = at + size;
    const others = this.#gaps.filter((gap) => {
      if (gap.at === end) end += gap.size;
      else if (gap.at + gap.size === start) start = gap.at;
      else return true;
      return false;
    });
    if (end === this.#top) this.#top = start;
    else others.push({ at: start, size: end - start });
    this.#gaps = others.sort((a, b) => a.at - b.at);
  }

  // Views are made anew each time: growing detaches the memory's buffer.
  bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.exports.memory.buffer, at, length);
  }

  #grow(end: number, what: string): void {
    const missing = end - this.size;
    if (missing <= 0) return;
    if (end > MOST) throw noMemory(what);
    try {
      this.exports.memory.grow(Math.ceil(missing / PAGE));
    } catch (error) {
      if (error instanceof RangeError) throw noMemory(what, error);
      throw error;
    }
  }
}

function noMemory(what: string, cause?: unknown): ShacompError {
  return new ShacompError(
    'ERR_MEMORY_LIMIT',
    `WebAssembly has no memory for ${what}: use smaller blocks, fewer streams or the native engine`,
    { cause },
  );
}

/** How long something idle is kept, milliseconds: longer than a run pauses between blocks. */
const IDLE = 1000;

/** Keeps what is not in use for a moment, in case it is wanted again, then gives it back. */
export class Idle<T> {
  #kept: T | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Keeps `value`, instead of what is kept so far. */
  put(value: T): void {
    this.take();
    this.#kept = value;
    this.#timer = setTimeout(() => {
      this.#kept = undefined;
    }, IDLE);
    // nobody waits for it: Node may end; browsers have numbers
    (this.#timer as { unref?(): void }).unref?.();
  }

  /** What is kept, if there is anything; it is kept no longer. */
  take(): T | undefined {
    clearTimeout(this.#timer);
    const value = this.#kept;
    this.#kept = undefined;
    return value;
  }
}
