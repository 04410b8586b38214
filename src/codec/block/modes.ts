/** @file The ways to code a block. A new one is an entry here and its record in `docs/format.md`. */

import { MIX_PROFILES, MixDecoder, MixEncoder, type MixKernels, type MixProfile } from './mixing-coder.js';
import { NetworkDecoder, NetworkEncoder } from './network-coder.js';
import type { SymbolDecoder, SymbolEncoder } from './symbol-coder.js';

/**
 * How a block is coded: not at all (`stored`), with the network's probabilities as they are (`network`), with adaptive
 * context models (`mixing-`) of the fast or the full profile, or with the network among these (`network-mixing-`).
 */
export type Mode =
  | 'stored'
  | 'network'
  | 'mixing-fast'
  | 'mixing-full'
  | 'network-mixing-fast'
  | 'network-mixing-full';

/** What coders of a block need to know and have. */
export interface CoderContext {
  /** original bytes of the block */
  length: number;
  streams: number;
  /** needed in modes with a profile */
  mixing?: MixKernels;
}

/** A way to code a block that is not stored. */
export interface CodedMode {
  readonly name: Exclude<Mode, 'stored'>;
  /** The block's record type. */
  readonly type: number;
  /** The mixing profile, which such blocks record; undefined where nothing is mixed. */
  readonly profile?: MixProfile;
  /** Whether it reads the network's frequencies. */
  readonly network: boolean;
  /** Bytes that its encoder or decoder needs beside the payload. */
  memory(context: CoderContext): number;
  encoder(context: CoderContext): SymbolEncoder;
  decoder(payload: Uint8Array, context: CoderContext): SymbolDecoder;
}

function mixingMode(name: CodedMode['name'], type: number, profile: MixProfile, network: boolean): CodedMode {
  const kernels = ({ mixing }: CoderContext): MixKernels => {
    if (!mixing) throw new Error(`mode ${name} needs mixing kernels`);
    return mixing;
  };
  return {
    name,
    type,
    profile,
    network,
    memory: (context) => kernels(context).mixBytes(MIX_PROFILES[profile], context.length, context.streams),
    encoder: (context) => new MixEncoder(kernels(context), profile, context.length, context.streams),
    decoder: (payload, context) =>
      new MixDecoder(kernels(context), profile, context.length, context.streams, payload),
  };
}

export const CODED_MODES: readonly CodedMode[] = [
  {
    name: 'network',
    type: 0x03,
    network: true,
    memory: () => 0,
    encoder: ({ length }) => new NetworkEncoder(length),
    decoder: (payload) => new NetworkDecoder(payload),
  },
  mixingMode('mixing-fast', 0x04, 'fast', false),
  mixingMode('mixing-full', 0x04, 'full', false),
  mixingMode('network-mixing-fast', 0x05, 'fast', true),
  mixingMode('network-mixing-full', 0x05, 'full', true),
];

/** The coded mode of that name. */
export function codedMode(name: CodedMode['name']): CodedMode {
  return CODED_MODES.find((mode) => mode.name === name)!;
}
