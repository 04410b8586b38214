/** @file What is said and what is decided while a block is being coded. */
import { wholeSteps } from '../event-loop.js';
import { BATCH_SYMBOLS } from './predict.js';

/** What a block coder tells while it works: symbols done and payload bytes written or read. */
export type BlockProgress = (symbols: number, payload: number) => void;

/**
 * Batches after which a block that has grown so far is given up, and again after twice as many: hopeless data
 * costs little time.
 */
const GIVE_UP_AFTER = 16;

/**
 * Looks now and then whether a block grows. At whole batches, always the same ones, so that no engine decides
 * otherwise.
 */
export class Growth {
  /** Symbols after which to look next. */
  next: number;

  constructor(streams: number) {
    this.next = GIVE_UP_AFTER * wholeSteps(BATCH_SYMBOLS, streams);
  }

  /** Whether to give up after `symbols` that have so many bytes of code. */
  hopeless(symbols: number, coded: number): boolean {
    if (symbols < this.next) return false;
    this.next *= 2;
    return coded > symbols;
  }
}
