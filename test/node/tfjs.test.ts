import { describe, expect, it } from 'vitest';
import { referenceEngine } from '../../src/engines/reference/engine.js';
import { ENGINE_NAMES, runsInThreads } from '../../src/node/engines.js';
import { describeTfjs, type Packages, tfjsEngine } from '../../src/node/tfjs.js';
import { tf, tfjsOn } from '../helpers/tensorflow.js';

/** Packages that are installed, or do not load. */
const having = (packages: Record<string, unknown>, loaded: string[] = []): Packages => ({
  find(name) {
    if (!(name in packages)) throw new Error(`Cannot find module '${name}'`);
  },
  async load(name) {
    loaded.push(name);
    const found = packages[name];
    if (found instanceof Error) throw found;
    return found;
  },
});
const refused = (packages: Record<string, unknown>, message: string) =>
  expect(tfjsEngine(referenceEngine, having(packages))).rejects.toMatchObject({
    code: 'ERR_ENGINE_UNAVAILABLE',
    message: `the TensorFlow.js engine does not run here: ${message}`,
  });

describe('the package of the TensorFlow.js engine', () => {
  it('is the fastest that is installed, which the detail names', async () => {
    await tfjsOn('wasm').then((engine) => engine.close());
    const gpu = { ...tf, version: { tfjs: '4.22.0' }, backend: () => ({ isUsingGpuDevice: true }) };
    const loaded: string[] = [];
    const engine = await tfjsEngine(
      referenceEngine,
      having({ '@tensorflow/tfjs-node-gpu': { default: gpu }, '@tensorflow/tfjs': tf }, loaded),
    );
    expect(engine).toMatchObject({
      name: 'tfjs',
      detail: '@tensorflow/tfjs-node-gpu 4.22.0, backend wasm on a GPU; mixing by reference',
    });
    expect(loaded).toEqual(['@tensorflow/tfjs-node-gpu']);
    const last = await tfjsEngine(referenceEngine, having({ '@tensorflow/tfjs': tf }));
    expect(last.detail).toMatch(/^@tensorflow\/tfjs, backend wasm;/);
  });

  it('is named, with what to install, where none is installed', () =>
    refused(
      {},
      'its package is not installed: npm install @tensorflow/tfjs-node-gpu (CUDA), or @tensorflow/tfjs-node',
    ));

  it('says why it does not load, in one line, and none that is slower is taken in its place', async () => {
    const broken = new Error(
      '\nThe Node.js native addon module (tfjs_binding.node) can not be found\n  at ...',
    );
    await refused(
      { '@tensorflow/tfjs-node-gpu': broken, '@tensorflow/tfjs': tf },
      'its package @tensorflow/tfjs-node-gpu does not load: The Node.js native addon module (tfjs_binding.node) can not be found',
    );
  });
});

describe('what the engine would run on', () => {
  it('is told without loading anything', async () => {
    const loaded: string[] = [];
    const packages = having({ '@tensorflow/tfjs': tf, '@tensorflow/tfjs-node': tf }, loaded);
    expect((await describeTfjs(packages)).detail).toMatch(/^@tensorflow\/tfjs-node, /);
    expect(loaded).toEqual([]);
    await expect(describeTfjs(having({}))).rejects.toMatchObject({ code: 'ERR_ENGINE_UNAVAILABLE' });
  });
});

describe('threads that code blocks side by side', () => {
  it('have no engine of a GPU each: there is one of each', () => {
    expect(ENGINE_NAMES.filter((name) => !runsInThreads(name))).toEqual(['webgpu', 'tfjs']);
  });
});
