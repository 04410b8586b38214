/** @file The ways to code a block. A new one is an entry here and its record type in `docs/format.md`. */
import { NetworkDecoder, NetworkEncoder } from './byte-coder.js';
import type { SymbolDecoder, SymbolEncoder } from './symbol-coder.js';

/** What `compress` may do: let the network code blocks (those that gain nothing are stored), or store all. */
export type Mode = 'network' | 'stored';

/** A way to code a block that is not stored. */
export interface CodedMode {
  readonly name: Exclude<Mode, 'stored'>;
  /** The block's record type; 0x04 and 0x05 are set aside for modes that mix context models in. */
  readonly type: number;
  /** Whether it reads the network's frequencies. */
  readonly network: boolean;
  /** Bytes that its encoder or decoder needs beside the payload. */
  memory(streams: number): number;
  encoder(streams: number): SymbolEncoder;
  decoder(payload: Uint8Array, streams: number): SymbolDecoder;
}

export const CODED_MODES: readonly CodedMode[] = [
  {
    name: 'network',
    type: 0x03,
    network: true,
    memory: () => 0,
    encoder: () => new NetworkEncoder(),
    decoder: (payload) => new NetworkDecoder(payload),
  },
];
