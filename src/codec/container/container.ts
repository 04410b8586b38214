/**
 * @file The `.sha` container: a member is a magic number, a version and records. `docs/format.md` specifies
 * it.
 */
import { MIX_PROFILES } from '../../engines/profiles.js';
import { ShacompError } from '../../errors.js';
import { Pauses } from '../event-loop.js';
import type { ByteReader } from './byte-reader.js';
import { type Copy, checkCopiesBytes, copiedBytes, decodeCopies } from './copies.js';
import {
  CHECKSUM_LENGTH,
  CODED_FORMATS,
  type CodedFormat,
  FORMAT_VERSION,
  LAST,
  MAGIC,
  MAX_BLOCK_SIZE,
  MAX_COPIES_BYTES,
  MAX_TOTAL,
  MAX_WINDOW,
  MODEL_ID_LENGTH,
  MODEL_MARK,
  type Mode,
  RECORD,
} from './format.js';
import { encodeVarint, readVarint } from './varint.js';

/** The start of a member. */
export interface MemberRecord {
  kind: 'member';
  /** where it starts in the file */
  offset: number;
  version: number;
}

/** The original length of the whole member, where its writer knew it. */
export interface LengthRecord {
  kind: 'length';
  length: number;
}

/** The model that the blocks after it need. */
export interface ModelRecord {
  kind: 'model';
  /** the first 8 bytes of the SHA-256 of the model file */
  id: Uint8Array<ArrayBuffer>;
}

/** How far back the copies of the member reach: bytes that its reader must keep. */
export interface WindowRecord {
  kind: 'window';
  /** in bytes */
  window: number;
}

/** One block, with the copies before it. */
export interface BlockRecord {
  kind: 'block';
  /** where its record starts in the file, or that of its copies */
  offset: number;
  mode: Mode;
  /** bytes that it codes */
  length: number;
  /** original bytes that it stands for: those that it codes, and its copies */
  expanded: number;
  /** the pieces of these that are repeats of bytes before them, in order */
  copies: readonly Copy[];
  /** bytes of the record of the copies; 0 without any */
  copiesLength: number;
  /** bytes of payload in the file */
  codedLength: number;
  /** lockstep streams; 0 in stored blocks */
  streams: number;
  /** whether the member ends with it */
  last: boolean;
}

/** The end of a member, with what it held in all. */
export interface EndRecord {
  kind: 'end';
  /** where the member ends in the file */
  offset: number;
  length: number;
}

export type ContainerRecord =
  | MemberRecord
  | LengthRecord
  | WindowRecord
  | ModelRecord
  | BlockRecord
  | EndRecord;

export const memberHeader = (): Uint8Array => Uint8Array.of(...MAGIC, FORMAT_VERSION);

/**
 * The end of a member that its last block does not mark: one without blocks, or one whose last block had to
 * be written before it was known to be the last.
 */
export const endRecord = (blocks: boolean): Uint8Array =>
  Uint8Array.of(blocks ? RECORD.endOfBlocks : RECORD.end);

export const lengthRecord = (length: number): Uint8Array =>
  Uint8Array.of(RECORD.length, ...encodeVarint(length));

/** @param window 1 to 2^31 bytes */
export const windowRecord = (window: number): Uint8Array =>
  Uint8Array.of(RECORD.window, ...encodeVarint(window));

/** @param id at least the first 8 bytes of the SHA-256 of the model file */
export const modelRecord = (id: Uint8Array): Uint8Array =>
  Uint8Array.of(RECORD.model, ...id.subarray(0, MODEL_ID_LENGTH));

/** What stands before the payload of a block. */
export function blockHeader(
  block: Pick<BlockRecord, 'mode' | 'length' | 'codedLength' | 'streams' | 'last'>,
): Uint8Array {
  const last = block.last ? LAST : 0;
  if (block.mode === 'stored') return Uint8Array.of(RECORD.stored | last, ...encodeVarint(block.length));
  const mode = CODED_FORMATS.find((m) => m.name === block.mode)!;
  return Uint8Array.of(
    mode.type | last,
    ...encodeVarint(block.length),
    ...encodeVarint(block.codedLength),
    ...encodeVarint(block.streams),
    ...(mode.profile ? [MIX_PROFILES[mode.profile]] : []),
  );
}

/** What stands after the payload: the checksum of all original bytes of the member so far. */
export function blockTrailer(checksum: number): Uint8Array {
  const bytes = new Uint8Array(CHECKSUM_LENGTH);
  new DataView(bytes.buffer).setUint32(0, checksum, true);
  return bytes;
}

