/** @file The native engine: the C++ kernels behind Node-API (cpp), with threads. Node only. */
import { availableParallelism } from 'node:os';
import { ShacompError } from '../../errors.js';
import type { IntegerModel } from '../../model/sharnn.js';
import { environment } from '../../node/env.js';
import { checkStreams } from '../check.js';
import type { Engine } from '../engine.js';
import { nativeAddon, nativeAddonName } from './addon.js';
import { chooseIsa, type IsaLists } from './isa.js';
import { type MixAddon, mixingOf } from './mixer.js';
import { type NativeNetwork, openNativeNetwork } from './network.js';
import { type StreamsAddon, streamsOf } from './streams.js';

/** Names for people. */
const ISA_NAMES: Record<string, string> = {
  avx512: 'AVX-512 VNNI',
  avxvnni: 'AVX-VNNI',
  avx2: 'AVX2',
  dotprod: 'NEON with dot product',
  baseline: process.arch === 'arm64' ? 'NEON' : 'no vector instructions',
};

export interface NativeOptions {
  /**
   * Most threads to use, at most the processors available. Default: SHACOMP_THREADS, else all of these. Never
   * changes a result.
   */
  threads?: number;
  /** Instruction set: avx512, avxvnni, avx2, dotprod or baseline. Default: SHACOMP_ISA, else the best one. */
  isa?: string;
}

function threadCount(option: number | undefined): number {
  const given = option ?? environment('SHACOMP_THREADS');
  const processors = availableParallelism();
  if (given === undefined) return processors;
  const threads = Number(given);
  if (!Number.isInteger(threads) || threads < 1 || threads > 1024)
    throw new ShacompError(
      'ERR_OPTIONS',
      `${option === undefined ? 'SHACOMP_THREADS' : 'threads'} must be a whole number from 1 to 1024, not ${given}`,
    );
  // more would only wait for each other
  return Math.min(threads, processors);
}

/** Instruction sets that the native engine can use on this processor, best first. */
export const nativeIsas = (): string[] => nativeAddon<NativeNetwork>().networkIsas();

/**
 * The native engine.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE if the addon does not run here; ERR_OPTIONS if it lacks the
 * instruction set asked for
 */
export function nativeEngine(options: NativeOptions = {}): Engine {
  const addon = nativeAddon<NativeNetwork & MixAddon & StreamsAddon & IsaLists>();
  const isa = chooseIsa(addon, addon.networkIsas(), options.isa);
  const threads = threadCount(options.threads);
  return {
    name: 'native',
    detail: `${ISA_NAMES[isa]}, ${threads} thread${threads === 1 ? '' : 's'}`,
    facts: {
      driver: `the addon ${nativeAddonName()}`,
      kernels: ISA_NAMES[isa],
      software: false,
      limits: { threads },
    },
    memory: ({ width, layers, boom, window, attention }, streams) => {
      checkStreams(streams);
      const bits = attention.reduce((sum, l) => sum + 2 ** l, 0);
      return addon.networkBytes(isa, width, layers, boom, window, bits, streams, threads);
    },
    open: (model: IntegerModel, streams) => openNativeNetwork(addon, model, isa, streams, threads),
    mixing: mixingOf(addon),
    streams: streamsOf(addon, threads),
  };
}
