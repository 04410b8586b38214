/** @file The TensorFlow.js engine in Node: on whichever of its packages the user has installed. */
import type { Engine } from '../engines/engine.js';
import { lendMixing } from '../engines/list.js';
import { tfjsPredictor, tfjsUnavailable } from '../engines/tfjs/engine.js';
import type { TensorFlow } from '../engines/tfjs/tensorflow.js';

/** Names that compilers do not look up: none needs to be there. The fastest first. */
const PACKAGES: readonly string[] = [
  '@tensorflow/tfjs-node-gpu',
  '@tensorflow/tfjs-node',
  '@tensorflow/tfjs',
];

/** What packages have beside what the engine uses. */
interface Namespace extends TensorFlow {
  version?: { tfjs?: string };
  /** Says nothing more to the console. */
  enableProdMode?(): void;
  backend?(): { isUsingGpuDevice?: boolean };
}

/** @throws what `import` throws; ERR_MODULE_NOT_FOUND may be of what the package needs */
type Load = (name: string) => Promise<unknown>;

const isMissing = (error: unknown, name: string): boolean => {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${name}'`);
};

/**
 * The first package that is installed.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE without one, or if it does not load
 */
async function findPackage(load: Load): Promise<{ name: string; tf: Namespace }> {
  for (const name of PACKAGES) {
    try {
      const loaded = (await load(name)) as { default?: Namespace };
      return { name, tf: loaded.default ?? (loaded as Namespace) };
    } catch (error) {
      if (isMissing(error, name)) continue;
      // some say it in many lines, after an empty one
      const why = (error as Error).message.split('\n').find((line) => line.trim() !== '') ?? 'it says not why';
      throw tfjsUnavailable(`its package ${name} does not load: ${why}`, error);
    }
  }
  throw tfjsUnavailable(
    `its package is not installed; install ${PACKAGES[0]} (CUDA) or ${PACKAGES[1]} beside shacomp`,
  );
}

let loaded: Promise<{ name: string; tf: Namespace }> | undefined;

/**
 * The engine, which has computed something right before this resolves.
 * @param lender mixes
 * @param load default: `import`
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE
 */
export async function tfjsEngine(lender: Engine, load?: Load): Promise<Engine> {
  const { name, tf } = await (load ? findPackage(load) : installed());
  tf.enableProdMode?.();
  const version = tf.version?.tfjs;
  await tf.ready();
  const gpu = tf.backend?.().isUsingGpuDevice;
  const device = gpu === undefined ? '' : gpu ? ' on a GPU' : ' without a GPU';
  return lendMixing(await tfjsPredictor(tf, `${name}${version ? ` ${version}` : ''}${device}`), lender);
}

const installed = () => {
  loaded ??= findPackage((name) => import(name));
  loaded.catch(() => {
    loaded = undefined;
  });
  return loaded;
};
