/** @file What codes the bytes of a block once the network has spoken: one interface for every block mode. */

/**
 * Codes a block's bytes ("symbols") in their coding order: step by step, and inside a step stream by stream, so that
 * the i-th symbol of a block of S streams belongs to stream i mod S.
 */
export interface SymbolEncoder {
  /** Bytes of payload so far, give or take the end of the code. */
  readonly length: number;
  /**
   * @param symbols the next symbols in coding order; whole steps, except at the end of the block.
   * @param frequencies the network's opinion, symbols.length x 256; undefined in modes without a network.
   */
  encode(symbols: Uint8Array, frequencies?: Uint32Array): void;
  /** The whole payload. The encoder must not be used afterwards. */
  finish(): Uint8Array;
  /** Frees what the garbage collector does not. */
  close?(): void;
}

/** The inverse of {@link SymbolEncoder}. Safe on any payload: wrong symbols or ERR_CORRUPT, nothing else. */
export interface SymbolDecoder {
  /** Bytes of payload used so far. */
  readonly position: number;
  /**
   * Decodes the next `count` symbols, one step at a time, into the front of `symbols`.
   * @throws ShacompError ERR_CORRUPT
   */
  decode(symbols: Uint8Array, count: number, frequencies?: Uint32Array): void;
  /** @throws ShacompError ERR_CORRUPT if the payload does not end here. */
  finish(): void;
  /** Frees what the garbage collector does not. */
  close?(): void;
}
