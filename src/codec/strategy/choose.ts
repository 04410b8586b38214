/**
 * @file Codes a block in the way that suits it. Whether the network pays, and how many streams, is found out
 * on a sample, so that data that it does not know takes none of its time. The choice depends on the bytes,
 * the model and the settings alone.
 */
import type { Model } from '../../model/model.js';
import { encodeBlock } from '../block/block.js';
import { blockMemory } from '../block/memory.js';
import { type CodedMode, codedMode } from '../block/modes.js';
import type { BlockProgress } from '../block/progress.js';
import { MODEL_ID_LENGTH } from '../container/format.js';
import type { Pauses } from '../event-loop.js';
import type { Networks } from '../session.js';
import { exactly, type Level, NETWORK_STREAMS, type StreamDensity, streamCount } from './levels.js';
import { SLICES, Trial } from './trial.js';

/** Blocks up to this length are coded with and without the network, and the smaller result wins. */
const SMALL = 2 ** 15;
/**
 * What of the cost of streams, measured without the network, is left with it: it brings what context models
 * lack.
 */
const LEFT = 0.5;
/** What the full profile leaves of the fast one's code, where the network is mixed by the fast one alone. */
const FULL = 0.85;

/** How blocks are coded. */
export interface Plan {
  streams: StreamDensity;
  /** whether a block gets these streams whatever they cost */
  exact: boolean;
  /** mode of blocks; undefined to store all */
  mode?: CodedMode;
  /** mode of blocks that do not gain from the network; undefined to keep to `mode` */
  plain?: CodedMode;
  /** share that a block's code may exceed the smallest by, for speed */
  tolerance: number;
}

/**
 * @param mode what the caller asks for; 'auto' for the level's choice
 * @param streams what the caller asks for
 */
export function planFor(
  level: Level,
  mode: 'auto' | 'stored' | CodedMode['name'],
  streams: number | undefined,
): Plan {
  const { tolerance } = level;
  const usual = mode === 'network' ? NETWORK_STREAMS : level.streams;
  const density = streams === undefined ? usual : exactly(streams);
  const plan = { streams: density, exact: streams !== undefined, tolerance };
  if (mode === 'stored') return plan;
  if (mode !== 'auto') return { ...plan, mode: codedMode(mode) };
  return { ...plan, mode: codedMode(level.mode), plain: codedMode(level.plain) };
}

/** A block that was coded. */
export interface CodedBlock {
  mode: CodedMode;
  streams: number;
  payload: Uint8Array;
}

/** Codes the blocks of one run. */
export class BlockEncoder {
  readonly #plan: Plan;
  readonly #networks: Networks;
  readonly #pauses: Pauses;
  /** Throws ERR_MEMORY_LIMIT if that many bytes are more than allowed. */
  readonly allow: (bytes: number) => void;

  constructor(plan: Plan, networks: Networks, pauses: Pauses, allow: (bytes: number) => void) {
    this.#plan = plan;
    this.#networks = networks;
    this.#pauses = pauses;
    this.allow = allow;
  }

  /**
   * Codes a block.
   * @param model needed where the plan has a mode with the network
   * @returns undefined if nothing makes it smaller
   * @throws ShacompError ERR_MEMORY_LIMIT
   */
  async encode(
    block: Uint8Array,
    model: Model | undefined,
    progress: BlockProgress,
  ): Promise<CodedBlock | undefined> {
    const { mode, plain, exact } = this.#plan;
    const { length } = block;
    // what is stored is held twice: as it came, and in the chunk that is given out
    this.allow(blockMemory({ length, codedLength: length, streams: 0 }));
    if (!mode) return undefined;
    const encode = (m: CodedMode, streams: number, p?: BlockProgress) =>
      this.#encode(block, m, streams, model, p);
    // alone, the context models gain nothing from streams
    if (!mode.network) return encode(mode, 1, progress);
    const most = streamCount(block.length, this.#plan.streams, mode.maxStreams);
    if (plain && block.length <= SMALL) {
      // without progress, which should not go back
      const [a, b] = [await encode(mode, most), await encode(plain, 1)];
      const without = b?.payload.length ?? block.length;
      return a && a.payload.length + 1 + MODEL_ID_LENGTH <= without ? a : b;
    }
    // a network alone does not learn: what streams cost is known
    if (!plain && (exact || most === 1 || !mode.profile)) return encode(mode, most, progress);
    const trial = await this.#trial(block, model);
    if (plain && !(await this.#networkPays(trial, mode, plain))) return encode(plain, 1, progress);
    const coded = await encode(mode, exact ? most : await this.#streams(trial, most), progress);
    return coded ?? (plain && encode(plain, 1, progress));
  }

  /** Bytes that coding a block of that length takes, at most. */
  async demand(length: number, model: Model | undefined): Promise<number> {
    const { mode, plain } = this.#plan;
    let most = 2 * length;
    for (const m of [mode, plain]) {
      if (!m) continue;
      const streams = m.network ? streamCount(length, this.#plan.streams, m.maxStreams) : 1;
      most = Math.max(most, await this.memory(length, m, streams, model));
    }
    return most;
  }

  async #trial(block: Uint8Array, model: Model | undefined): Promise<Trial> {
    const mixing = await this.#networks.mixing();
    await this.#checkMemory(
      Trial.sampleLength(block.length),
      codedMode('network-mixing-fast'),
      SLICES,
      model,
    );
    const open = model && (() => this.#networks.open(model, SLICES));
    return new Trial(block, { open, mixing, pauses: this.#pauses });
  }

  /** Whether the block becomes smaller with the network, by a share worth its time. */
  async #networkPays(trial: Trial, mode: CodedMode, plain: CodedMode): Promise<boolean> {
    const alone = mode.profile === plain.profile ? 1 : FULL;
    return (1 - (await trial.saving())) * (1 + this.#plan.tolerance) < alone;
  }

  /** The most streams, up to `most`, that cost no more than is tolerated. */
  async #streams(trial: Trial, most: number): Promise<number> {
    const cheap = async (streams: number) => LEFT * (await trial.streamCost(streams)) <= this.#plan.tolerance;
    let streams = most;
    while (streams > 1 && !(await cheap(streams))) streams = Math.ceil(streams / 2);
    return streams;
  }

  async #encode(
    block: Uint8Array,
    mode: CodedMode,
    streams: number,
    model: Model | undefined,
    progress?: BlockProgress,
  ): Promise<CodedBlock | undefined> {
    await this.#checkMemory(block.length, mode, streams, model);
    const payload = await encodeBlock(block, streams, mode, {
      ...(await this.#networks.tools(mode, streams, model)),
      pauses: this.#pauses,
      progress,
    });
    return payload && { mode, streams, payload };
  }

  /** @throws ShacompError ERR_MEMORY_LIMIT if a block of that length needs more than allowed */
  async #checkMemory(...block: Parameters<BlockEncoder['memory']>): Promise<void> {
    this.allow(await this.memory(...block));
  }

  /** Bytes that coding a block takes so. */
  memory(length: number, mode: CodedMode, streams: number, model: Model | undefined): Promise<number> {
    return this.#networks.demand({ length, codedLength: length, streams, mode }, model, true);
  }
}