/** Records that are no blocks. */
const MARKERS: readonly number[] = [
  RECORD.end,
  RECORD.endOfBlocks,
  RECORD.model,
  RECORD.length,
  RECORD.window,
  RECORD.copies,
];

/** Copies whose block has not been read yet. */
interface PendingCopies {
  offset: number;
  copies: Copy[];
  bytes: number;
}

/** What a reader has seen of a member. */
interface MemberState {
  blocks: number;
  /** original bytes of the blocks so far */
  length: number;
  /** the total that the length record says */
  declared?: number;
  /** what the window record says */
  window?: number;
  /** distance of the last copy so far, 0 without one */
  distance: number;
  copies?: PendingCopies;
  /** whether a model record was read */
  model: boolean;
  /** whether the model record still lacks its first block */
  needsModel: boolean;
}

/** Reads a file record by record and checks that they belong together. */
export class ContainerReader {
  readonly #reader: ByteReader;
  readonly #pauses: Pauses;
  /** The current member; undefined between members. */
  #member: MemberState | undefined;
  /** The block whose payload has not been read yet. */
  #block: BlockRecord | undefined;
  #ended: EndRecord | undefined;

  /** @param pauses rests while padding is passed over, however long it is */
  constructor(reader: ByteReader, pauses = new Pauses()) {
    this.#reader = reader;
    this.#pauses = pauses;
  }

