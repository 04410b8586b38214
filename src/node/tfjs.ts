/** @file The TensorFlow.js engine in Node: on whichever of its packages the user has installed. */
import { createRequire } from 'node:module';
import type { Engine } from '../engines/engine.js';
import { lendMixing } from '../engines/list.js';
import { type TfjsPredictor, tfjsPredictor, tfjsUnavailable } from '../engines/tfjs/engine.js';
import type { TensorFlow } from '../engines/tfjs/tensorflow.js';

/** Names that compilers do not look up: none needs to be there. The fastest first. */
const PACKAGES: readonly string[] = [
  '@tensorflow/tfjs-node-gpu',
  '@tensorflow/tfjs-node',
  '@tensorflow/tfjs',
];

/** How a package is had: as `import` does it. */
type Load = (name: string) => Promise<unknown>;

const isMissing = (error: unknown, name: string): boolean => {
  const { code, message } = error as NodeJS.ErrnoException;
  // the name of another one: what the package needs is missing
  return code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${name}'`);
};

/**
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE if no package is installed, or the first that is does not load
 */
async function findPackage(load: Load): Promise<{ name: string; tf: TensorFlow }> {
  for (const name of PACKAGES) {
    try {
      const namespace = (await load(name)) as { default?: TensorFlow } & TensorFlow;
      return { name, tf: namespace.default ?? namespace };
    } catch (error) {
      if (isMissing(error, name)) continue;
      const why = (error as Error).message.split('\n').find((line) => line.trim() !== '');
      throw tfjsUnavailable(`its package ${name} does not load: ${why?.trim()}`, error);
    }
  }
  throw notInstalled();
}

const notInstalled = () =>
  tfjsUnavailable(`its package is not installed: npm install ${PACKAGES[0]} (CUDA), or ${PACKAGES[1]}`);

/**
 * What the engine would run on, without loading it: TensorFlow takes seconds, and writes to the terminal.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE if no package is installed
 */
export async function describeTfjs(
  find: (name: string) => unknown = createRequire(import.meta.url).resolve,
): Promise<string> {
  for (const name of PACKAGES) {
    try {
      find(name);
      return `${name}, which is loaded and checked when the engine is asked for`;
    } catch {
      // the next one
    }
  }
  throw notInstalled();
}

async function start(load: Load): Promise<TfjsPredictor> {
  const { name, tf } = await findPackage(load);
  // it greets on the console otherwise
  (tf as { enableProdMode?(): void }).enableProdMode?.();
  return tfjsPredictor(tf, name);
}

/** One for the process: its tensors stay. */
let started: Promise<TfjsPredictor> | undefined;

/**
 * The engine, which has computed something right before this resolves.
 * @param lender mixes
 * @param load default: `import`
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE
 */
export async function tfjsEngine(lender: Engine, load?: Load): Promise<Engine> {
  if (load) return lendMixing(await start(load), lender);
  started ??= start((name) => import(/* @vite-ignore */ name));
  try {
    return lendMixing(await started, lender);
  } catch (error) {
    started = undefined;
    throw error;
  }
}
