/**
 * @file Codes a block in the mode that suits it. Whether the network pays is found out on a sample, so that data that it
 * does not know takes none of its time. The choice depends on the bytes, the model and the settings alone.
 */
import type { IntegerModel } from '../model/sharnn.js';
import { type BlockProgress, encodeBlock } from './block.js';
import type { Breath } from './breath.js';
import { MODEL_ID_LENGTH } from './container.js';
import type { Level, StreamDensity } from './levels.js';
import { streamCount } from './lockstep.js';
import { blockMemory, checkMemory } from './memory.js';
import { type CodedMode, codedMode } from './modes.js';
import type { Networks } from './networks.js';

/** Blocks up to this length are coded with and without the network, and the smaller result wins. */
const SMALL = 2 ** 15;
/** Slices of a longer block that are tried, spread evenly. */
const SLICES = 4;
/** Bytes tried of a longer block: a sixteenth of it, within these bounds. */
const SAMPLE = { least: 2 ** 13, most: 2 ** 14 };
/** Share of a sample's code that the network must save: less is not worth its time. */
const GAIN = 0.03;

/** How blocks are coded. */
export interface Plan {
  streams: StreamDensity;
  /** mode of blocks; undefined to store all */
  mode?: CodedMode;
  /** mode of blocks that do not gain from the network; undefined to keep to `mode` */
  plain?: CodedMode;
}

/** @param mode what the caller asks for; 'auto' for the level's choice */
export function planFor(level: Level, mode: 'auto' | 'stored' | CodedMode['name']): Plan {
  const { streams } = level;
  if (mode === 'stored') return { streams };
  if (mode !== 'auto') return { streams, mode: codedMode(mode) };
  return { streams, mode: codedMode(level.mode), plain: codedMode(level.plain) };
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
  readonly #breath: Breath;
  readonly #memoryLimit: number | undefined;

  constructor(plan: Plan, networks: Networks, breath: Breath, memoryLimit: number | undefined) {
    this.#plan = plan;
    this.#networks = networks;
    this.#breath = breath;
    this.#memoryLimit = memoryLimit;
  }

  /**
   * Codes a block.
   * @param model needed where the plan has a mode with the network
   * @returns undefined if nothing makes it smaller
   * @throws ShacompError ERR_MEMORY_LIMIT
   */
  async encode(
    block: Uint8Array,
    model: IntegerModel | undefined,
    progress: BlockProgress,
  ): Promise<CodedBlock | undefined> {
    const { mode, plain } = this.#plan;
    if (!mode) return undefined;
    const encode = (m: CodedMode, p?: BlockProgress) =>
      this.#encode(block, m, this.#streams(block, m), model, p);
    if (!plain || !mode.network) return encode(mode, progress);
    if (block.length <= SMALL) {
      // without progress, which should not go back
      const [a, b] = [await encode(mode), await encode(plain)];
      return a && (!b || a.payload.length + 1 + MODEL_ID_LENGTH <= b.payload.length) ? a : (b ?? a);
    }
    if (await this.#networkPays(block, model)) {
      const coded = await encode(mode, progress);
      if (coded) return coded;
    }
    return encode(plain, progress);
  }

  /** Whether the network makes a sample of the block smaller by a share worth its time. */
  async #networkPays(block: Uint8Array, model: IntegerModel | undefined): Promise<boolean> {
    const wanted = Math.min(SAMPLE.most, Math.max(SAMPLE.least, block.length / 16));
    const size = Math.floor(wanted / SLICES);
    // slices of equal length, so that each is one stream
    const sample = new Uint8Array(size * SLICES);
    for (let k = 0; k < SLICES; k++) {
      const start = Math.floor(((block.length - size) * k) / (SLICES - 1));
      sample.set(block.subarray(start, start + size), k * size);
    }
    const cost = async (name: CodedMode['name']) =>
      (await this.#encode(sample, codedMode(name), SLICES, model))?.payload.length ?? sample.length;
    return (await cost('network-mixing-fast')) < (await cost('mixing-fast')) * (1 - GAIN);
  }

  #streams(block: Uint8Array, mode: CodedMode): number {
    // alone, the context models gain nothing from streams
    return mode.network ? streamCount(block.length, this.#plan.streams) : 1;
  }

  async #encode(
    block: Uint8Array,
    mode: CodedMode,
    streams: number,
    model: IntegerModel | undefined,
    progress?: BlockProgress,
  ): Promise<CodedBlock | undefined> {
    const mixing = mode.profile ? await this.#networks.mixing() : undefined;
    const { length } = block;
    const architecture = mode.network ? model?.architecture : undefined;
    checkMemory(
      blockMemory({ length, codedLength: length, streams, mode, architecture, mixing }, true),
      this.#memoryLimit,
      'raise the limit, or use a lower level or smaller blocks',
    );
    const network = mode.network && model ? await this.#networks.open(model, streams) : undefined;
    const payload = await encodeBlock(block, streams, mode, {
      network,
      mixing,
      breath: this.#breath,
      progress,
    });
    return payload && { mode, streams, payload };
  }
}
