import { describe, expect, it } from 'vitest';
import { withTypedErrors } from '../../src/engines/native/errors.js';
import { WasmHeap } from '../../src/engines/wasm/memory.js';
import { ShacompError } from '../../src/errors.js';
import { PRESETS } from '../../src/model/architecture.js';
import { TrainingNetwork } from '../../src/trainer/network.js';

const thrown = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('errors of engines', () => {
  it('of the addon with one of its codes are ours, with its message; all others stay what they are', () => {
    const fails = (error: unknown) =>
      withTypedErrors({
        call: () => {
          throw error;
        },
      }).call;
    for (const code of ['ERR_MEMORY_LIMIT', 'ERR_OPTIONS', 'ERR_ENGINE_UNAVAILABLE']) {
      const error = thrown(fails(Object.assign(new Error('why'), { code })));
      expect(error).toBeInstanceOf(ShacompError);
      expect(error).toMatchObject({ code, message: 'why' });
    }
    for (const other of [
      new TypeError('a fault'),
      Object.assign(new Error('x'), { code: 'ERR_OTHER' }),
      undefined,
      null,
    ])
      expect(thrown(fails(other))).toBe(other);
  });

  it('of WebAssembly are lack of memory only where memory lacks', () => {
    const notEnough = new Proxy(WebAssembly.Instance, {
      construct: () => {
        throw new RangeError('Out of memory');
      },
    });
    const { Instance } = WebAssembly;
    const module = {} as WebAssembly.Module;
    expect(thrown(() => new WasmHeap(module))).toBeInstanceOf(TypeError);
    WebAssembly.Instance = notEnough;
    try {
      expect(thrown(() => new WasmHeap(module))).toMatchObject({ code: 'ERR_MEMORY_LIMIT' });
    } finally {
      WebAssembly.Instance = Instance;
    }
  });

  it('of training are lack of memory only where memory lacks', () => {
    const open = (error: unknown) => () =>
      new TrainingNetwork(
        PRESETS.tiny,
        { batch: 1, steps: 64, threads: 1, bf16: false },
        {
          measure: () => 1000,
          open: () => {
            throw error;
          },
        },
      );
    const fault = new TypeError('a fault');
    expect(thrown(open(fault))).toBe(fault);
    expect(thrown(open(new ShacompError('ERR_MEMORY_LIMIT', 'none left')))).toMatchObject({
      code: 'ERR_MEMORY_LIMIT',
      message: expect.stringMatching(/^training needs .*none left/),
    });
  });
});
