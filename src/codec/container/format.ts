/** @file The numbers of the `.sha` format, each once: docs/format.md section 1 as constants. */
import type { MixProfile } from '../../engines/profiles.js';

/** 0x8D, 'SHA': the first byte is not ASCII, so that no text is taken for one of ours. */
export const MAGIC = Uint8Array.of(0x8d, 0x53, 0x48, 0x41);
/** The first published version. Files of 1 and 2, from before, are refused. */
export const FORMAT_VERSION = 3;
/** What a model file has in the version's place, the `R` of its longer magic number. */
export const MODEL_MARK = 0x52;

/** Longest block that a file may have, and most original bytes that it may stand for with its copies. */
export const MAX_BLOCK_SIZE = 2 ** 26;
/** Most bytes of a record of copies, without its type and length. */
export const MAX_COPIES_BYTES = 2 ** 20;
/** Largest window over which copies may reach, in bytes. */
export const MAX_WINDOW = 2 ** 31;
/** Longest total length that a file may declare, in bytes. */
export const MAX_TOTAL = Number.MAX_SAFE_INTEGER;
/** Most streams that a block may have whose streams are coded apart, by the network alone. */
export const MAX_STREAMS = 4096;
/** Most streams of a block with mixing, whose streams share what they learn. */
export const MAX_MIXED_STREAMS = 1024;
/** A model is named by the first bytes of the SHA-256 of its file. */
export const MODEL_ID_LENGTH = 8;
/** Bytes behind a payload: the CRC-32 of all original bytes of the member so far. */
export const CHECKSUM_LENGTH = 4;

/** Types of records. A new one is a number here and a section in docs/format.md. */
export const RECORD = {
  end: 0x00,
  model: 0x01,
  stored: 0x02,
  network: 0x03,
  mixing: 0x04,
  networkMixing: 0x05,
  length: 0x06,
  endOfBlocks: 0x07,
  copies: 0x08,
  window: 0x09,
} as const;

/** Set in the type of a member's last block: the member ends after it. */
export const LAST = 0x80;

/**
 * How a block is coded: not at all (`stored`), with the network's probabilities as they are (`network`), with
 * adaptive context models (`mixing-`) of the fast or the full profile, or with the network among these
 * (`network-mixing-`).
 */
export type Mode =
  | 'stored'
  | 'network'
  | 'mixing-fast'
  | 'mixing-full'
  | 'network-mixing-fast'
  | 'network-mixing-full';

/** What a file says of a block that is not stored. */
export interface CodedFormat {
  readonly name: Exclude<Mode, 'stored'>;
  /** The block's record type. */
  readonly type: number;
  /** Whether the network's frequencies are needed. */
  readonly network: boolean;
  /** Most streams that such a block may have. */
  readonly maxStreams: number;
  /** The mixing profile, which such blocks record; undefined where nothing is mixed. */
  readonly profile?: MixProfile;
}

/** Blocks that are mixed. */
const mixed = (name: CodedFormat['name'], network: boolean, profile: MixProfile): CodedFormat => {
  const type = network ? RECORD.networkMixing : RECORD.mixing;
  return { name, type, network, maxStreams: MAX_MIXED_STREAMS, profile };
};

export const CODED_FORMATS: readonly CodedFormat[] = [
  { name: 'network', type: RECORD.network, network: true, maxStreams: MAX_STREAMS },
  mixed('mixing-fast', false, 'fast'),
  mixed('mixing-full', false, 'full'),
  mixed('network-mixing-fast', true, 'fast'),
  mixed('network-mixing-full', true, 'full'),
];
