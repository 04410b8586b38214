/** @file Keeps the engine and the open network of one run from block to block. */
import type { Engine, MixKernels, Network } from '../engines/engine.js';
import type { IntegerModel } from '../model/sharnn.js';
import type { CodecOptions } from './options.js';

export class Networks {
  readonly #options: CodecOptions;
  #engine: Promise<Engine> | undefined;
  #open: { network: Network; model: IntegerModel } | undefined;

  constructor(options: CodecOptions) {
    this.#options = options;
  }

  /** A network of `streams` streams, in any state. It stays open until another one is asked for. */
  async open(model: IntegerModel, streams: number): Promise<Network> {
    if (this.#open?.model === model && this.#open.network.streams === streams) return this.#open.network;
    this.close();
    const engine = await this.#select();
    const network = engine.open(model, streams);
    this.#open = { network, model };
    return network;
  }

  /** The engine's mixing coder. */
  async mixing(): Promise<MixKernels> {
    return (await this.#select()).mixing;
  }

  close(): void {
    this.#open?.network.close();
    this.#open = undefined;
  }

  #select(): Promise<Engine> {
    this.#engine ??= (async () => {
      const { engine = 'auto', threads } = this.#options;
      if (typeof engine !== 'string') return engine;
      // loaded late: files that are only stored need no engine
      const { selectEngine } = await import('../node/engines.js');
      return selectEngine(engine, { threads });
    })();
    return this.#engine;
  }
}
