/**
 * @file Estimates, from a sample of a block, what the network saves there and what streams cost. Both are
 * measured with the fast profile, which takes a fraction of the time of coding.
 */
import type { MixKernels, Network } from '../../engines/engine.js';
import { encodeBlock, prepare } from '../block/block.js';
import { type CodedMode, codedMode } from '../block/modes.js';
import { predictRows } from '../block/predict.js';
import type { Pauses } from '../event-loop.js';

/** Slices of the block that the sample is made of, spread evenly; with the network, a stream each. */
export const SLICES = 4;
/** Bytes of the sample: an eighth of the block, within these bounds. */
const SAMPLE = { least: 2 ** 13, most: 2 ** 20 };
/** Bytes of the sample that the network sees: a sixteenth of the block, within these bounds. */
const SEEN = { least: 2 ** 13, most: 2 ** 14 };

const WITH: CodedMode = codedMode('network-mixing-fast');
const WITHOUT: CodedMode = codedMode('mixing-fast');

/** What a trial takes beside the block. */
export interface TrialTools {
  /**
   * Opens the network with {@link SLICES} streams, in any state; where no saving is asked for, not needed.
   */
  open?: () => Promise<Network>;
  mixing: MixKernels;
  pauses: Pauses;
}

/** Bytes of code of the sample's beginning, middle and end. */
interface Parts {
  start: number;
  middle: number;
  end: number;
  /** whether the code is longer than the sample */
  hopeless: boolean;
}

const clamp = (x: number, { least, most }: { least: number; most: number }) =>
  Math.min(most, Math.max(least, x));

/** A trial of one block of more than 8 KiB. */
export class Trial {
  readonly #length: number;
  readonly #sample: Uint8Array;
  readonly #tools: TrialTools;
  /** steps at the start and the end of the sample that the network sees */
  readonly #seen: number;
  readonly #costs = new Map<number, number>();
  #without: Parts | undefined;

  constructor(block: Uint8Array, tools: TrialTools) {
    this.#length = block.length;
    this.#tools = tools;
    const size = Trial.sampleLength(block.length) / SLICES;
    this.#sample = new Uint8Array(size * SLICES);
    for (let k = 0; k < SLICES; k++) {
      const start = Math.floor(((block.length - size) * k) / (SLICES - 1));
      this.#sample.set(block.subarray(start, start + size), k * size);
    }
    this.#seen = Math.min(size >> 1, Math.floor(clamp(block.length / 16, SEEN) / (2 * SLICES)));
  }

  /** Bytes of the sample of a block of that length. */
  static sampleLength(length: number): number {
    return Math.floor(clamp(length / 8, SAMPLE) / SLICES) * SLICES;
  }

  /**
   * The share of mixing's code that the network saves. It sees the start of the slices, where the context
   * models know nothing yet, and their end, where they have learned; for the rest of the block what holds for
   * the end is taken.
   */
  async saving(): Promise<number> {
    const network = await this.#tools.open?.();
    if (!network) throw new Error('a saving needs a network');
    const without = await this.#partsWithout();
    const withIt = await this.#parts(network);
    if (withIt.hopeless) return 0;
    const rest = 1 + (this.#length - this.#sample.length) / (this.#seen * SLICES);
    const before = without.start + without.middle + without.end * rest;
    const late = without.end > 0 ? withIt.end / without.end : 1;
    const after = withIt.start + without.middle * late + withIt.end * rest;
    return before > 0 ? 1 - after / before : 0;
  }

  /** The share that `streams` streams add to the code of one. */
  async streamCost(streams: number): Promise<number> {
    return (await this.#cost(streams)) / Math.max(1, await this.#cost(1)) - 1;
  }

  /** Bytes of the sample's code in that many streams. */
  async #cost(streams: number): Promise<number> {
    if (streams === SLICES) {
      const { start, middle, end } = await this.#partsWithout();
      return start + middle + end;
    }
    const { mixing, pauses } = this.#tools;
    const known = this.#costs.get(streams);
    if (known !== undefined) return known;
    const payload = await encodeBlock(this.#sample, streams, WITHOUT, { mixing, pauses });
    const cost = payload?.length ?? this.#sample.length;
    this.#costs.set(streams, cost);
    return cost;
  }

  /** The sample without the network, coded once. */
  async #partsWithout(): Promise<Parts> {
    this.#without ??= await this.#parts(undefined);
    return this.#without;
  }

  /** Codes the sample, its slices as streams; the network, if any, predicts its start and its end. */
  async #parts(network: Network | undefined): Promise<Parts> {
    const { pauses, mixing } = this.#tools;
    const { length } = this.#sample;
    const coder = (network ? WITH : WITHOUT).encoder({ length, streams: SLICES, mixing });
    const coded = () => Math.min(coder.length, length);
    /** Bytes of code of the steps from `from` to `to`. */
    const part = async (from: number, to: number, predictor?: Network): Promise<number> => {
      const before = coded();
      predictor?.reset();
      const steps = { block: this.#sample, streams: SLICES, from, to };
      await predictRows({ ...steps, network: predictor, pauses }, coder);
      return coded() - before;
    };
    try {
      await prepare(coder, pauses);
      const steps = length / SLICES;
      const start = await part(0, this.#seen, network);
      const middle = await part(this.#seen, steps - this.#seen);
      const end = await part(steps - this.#seen, steps, network);
      return { start, middle, end, hopeless: coder.length > length };
    } finally {
      coder.close?.();
    }
  }
}
