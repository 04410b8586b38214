/** @file Reads the blocks of a `.sha` file, each with what stands before it, within the limits of the run. */
import { ShacompError } from '../errors.js';
import type { Model } from '../model/model.js';
import { checkMemory } from './block/memory.js';
import { CODED_MODES, type CodedMode } from './block/modes.js';
import type { ByteReader } from './container/byte-reader.js';
import { type BlockRecord, ContainerReader } from './container/container.js';
import type { Pauses } from './event-loop.js';
import type { DecompressOptions } from './options.js';
import { History, historyMemory } from './repeats/history.js';
import type { ModelFinder, Networks } from './session.js';

/** What stands before a block since the one before it. */
interface Before {
  /** a member begins */
  member?: boolean;
  window?: number;
}

/** A block that was read. */
export interface ReadBlock extends Before {
  record: BlockRecord;
  /** undefined if it is stored */
  mode: CodedMode | undefined;
  /** undefined in modes without a network */
  model: Model | undefined;
  payload: Uint8Array<ArrayBuffer>;
  /** checksum of all original bytes up to its end */
  expected: number;
  /** where it ends in the file */
  end: number;
  /** it is the only one of its member */
  alone: boolean;
  /** bytes that decoding it takes and that are taken beside; whether a device decodes it */
  needs: { job: number; beside: number; device: boolean };
}

export interface BlockSourceTools {
  networks: Networks;
  models: ModelFinder;
  pauses: Pauses;
  limits: Pick<DecompressOptions, 'maxOutputLength' | 'memoryLimit'>;
  /** bytes that the caller keeps of what was given out, for the memory limit */
  held: () => number;
}

export class BlockSource {
  readonly #reader: ByteReader;
  readonly #container: ContainerReader;
  readonly #tools: BlockSourceTools;
  #model: Model | undefined;
  // of the member that is read: its window, original bytes so far, and whether it has more than one block
  #window = 0;
  #seen = 0;
  #several = false;
  /** Original bytes of all blocks that were read. */
  #promised = 0;
  #length = 0;

  constructor(reader: ByteReader, tools: BlockSourceTools) {
    this.#reader = reader;
    this.#container = new ContainerReader(reader, tools.pauses);
    this.#tools = tools;
  }

  /** Bytes that the block codes which was read last: what is to be expected of the next one. */
  get length(): number {
    return this.#length;
  }

  /**
   * Reads up to the end of the next block; undefined behind the last one.
   * @throws ShacompError as `decompressChunks`
   */
  async next(): Promise<ReadBlock | undefined> {
    const { models, pauses, limits, held } = this.#tools;
    const before: Before = {};
    for (let record = await this.#container.next(); record; record = await this.#container.next()) {
      await pauses.take();
      switch (record.kind) {
        case 'member':
          before.member = true;
          before.window = undefined;
          [this.#window, this.#seen, this.#several] = [0, 0, false];
          break;
        case 'window':
          checkMemory(History.memory(record.window) + held(), limits.memoryLimit);
          this.#window = record.window;
          before.window = record.window;
          break;
        case 'length':
          this.#checkOutput(record.length);
          break;
        case 'model':
          this.#model = await models.find(record.id);
          break;
        case 'block':
          return { ...before, ...(await this.#block(record)) };
      }
    }
    return undefined;
  }

  async #block(record: BlockRecord): Promise<ReadBlock> {
    const { networks, pauses, limits, held } = this.#tools;
    const { length, expanded, codedLength, streams } = record;
    const mode = CODED_MODES.find((m) => m.name === record.mode);
    this.#checkOutput(expanded);
    const kept = this.#window > 0 ? historyMemory(this.#window, this.#seen + expanded) : 0;
    const needs = {
      job: await networks.demand({ length, expanded, codedLength, streams, mode }, this.#model),
      beside: kept + held(),
      device: mode !== undefined && (await networks.onDevice(mode, streams)),
    };
    checkMemory(needs.job + needs.beside, limits.memoryLimit);
    this.#promised += expanded;
    this.#seen += expanded;
    this.#length = length;
    const { payload, checksum: expected } = await this.#container.payload();
    await pauses.take();
    const alone = record.last && !this.#several;
    this.#several = true;
    const model = mode?.network ? this.#model : undefined;
    return { record, mode, model, payload, expected, end: this.#reader.offset, alone, needs };
  }

  #checkOutput(length: number): void {
    const { maxOutputLength = Number.POSITIVE_INFINITY } = this.#tools.limits;
    if (this.#promised + length > maxOutputLength)
      throw new ShacompError(
        'ERR_OUTPUT_TOO_LARGE',
        `decompresses to more than the ${maxOutputLength} bytes allowed: raise maxOutputLength`,
      );
  }
}
