/** @file The native engine: the C++ kernels behind Node-API (cpp), with threads. Node only. */
import { availableParallelism } from 'node:os';
import { ShacompError } from '../../errors.js';
import { environment } from '../../node/env.js';
import type { Engine } from '../engine.js';
import { nativeAddon } from './addon.js';
import { chooseIsa, type IsaLists } from './isa.js';
import { type MixAddon, mixingOf } from './mixer.js';
import { type NativeNetwork, openNativeNetwork } from './network.js';

/** Names for people. */
const ISA_NAMES: Record<string, string> = {
  avx512: 'AVX-512 VNNI',
  avx2: 'AVX2',
  dotprod: 'NEON with dot product',
  baseline: process.arch === 'arm64' ? 'NEON' : 'no vector instructions',
};

export interface NativeOptions {
  /** Most threads to use. Default: SHACOMP_THREADS, else the processors available. Never changes a result. */
  threads?: number;
  /** Instruction set: avx512, avx2, dotprod or baseline. Default: SHACOMP_ISA, else the best one. */
  isa?: string;
}

function threadCount(option: number | undefined): number {
  const given = option ?? environment('SHACOMP_THREADS');
  if (given === undefined) return availableParallelism();
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
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE if the addon does not run here; ERR_OPTIONS if it lacks the instruction
 * set asked for
 */
export function nativeEngine(options: NativeOptions = {}): Engine {
  const addon = nativeAddon<NativeNetwork & MixAddon & IsaLists>();
  const isa = chooseIsa(addon, addon.networkIsas(), options.isa);
  const threads = threadCount(options.threads);
  return {
    name: 'native',
    detail: `${ISA_NAMES[isa]}, ${threads} thread${threads === 1 ? '' : 's'}`,
    open: (model, streams) => openNativeNetwork(addon, model, isa, streams, threads),
    mixing: mixingOf(addon),
  };
}
