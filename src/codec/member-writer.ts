/** @file Writes a member of a `.sha` file: which records stand before a block, and in which order. */
import type { Model } from '../model/model.js';
import { codedMode } from './block/modes.js';
import { concat } from './bytes.js';
import {
  blockHeader,
  blockTrailer,
  endRecord,
  lengthRecord,
  memberHeader,
  modelRecord,
  windowRecord,
} from './container/container.js';
import { copiesRecord } from './container/copies.js';
import type { Cut } from './cutter.js';
import type { BlockResult } from './platform.js';

/** A block on its way. */
export interface Part extends Cut {
  /** undefined if it is stored */
  coded?: NonNullable<BlockResult>;
}

export class MemberWriter {
  readonly #window: number;
  readonly #parts: Uint8Array[] = [memberHeader()];
  #blocks = 0;
  #modelWritten = false;

  /** @param length of the input, where a record is to say it */
  constructor(window: number, length?: number) {
    this.#window = window;
    if (length !== undefined) this.#parts.push(lengthRecord(length));
  }

  /** Adds a block and what stands before it; without a block, the end. @param model that blocks may need */
  add({ last, sum, block, coded }: Part, model: Model | undefined): void {
    const parts = this.#parts;
    if (!block) {
      parts.push(endRecord(this.#blocks > 0));
      return;
    }
    const { literals, copies, before, length: expanded } = block;
    const { length } = literals;
    // needed if there are copies, and while it is not known whether there will be
    if (this.#blocks === 0 && this.#window > 0 && (!last || copies.length > 0))
      parts.push(windowRecord(last ? expanded : this.#window));
    this.#blocks++;
    if (coded && codedMode(coded.mode).network && model && !this.#modelWritten) {
      parts.push(modelRecord(model.id));
      this.#modelWritten = true;
    }
    if (copies.length > 0) parts.push(copiesRecord(copies, before));
    const { mode, streams, bytes } = coded ?? { mode: 'stored' as const, streams: 0, bytes: literals };
    parts.push(blockHeader({ mode, length, codedLength: bytes.length, streams, last }), bytes);
    parts.push(blockTrailer(sum));
  }

  /** The bytes of what was added since the last time. */
  take(): Uint8Array<ArrayBuffer> {
    return concat(this.#parts.splice(0));
  }
}
