/** @file The network in the native addon (cpp/bindings/node/network.cc). */
import { type IntegerModel, modelImage } from '../../model/sharnn.js';
import { checkRun, checkStreams, networkClosed } from '../check.js';
import type { Network } from '../engine.js';

/** Opaque handles of the addon. */
type ModelHandle = { readonly model: unique symbol };
export type NetworkHandle = { readonly network: unique symbol };

/** What cpp/bindings/node/network.cc exports. */
export interface NativeNetwork {
  networkIsas(): string[];
  packModel(image: Uint8Array, isa: string): ModelHandle;
  networkBytes(isa: string, ...shapeStreamsAndThreads: number[]): number;
  openNetwork(model: ModelHandle, streams: number, threads: number): NetworkHandle;
  resetNetwork(network: NetworkHandle): void;
  runNetwork(network: NetworkHandle, bytes: Uint8Array, steps: number, frequencies: Uint32Array): void;
  closeNetwork(network: NetworkHandle): void;
  productName(model: ModelHandle): string;
  benchmarkDot(model: ModelHandle, repeats: number): number;
  benchmarkProduct(model: ModelHandle, columns: number, repeats: number): number;
}

/** The repacked weights of every model, per instruction set: networks of one model share them. */
const packedModels = new WeakMap<IntegerModel, Map<string, ModelHandle>>();

/** Weights of a model, repacked for an instruction set; made once. */
export function packed(addon: NativeNetwork, model: IntegerModel, isa: string): ModelHandle {
  const byIsa = packedModels.get(model) ?? new Map<string, ModelHandle>();
  packedModels.set(model, byIsa);
  const handle = byIsa.get(isa) ?? addon.packModel(modelImage(model), isa);
  byIsa.set(isa, handle);
  return handle;
}

/** @throws ShacompError ERR_OPTIONS, ERR_MODEL_INVALID, ERR_MEMORY_LIMIT */
export function openNativeNetwork(
  addon: NativeNetwork,
  model: IntegerModel,
  isa: string,
  streams: number,
  threads: number,
): Network {
  checkStreams(streams);
  return new NativeEngineNetwork(addon, packed(addon, model, isa), streams, threads);
}

/** The addon's handle of a network; undefined for one of another engine or a closed one. */
export function networkHandle(network: Network): NetworkHandle | undefined {
  return network instanceof NativeEngineNetwork ? network.handle : undefined;
}

class NativeEngineNetwork implements Network {
  handle: NetworkHandle | undefined;
  readonly #addon: NativeNetwork;

  constructor(
    addon: NativeNetwork,
    model: ModelHandle,
    readonly streams: number,
    threads: number,
  ) {
    this.#addon = addon;
    this.handle = addon.openNetwork(model, streams, threads);
  }

  reset(): void {
    this.#addon.resetNetwork(this.#opened());
  }

  step(bytes: Uint8Array, frequencies: Uint32Array): void {
    this.run(bytes, 1, frequencies);
  }

  run(bytes: Uint8Array, steps: number, frequencies: Uint32Array): void {
    checkRun(this.streams, bytes, steps, frequencies);
    this.#addon.runNetwork(this.#opened(), bytes, steps, frequencies);
  }

  close(): void {
    if (this.handle) this.#addon.closeNetwork(this.handle);
    this.handle = undefined;
  }

  #opened(): NetworkHandle {
    if (!this.handle) throw networkClosed();
    return this.handle;
  }
}
