/** @file Keeps the engine, its mixing kernels and the open network of one run from block to block. */
import type { Engine, Network } from '../engines/engine.js';
import type { IntegerModel } from '../model/sharnn.js';
import type { MixKernels } from './block/mixing-coder.js';
import type { CodecOptions } from './options.js';

export class Networks {
  readonly #options: CodecOptions;
  #engine: Promise<Engine> | undefined;
  #mixing: Promise<MixKernels> | undefined;
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

  /** Bytes that a network of `streams` streams takes beside the model's own. */
  async memory({ architecture }: IntegerModel, streams: number): Promise<number> {
    return (await this.#select()).memory(architecture, streams);
  }

  /** The mixing coder that goes with the engine. */
  mixing(): Promise<MixKernels> {
    this.#mixing ??= (async () => {
      const { name } = await this.#select();
      const { mixKernels } = await import('../engines/mixing.js');
      return mixKernels(name);
    })();
    return this.#mixing;
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
      const { selectEngine } = await import('../engines/list.js');
      return selectEngine(engine, { threads });
    })();
    return this.#engine;
  }
}
