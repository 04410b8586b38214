/**
 * @file What one run keeps from block to block: the engine, the open network, and the models that it found.
 */
import type { Engine, MixKernels, Network, StreamKernels } from '../engines/engine.js';
import { shortId } from '../model/id.js';
import type { Model } from '../model/model.js';
import type { CodecOptions } from './options.js';
import type { ModelSource, Platform } from './platform.js';

export class Networks {
  readonly #options: CodecOptions;
  readonly #platform: Platform;
  #engine: Promise<Engine> | undefined;
  #open: { network: Network; model: Model } | undefined;

  constructor(options: CodecOptions, platform: Platform) {
    this.#options = options;
    this.#platform = platform;
  }

  /** A network of `streams` streams, in any state. It stays open until another one is asked for. */
  async open(model: Model, streams: number): Promise<Network> {
    if (this.#open?.model === model && this.#open.network.streams === streams) return this.#open.network;
    this.close();
    const engine = await this.#select();
    const network = engine.open(model, streams);
    this.#open = { network, model };
    return network;
  }

  /** Bytes that a network of `streams` streams takes beside the model's own. */
  async memory({ architecture }: Model, streams: number): Promise<number> {
    return (await this.#select()).memory(architecture, streams);
  }

  /** The engine's mixing coder. */
  async mixing(): Promise<MixKernels> {
    return (await this.#select()).mixing;
  }

  /** The engine's coding of blocks of the network alone, where it has one. */
  async kernels(): Promise<StreamKernels | undefined> {
    return (await this.#select()).streams;
  }

  close(): void {
    this.#open?.network.close();
    this.#open = undefined;
  }

  #select(): Promise<Engine> {
    const { engine = 'auto', threads } = this.#options;
    this.#engine ??=
      typeof engine === 'string' ? this.#platform.selectEngine(engine, { threads }) : Promise.resolve(engine);
    return this.#engine;
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
