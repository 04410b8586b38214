/** @file The native engine: the C++ kernels behind Node-API (cpp), with threads. */
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { ShacompError } from '../../errors.js';
import { type IntegerModel, trustedBytes } from '../../model/sharnn.js';
import { checkRun, checkStreams } from '../check.js';
import type { Engine, Network } from '../engine.js';
import { chooseIsa, type IsaLists } from './isa.js';

/** Opaque handles of the addon. */
type ModelHandle = { readonly model: unique symbol };
export type NetworkHandle = { readonly network: unique symbol };

/** What cpp/bindings/node/network.cc exports. */
export interface NativeNetwork {
  networkIsas(): string[];
  packModel(file: Uint8Array, isa: string): ModelHandle;
  openNetwork(model: ModelHandle, streams: number, threads: number): NetworkHandle;
  resetNetwork(network: NetworkHandle): void;
  runNetwork(network: NetworkHandle, bytes: Uint8Array, steps: number, frequencies: Uint32Array): void;
  closeNetwork(network: NetworkHandle): void;
  productName(model: ModelHandle): string;
  benchmarkDot(model: ModelHandle, repeats: number): number;
  benchmarkProduct(model: ModelHandle, columns: number, repeats: number): number;
}

/** "linux-x64", "linux-x64-musl", "darwin-arm64", …: must equal prebuildName() in scripts/build-native.mjs. */
function prebuildName(): string {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  const musl = process.platform === 'linux' && !report?.header?.glibcVersionRuntime;
  return `${process.platform}-${process.arch}${musl ? '-musl' : ''}`;
}

/** Where this machine's addon lies, built or not: src/ and dist/ are both two levels above this file's folder. */
export const nativeAddonPath = (): string =>
  fileURLToPath(new URL(`../../../prebuilds/${prebuildName()}/shacomp.node`, import.meta.url));

let loaded: { addon: unknown } | { reason: string } | undefined;

/** Loads the addon. */
function load(): { addon: unknown } | { reason: string } {
  try {
    return { addon: createRequire(import.meta.url)(nativeAddonPath()) };
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND';
    const [line] = String((error as Error).message).split('\n');
    return { reason: missing ? `prebuilds/${prebuildName()}/shacomp.node is not there` : line };
  }
}

/**
 * The addon's exports, for the parts of the program that are written in C++.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE with the reason
 */
export function nativeAddon<T>(): T {
  loaded ??= load();
  if ('addon' in loaded) return loaded.addon as T;
  throw new ShacompError('ERR_ENGINE_UNAVAILABLE', `the native engine does not run here: ${loaded.reason}`);
}

/** Names for people. */
const ISA_NAMES: Record<string, string> = {
  avx512: 'AVX-512 VNNI',
  avxvnni: 'AVX-VNNI',
  avx2: 'AVX2',
  dotprod: 'NEON with dot product',
  baseline: process.arch === 'arm64' ? 'NEON' : 'no vector instructions',
};

export interface NativeOptions {
  /** Most threads to use. Default: SHACOMP_THREADS, else the processors available. Never changes a result. */
  threads?: number;
  /** Instruction set: avx512, avxvnni, avx2, dotprod or baseline. Default: SHACOMP_ISA, else the best one. */
  isa?: string;
}

function threadCount(option: number | undefined): number {
  const given = option ?? process.env.SHACOMP_THREADS;
  if (given === undefined || given === '') return availableParallelism();
  const threads = Number(given);
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024)
    throw new ShacompError(
      'ERR_OPTIONS',
      `${option === undefined ? 'SHACOMP_THREADS' : 'threads'} must be a whole number from 1 to 1024, not ${given}`,
    );
  return threads;
}

/** Instruction sets that the native engine can use on this processor, best first. */
export const nativeIsas = (): string[] => nativeAddon<NativeNetwork>().networkIsas();

/**
 * The native engine.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE if the addon does not run here; ERR_OPTIONS if it lacks the instruction set asked for
 */
export function nativeEngine(options: NativeOptions = {}): Engine {
  const addon = nativeAddon<NativeNetwork & IsaLists>();
  const isa = chooseIsa(addon, addon.networkIsas(), options.isa);
  const threads = threadCount(options.threads);
  return {
    name: 'native',
    detail: `${ISA_NAMES[isa]}, ${threads} thread${threads === 1 ? '' : 's'}`,
    open: (model, streams) => {
      checkStreams(streams);
      return guarded(() => new NativeEngineNetwork(addon, packed(addon, model, isa), streams, threads));
    },
  };
}

/** The repacked weights of every model, per instruction set: networks of one model share them. */
const packedModels = new WeakMap<IntegerModel, Map<string, ModelHandle>>();

/** Weights of a model, repacked for an instruction set; made once. */
export function packed(addon: NativeNetwork, model: IntegerModel, isa: string): ModelHandle {
  const byIsa = packedModels.get(model) ?? new Map<string, ModelHandle>();
  packedModels.set(model, byIsa);
  const handle = byIsa.get(isa) ?? addon.packModel(trustedBytes(model), isa);
  byIsa.set(isa, handle);
  return handle;
}

/** The addon itself throws only when memory is short. */
function guarded<T>(open: () => T): T {
  try {
    return open();
  } catch (error) {
    if (error instanceof ShacompError) throw error;
    throw new ShacompError(
      'ERR_MEMORY_LIMIT',
      `the network does not fit into memory: ${(error as Error).message}`,
    );
  }
}

/** The addon's handle of a network; undefined for one of another engine or a closed one. */
export function networkHandle(network: Network): NetworkHandle | undefined {
  return network instanceof NativeEngineNetwork ? network.handle : undefined;
}

class NativeEngineNetwork implements Network {
  handle: NetworkHandle | undefined;

  constructor(
    private readonly addon: NativeNetwork,
    model: ModelHandle,
    readonly streams: number,
    threads: number,
  ) {
    this.handle = addon.openNetwork(model, streams, threads);
  }

  reset(): void {
    this.addon.resetNetwork(this.opened());
  }

  step(bytes: Uint8Array, frequencies: Uint32Array): void {
    this.run(bytes, 1, frequencies);
  }

  run(bytes: Uint8Array, steps: number, frequencies: Uint32Array): void {
    checkRun(this.streams, bytes, steps, frequencies);
    this.addon.runNetwork(this.opened(), bytes, steps, frequencies);
  }

  close(): void {
    if (this.handle) this.addon.closeNetwork(this.handle);
    this.handle = undefined;
  }

  private opened(): NetworkHandle {
    if (!this.handle) throw new ShacompError('ERR_OPTIONS', 'the network is closed');
    return this.handle;
  }
}
