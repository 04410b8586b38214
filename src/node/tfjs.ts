/** @file The TensorFlow.js engine in Node: on whichever of its packages the user has installed. */
import { createRequire } from 'node:module';
import type { Engine } from '../engines/engine.js';
import { type Description, lendMixing } from '../engines/list.js';
import { KERNELS, type TfjsPredictor, tfjsPredictor, tfjsUnavailable } from '../engines/tfjs/engine.js';
import type { TensorFlow } from '../engines/tfjs/tensorflow.js';

/** Names that compilers do not look up: none needs to be there. The fastest first. */
const PACKAGES: readonly string[] = [
  '@tensorflow/tfjs-node-gpu',
  '@tensorflow/tfjs-node',
  '@tensorflow/tfjs',
];

/** Where packages are. */
export interface Packages {
  /** @throws if none of that name is installed */
  find(name: string): unknown;
  load(name: string): Promise<unknown>;
}

const INSTALLED: Packages = {
  find: createRequire(import.meta.url).resolve,
  load: (name) => import(/* @vite-ignore */ name),
};

/** The first that is installed. @throws ShacompError ERR_ENGINE_UNAVAILABLE */
function findPackage({ find }: Packages): string {
  const found = PACKAGES.find((name) => {
    try {
      find(name);
      return true;
    } catch {
      return false;
    }
  });
  if (found) return found;
  const [gpu, cpu] = PACKAGES;
  throw tfjsUnavailable(`its package is not installed: npm install ${gpu} (CUDA), or ${cpu}`);
}

/**
 * What the engine would run on, without loading it: TensorFlow takes seconds, and writes to the terminal.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE if no package is installed
 */
export async function describeTfjs(packages = INSTALLED): Promise<Description> {
  const name = findPackage(packages);
  return {
    detail: `${name}, which is loaded and checked when the engine is asked for`,
    facts: { device: 'known when it is loaded', driver: name, kernels: KERNELS, software: false, limits: {} },
  };
}

/** @throws ShacompError ERR_ENGINE_UNAVAILABLE if it does not load */
async function load(packages: Packages, name: string): Promise<TensorFlow> {
  try {
    const namespace = (await packages.load(name)) as { default?: TensorFlow } & TensorFlow;
    return namespace.default ?? namespace;
  } catch (error) {
    // some say it in many lines, after an empty one
    const why = (error as Error).message.split('\n').find((line) => line.trim() !== '');
    throw tfjsUnavailable(`its package ${name} does not load: ${why?.trim()}`, error);
  }
}

async function start(packages: Packages): Promise<TfjsPredictor> {
  const name = findPackage(packages);
  const tf = await load(packages, name);
  // it greets on the console otherwise
  (tf as { enableProdMode?(): void }).enableProdMode?.();
  return tfjsPredictor(tf, name);
}

/** One for the process: its tensors stay. */
let started: Promise<TfjsPredictor> | undefined;

/**
 * The engine, which has computed something right before this resolves.
 * @param lender mixes
 * @param packages default: those that are installed
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE
 */
export async function tfjsEngine(lender: Engine, packages?: Packages): Promise<Engine> {
  if (packages) return lendMixing(await start(packages), lender);
  started ??= start(INSTALLED);
  try {
    return lendMixing(await started, lender);
  } catch (error) {
    started = undefined;
    throw error;
  }
}
