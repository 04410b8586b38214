/** @file What codes the bytes of a block once they are predicted: one interface for every block mode. */
import type { Network } from '../../engines/engine.js';
import { ShacompError } from '../../errors.js';

/**
 * Codes a block's bytes ("symbols") in their coding order: step by step, and inside a step stream by stream,
 * so that the i-th symbol of a block of S streams belongs to stream i mod S.
 */
export interface SymbolEncoder extends SymbolSink, Preparable {
  /** Bytes of payload so far, give or take the end of the code. */
  readonly length: number;
  /** The whole payload; undefined if it is longer than the block. The encoder must not be used afterwards. */
  finish(): Uint8Array | undefined;
  /** Frees what the garbage collector does not. */
  close?(): void;
}

/** Has memory that takes time to get ready. */
export interface Preparable {
  /**
   * Readies a piece of the memory, some milliseconds of work. To be called before the first symbol until all
   * is ready.
   * @returns whether all is ready
   */
  prepare?(): boolean;
}

/**
 * Takes symbols in coding order with what the network predicted: an encoder, or a measure of what they cost.
 */
export interface SymbolSink {
  /**
   * @param symbols the next symbols in coding order; whole steps, except at the end of the block.
   * @param frequencies the network's prediction, symbols.length x 256; undefined in modes without a network.
   */
  encode(symbols: Uint8Array, frequencies?: Uint32Array): void;
  /**
   * Has `network` predict and encodes what it predicts, both at the same time; same bits as `network.run` and
   * `encode`.
   * @param rows the network's first input, a byte per stream, and behind it the next symbols
   * @param count how many symbols; whole steps, except at the end of the block
   * @param frequencies room for the network's prediction of one step or more
   * @returns false, and nothing is done, where coder and network cannot work together
   */
  encodeSteps?(network: Network, rows: Uint8Array, count: number, frequencies: Uint32Array): boolean;
}

/** The inverse of {@link SymbolEncoder}. Safe on any payload: wrong symbols or ERR_CORRUPT, nothing else. */
export interface SymbolDecoder extends Preparable {
  /** Bytes of payload used so far. */
  readonly position: number;
  /**
   * Decodes the next `count` symbols, one step at a time, into the front of `symbols`.
   * @throws ShacompError ERR_CORRUPT
   */
  decode(symbols: Uint8Array, count: number, frequencies?: Uint32Array): void;
  /**
   * The inverse of {@link SymbolEncoder.encodeSteps}: writes the symbols into `rows`.
   * @throws ShacompError ERR_CORRUPT
   */
  decodeSteps?(network: Network, rows: Uint8Array, count: number, frequencies: Uint32Array): boolean;
  /**
   * @throws ShacompError ERR_CORRUPT unless the payload is exactly what an encoder makes of what was decoded.
   */
  finish(): void;
  /** Frees what the garbage collector does not. */
  close?(): void;
}

/** What a decoder throws whose payload no encoder has written. */
export const damagedBlock = () =>
  new ShacompError('ERR_CORRUPT', 'a block of the compressed data is damaged');
