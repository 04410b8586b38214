/** @file The TensorFlow.js engine: networks on any of its backends. It only predicts. */
import { ShacompError } from '../../errors.js';
import { type Architecture, SYMBOLS } from '../../model/architecture.js';
import { type IntegerModel, modelImage } from '../../model/sharnn.js';
import { checkStreams, engineUnavailable } from '../check.js';
import type { Network, Predictor } from '../engine.js';
import { computesRight } from '../self-check.js';
import { Arithmetic } from './arithmetic.js';
import { keptPositions } from './memory.js';
import { type ModelTensors, modelTensors } from './model-tensors.js';
import { TensorNetwork } from './network.js';
import type { TensorFlow } from './tensorflow.js';

/** As {@link engineUnavailable}. */
export const tfjsUnavailable = (why: string, cause?: unknown) =>
  engineUnavailable('TensorFlow.js', why, cause);

export interface TfjsPredictor extends Predictor {
  /** Disposes of every tensor. Networks that are open fail. */
  close(): void;
}

/** Tensors of a step that are there at the same time: some thirty of the widest, a dozen of scores. */
const WIDEST = 32;
const SCORES = 16;

/** Bytes of float32 that an open network has, and makes in a step. */
function networkMemory({ width, boom, window, layers, attention }: Architecture, streams: number): number {
  checkStreams(streams);
  const widest = Math.max(4, boom) * width;
  // a memory is made anew beside the old one
  const memories = attention.length === 0 ? 0 : (attention.length + 2) * keptPositions(window) * width;
  const scores = attention.length === 0 ? 0 : SCORES * keptPositions(window);
  return 4 * streams * (memories + 2 * layers * width + WIDEST * widest + scores + 2 * SYMBOLS);
}

/** Models on the device: one stays while a network of it is open, and then until another is opened. */
class Models {
  private readonly list = new Map<IntegerModel, { tensors: ModelTensors; users: number }>();

  constructor(private readonly arithmetic: Arithmetic) {}

  take(model: IntegerModel): ModelTensors {
    let entry = this.list.get(model);
    if (!entry) {
      this.dispose(({ users }) => users === 0);
      entry = { tensors: modelTensors(this.arithmetic, model), users: 0 };
      this.list.set(model, entry);
    }
    entry.users++;
    return entry.tensors;
  }

  give(model: IntegerModel): void {
    const entry = this.list.get(model);
    if (entry) entry.users--;
  }

  dispose(which: (entry: { users: number }) => boolean = () => true): void {
    for (const [model, entry] of this.list)
      if (which(entry)) {
        entry.tensors.dispose();
        this.list.delete(model);
      }
  }
}

/** What computes, whatever the backend. */
export const KERNELS = 'whole numbers in float32 tensors';

function describe(tf: TensorFlow, name: string): Pick<Predictor, 'detail' | 'facts'> {
  const version = tf.version?.tfjs;
  const { isUsingGpuDevice: gpu } = tf.backend();
  const where = gpu === undefined ? '' : gpu ? ' on a GPU' : ' without a GPU';
  const driver = `${name}${version ? ` ${version}` : ''}, backend ${tf.getBackend()}`;
  return {
    detail: `${driver}${where}`,
    facts: {
      device: gpu ? 'a GPU of CUDA' : undefined,
      driver,
      kernels: KERNELS,
      software: false,
      limits: {},
    },
  };
}

/**
 * The engine on TensorFlow.js' current backend, which has computed something right before this resolves.
 * @param tf a namespace of TensorFlow.js: of @tensorflow/tfjs-node-gpu, or of another of its packages
 * @param name of what `tf` is of, for people
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE
 */
export async function tfjsPredictor(tf: TensorFlow, name = 'TensorFlow.js'): Promise<TfjsPredictor> {
  const failed = (error: unknown) =>
    error instanceof ShacompError
      ? error
      : tfjsUnavailable(`${name} failed: ${(error as Error).message.split('\n')[0]}`, error);
  const guarded = <T>(work: () => T): T => {
    try {
      return work();
    } catch (error) {
      throw failed(error);
    }
  };
  await tf.ready().catch((error) => {
    throw failed(error);
  });
  const arithmetic = guarded(() => new Arithmetic(tf));
  const models = new Models(arithmetic);
  const open = (model: IntegerModel, streams: number): Network => {
    checkStreams(streams);
    modelImage(model); // only models that were parsed
    const tensors = guarded(() => models.take(model));
    const network = new TensorNetwork(arithmetic, model, tensors, streams, () => models.give(model));
    return {
      streams,
      reset: () => network.reset(),
      step: (bytes, frequencies) => guarded(() => network.step(bytes, frequencies)),
      run: (bytes, steps, frequencies) => guarded(() => network.run(bytes, steps, frequencies)),
      close: () => network.close(),
    };
  };
  const close = () => {
    models.dispose();
    arithmetic.close();
  };
  const description = describe(tf, name);
  let right: boolean;
  try {
    right = await computesRight(open);
  } catch (error) {
    close();
    throw error;
  }
  if (!right) {
    close();
    throw tfjsUnavailable(`${description.detail} computes wrong numbers; use another backend or engine`);
  }
  models.dispose();
  return { name: 'tfjs', ...description, memory: networkMemory, open, close };
}
