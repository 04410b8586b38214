/** @file What codes the blocks of each mode. The modes themselves are in container/format.ts. */
import type { MixKernels } from '../../engines/engine.js';
import { MIX_PROFILES, type MixProfile } from '../../engines/profiles.js';
import { CODED_FORMATS, type CodedFormat } from '../container/format.js';
import { MixDecoder, MixEncoder } from './mixing-coder.js';
import { NetworkDecoder, NetworkEncoder } from './network-coder.js';
import type { SymbolDecoder, SymbolEncoder } from './symbol-coder.js';

/** What coders of a block need to know and have. */
export interface CoderContext {
  /** original bytes of the block */
  length: number;
  streams: number;
  /** needed in modes with a profile */
  mixing?: MixKernels;
}

interface Coders {
  /** Bytes that its encoder or decoder needs beside the payload. */
  memory(context: CoderContext): number;
  encoder(context: CoderContext): SymbolEncoder;
  decoder(payload: Uint8Array, context: CoderContext): SymbolDecoder;
}

/** A way to code a block that is not stored. */
export interface CodedMode extends CodedFormat, Coders {}

/** Bytes of a stream's range coder, with the room that it begins with. */
const STREAM_CODER = 512;

const networkCoders: Coders = {
  memory: ({ streams }) => streams * STREAM_CODER,
  encoder: ({ length, streams }) => new NetworkEncoder(length, streams),
  decoder: (payload, { streams }) => new NetworkDecoder(payload, streams),
};

function mixingCoders(profile: MixProfile): Coders {
  const kernels = ({ mixing }: CoderContext): MixKernels => {
    if (!mixing) throw new Error('a mode with mixing needs mixing kernels');
    return mixing;
  };
  return {
    memory: (context) => kernels(context).mixBytes(MIX_PROFILES[profile], context.length, context.streams),
    encoder: (context) => new MixEncoder(kernels(context), profile, context.length, context.streams),
    decoder: (payload, context) =>
      new MixDecoder(kernels(context), profile, context.length, context.streams, payload),
  };
}

export const CODED_MODES: readonly CodedMode[] = CODED_FORMATS.map((format) => ({
  ...format,
  ...(format.profile ? mixingCoders(format.profile) : networkCoders),
}));

/** The coded mode of that name. */
export function codedMode(name: CodedMode['name']): CodedMode {
  return CODED_MODES.find((mode) => mode.name === name)!;
}
