/**
 * @file What one run keeps from block to block: the engine, the open network, and the models that it found.
 */
import type { Engine, MixKernels, Network, StreamKernels } from '../engines/engine.js';
import { shortId } from '../model/id.js';
import type { Model } from '../model/model.js';
import { type BlockDemand, blockMemory } from './block/memory.js';
import type { CodedMode } from './block/modes.js';
import type { CodecOptions, CompressOptions } from './options.js';
import { type EngineWork, engineWork, type ModelSource, type Platform } from './platform.js';

/** What an engine gives to code a block with. */
export interface CodingTools {
  /** with as many streams as the block has, in any state; undefined in modes without a network */
  network: Network | undefined;
  /** undefined in modes without mixing */
  mixing: MixKernels | undefined;
  /** the engine's own coding of blocks of the network alone, where the mode is that and it has one */
  kernels: StreamKernels | undefined;
}

export class Networks {
  readonly #options: CodecOptions & Pick<CompressOptions, 'size'>;
  readonly #platform: Platform;
  #engine: Promise<Engine> | undefined;
  #chosen: Engine | undefined;
  #open: { network: Network; model: Model; engine: Engine } | undefined;

  /** @param options the first block that asks for memory decides what 'auto' is chosen for */
  constructor(options: CodecOptions & Pick<CompressOptions, 'size'>, platform: Platform) {
    this.#options = options;
    this.#platform = platform;
  }

  /** The engine, once it was needed. */
  get chosen(): Engine | undefined {
    return this.#chosen;
  }

  /** A network of `streams` streams, in any state. It stays open until another one is asked for. */
  async open(model: Model, streams: number): Promise<Network> {
    return this.#openOn(await this.#select(), model, streams);
  }

  #openOn(engine: Engine, model: Model, streams: number): Network {
    const open = this.#open;
    if (open?.model === model && open.engine === engine && open.network.streams === streams)
      return open.network;
    this.close();
    const network = engine.open(model, streams);
    this.#open = { network, model, engine };
    return network;
  }

  /**
   * What a block of a mode is coded with; no network where there is no model, which a block of the mode is
   * then refused for.
   */
  async tools(mode: CodedMode, streams: number, model: Model | undefined): Promise<CodingTools> {
    const engine = await this.#selectFor(mode, streams);
    return {
      network: mode.network && model ? this.#openOn(engine, model, streams) : undefined,
      mixing: mode.profile ? engine.mixing : undefined,
      kernels: mode.network ? engine.streams : undefined,
    };
  }

  /** Bytes that a block takes to decode or, with batches of frequencies, to encode: as `blockMemory`. */
  async demand(
    block: Omit<BlockDemand, 'network' | 'mixing' | 'kernels'>,
    model: Model | undefined,
    encoding = false,
  ): Promise<number> {
    const { mode, streams } = block;
    // stored blocks need no engine
    if (!mode) return blockMemory(block, encoding);
    const engine =
      (await this.#device(mode, streams)) ?? (await this.#select(this.#work(block, model, encoding)));
    const network = mode.network && model ? engine.memory(model.architecture, streams) : undefined;
    const mixing = mode.profile ? engine.mixing : undefined;
    const kernels = mode.network ? engine.streams : undefined;
    return blockMemory({ ...block, network, mixing, kernels }, encoding);
  }

  /** The engine's mixing coder. */
  async mixing(): Promise<MixKernels> {
    return (await this.#select()).mixing;
  }

  /**
   * Does the work of a block: again from its start if the engine's device has ended meanwhile, and the engine
   * carries on without it. @throws what the work throws
   */
  async block<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (!this.#open?.engine.carriesOn?.(error)) throw error;
      this.close();
      return work();
    }
  }

  close(): void {
    this.#open?.network.close();
    this.#open = undefined;
  }

  /** What the engine is for, by a block. */
  #work(
    { length, expanded = length, streams, mode }: BlockDemand,
    model: Model | undefined,
    encoding: boolean,
  ): EngineWork | undefined {
    const { size = 0, memoryLimit } = this.#options;
    const [encode, decode] = encoding ? [size, 0] : [0, expanded];
    return engineWork(mode, model, { streams, encode, decode }, memoryLimit);
  }

  /** Whether blocks of a mode in so many streams go to a device, and take turns on it. */
  async onDevice(mode: CodedMode, streams: number): Promise<boolean> {
    return (await this.#device(mode, streams)) !== undefined;
  }

  async #device({ network, profile }: CodedMode, streams: number): Promise<Engine | undefined> {
    const { engine = 'auto' } = this.#options;
    return network && !profile && engine === 'auto' ? this.#platform.engineForStreams?.(streams) : undefined;
  }

  /** The engine for blocks of a mode. */
  async #selectFor(mode: CodedMode, streams: number): Promise<Engine> {
    return (await this.#device(mode, streams)) ?? this.#select();
  }

  async #select(work?: EngineWork): Promise<Engine> {
    const { engine = 'auto', threads } = this.#options;
    this.#engine ??=
      typeof engine === 'string'
        ? this.#platform.selectEngine(engine, { threads, work })
        : Promise.resolve(engine);
    this.#chosen = await this.#engine;
    return this.#chosen;
  }
}

/** Finds the models that the members of one run need: each is loaded once, however many members name it. */
export class ModelFinder {
  #given: ModelSource | undefined;
  readonly #platform: Platform;
  readonly #found = new Map<string, Model>();

  /** @param given tried before those that the platform has */
  constructor(given: ModelSource | undefined, platform: Platform) {
    this.#given = given;
    this.#platform = platform;
  }

  /** The model whose id begins with these bytes. @throws as `Platform.findModel` */
  async find(prefix: Uint8Array): Promise<Model> {
    const key = shortId(prefix);
    const known = this.#found.get(key);
    if (known) return known;
    if (this.#given !== undefined) this.#given = await this.#platform.loadModel(this.#given);
    const model = await this.#platform.findModel(prefix, this.#given);
    this.#found.set(key, model);
    return model;
  }
}