  /**
   * The next record; undefined at the end of the file. A block's payload must be taken with {@link payload}
   * or {@link skip} first.
   * @throws ShacompError ERR_NOT_SHACOMP, ERR_UNSUPPORTED_VERSION, ERR_TRUNCATED, ERR_CORRUPT
   */
  async next(): Promise<ContainerRecord | undefined> {
    if (this.#block) throw new Error('the payload was not read');
    if (this.#ended) {
      const end = this.#ended;
      this.#ended = undefined;
      this.#member = undefined;
      return end;
    }
    if (!this.#member) return this.#memberStart();
    const member = this.#member;
    const offset = this.#reader.offset;
    const type = await this.#reader.byte();
    const modes = CODED_FORMATS.filter((m) => m.type === (type & ~LAST));
    if (!MARKERS.includes(type) && modes.length === 0 && (type & ~LAST) !== RECORD.stored)
      throw unsupported(`record type 0x${type.toString(16).padStart(2, '0')} at byte ${offset}`);
    if (member.copies && MARKERS.includes(type)) throw corrupt('copies that are not before a block');
    if (member.needsModel && !modes[0]?.network && type !== RECORD.copies)
      throw corrupt('a model record that is not before a block');
    switch (type) {
      case RECORD.end:
        if (member.blocks > 0) throw corrupt('an end record after a block');
        return this.#end(member);
      case RECORD.endOfBlocks:
        if (member.blocks === 0) throw corrupt('an end of blocks without a block');
        return this.#end(member);
      case RECORD.length:
        if (member.blocks > 0 || member.declared !== undefined || member.window !== undefined)
          throw corrupt('a length record in the wrong place');
        member.declared = await readVarint(this.#reader, MAX_TOTAL, 'the total length');
        return { kind: 'length', length: member.declared };
      case RECORD.window:
        if (member.blocks > 0 || member.window !== undefined || member.model)
          throw corrupt('a window record in the wrong place');
        member.window = await readVarint(this.#reader, MAX_WINDOW, 'the window of copies');
        if (member.window === 0) throw corrupt('a window of no bytes');
        return { kind: 'window', window: member.window };
      case RECORD.copies:
        member.copies = await this.#readCopies(member, offset);
        return this.next();
      case RECORD.model:
        if (member.model) throw corrupt('a second model record');
        member.model = true;
        member.needsModel = true;
        return { kind: 'model', id: await this.#reader.exactly(MODEL_ID_LENGTH) };
      default:
        return this.#blockStart(member, modes, (type & LAST) !== 0, offset);
    }
  }

  async #readCopies(member: MemberState, offset: number): Promise<PendingCopies> {
    const { window, length: position, distance: before } = member;
    if (window === undefined) throw corrupt('copies without a window record');
    const length = await readVarint(this.#reader, MAX_COPIES_BYTES, 'the length of a record of copies');
    checkCopiesBytes(length);
    const copies = decodeCopies(await this.#reader.exactly(length), { position, window, before });
    return { offset, copies, bytes: this.#reader.offset - offset };
  }

  /** The payload of the block that {@link next} gave last, and its checksum. */
  async payload(): Promise<{ payload: Uint8Array<ArrayBuffer>; checksum: number }> {
    const block = this.#takeBlock();
    const payload = await this.#reader.exactly(block.codedLength);
    const trailer = await this.#reader.exactly(CHECKSUM_LENGTH);
    if (block.last) this.#finish();
    return { payload, checksum: new DataView(trailer.buffer, trailer.byteOffset).getUint32(0, true) };
  }

  /** Passes over the payload of the block that {@link next} gave last. */
  async skip(): Promise<void> {
    const block = this.#takeBlock();
    await this.#reader.skip(block.codedLength + CHECKSUM_LENGTH);
    if (block.last) this.#finish();
  }

  async #memberStart(): Promise<MemberRecord | undefined> {
    // as other formats allow: tapes and flash memories fill their blocks up
    if (this.#reader.offset > 0) await this.#reader.skipZeros(() => this.#pauses.take());
    const offset = this.#reader.offset;
    const magic = await this.#reader.read(MAGIC.length);
    if (magic.length === 0 && offset > 0) return undefined;
    if (magic.some((byte, i) => byte !== MAGIC[i])) {
      if (offset > 0) throw corrupt(`what follows the end at byte ${offset} is not shacomp data`);
      throw new ShacompError('ERR_NOT_SHACOMP', 'not in shacomp format');
    }
    if (magic.length < MAGIC.length)
      throw new ShacompError('ERR_TRUNCATED', 'the compressed data ends too early: the file is incomplete');
    const version = await this.#reader.byte();
    if (version === MODEL_MARK) throw new ShacompError('ERR_NOT_SHACOMP', 'is a model, not compressed data');
    if (version !== FORMAT_VERSION)
      throw unsupported(
        `format version ${version}; this program reads version ${FORMAT_VERSION}`,
        version < FORMAT_VERSION ? 'an older' : 'a newer',
      );
    this.#member = { blocks: 0, length: 0, distance: 0, model: false, needsModel: false };
    return { kind: 'member', offset, version };
  }

  async #blockStart(
    member: MemberState,
    modes: CodedFormat[],
    last: boolean,
    offset: number,
  ): Promise<BlockRecord> {
    // modes of one type differ in the profile alone
    let [mode]: (CodedFormat | undefined)[] = modes;
    if (mode?.network && !member.model) throw corrupt('a network block without a model record');
    const length = await readVarint(this.#reader, MAX_BLOCK_SIZE, "a block's length");
    if (length === 0) throw corrupt('an empty block');
    let codedLength = length;
    let streams = 0;
    if (mode) {
      codedLength = await readVarint(this.#reader, length - 1, "a block's coded length");
      streams = await readVarint(this.#reader, Math.min(length, mode.maxStreams), 'the number of streams');
      if (streams === 0) throw corrupt('a block without streams');
      if (mode.profile) {
        const profile = await this.#reader.byte();
        mode = modes.find((m) => MIX_PROFILES[m.profile!] === profile);
        if (!mode) throw unsupported(`mixing profile ${profile} in the block at byte ${offset}`);
      }
      member.needsModel = false;
    }
    const pending = member.copies;
    member.copies = undefined;
    const copies = pending?.copies ?? [];
    const expanded = length + copiedBytes(copies);
    const literals = copies.reduce((sum, copy) => sum + copy.literals, 0);
    if (literals > length || expanded > MAX_BLOCK_SIZE) throw corrupt('copies that are out of range');
    member.distance = copies.at(-1)?.distance ?? member.distance;
    member.blocks++;
    member.length += expanded;
    if (
      member.declared !== undefined &&
      (last ? member.length !== member.declared : member.length > member.declared)
    )
      throw corrupt('the blocks do not add up to the total length');
    this.#block = {
      kind: 'block',
      offset: pending?.offset ?? offset,
      mode: mode?.name ?? 'stored',
      length,
      expanded,
      copies,
      copiesLength: pending?.bytes ?? 0,
      codedLength,
      streams,
      last,
    };
    return this.#block;
  }

  #takeBlock(): BlockRecord {
    const block = this.#block;
    if (!block) throw new Error('there is no payload to read');
    this.#block = undefined;
    return block;
  }

  #finish(): void {
    this.#ended = { kind: 'end', offset: this.#reader.offset, length: this.#member!.length };
  }

  #end({ length, declared = length }: MemberState): EndRecord {
    if (length !== declared) throw corrupt('the blocks do not add up to the total length');
    this.#member = undefined;
    return { kind: 'end', offset: this.#reader.offset, length };
  }
}

const corrupt = (what: string) => new ShacompError('ERR_CORRUPT', `the compressed data is damaged: ${what}`);
const unsupported = (what: string, maker = 'a newer') =>
  new ShacompError('ERR_UNSUPPORTED_VERSION', `${what}: made by ${maker} shacomp, or damaged`);
