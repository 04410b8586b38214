/**
 * @file The WebAssembly engine's memory: reused by later networks, and never asked for more than 32 bits can
 * count.
 */
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from 'vitest';
import { INITIAL_BYTE } from '../../../src/model/architecture.js';
import { selectEngine } from '../../../src/node/engines.js';
import { randomModel } from '../../helpers/random-model.js';

const engine = await selectEngine('wasm');
/** Tiny weights, and a state of 2.7 MiB a stream. */
const model = randomModel({
  seed: 1,
  architecture: { width: 64, layers: 5, boom: 1, window: 8192, attention: [0, 1, 2, 3, 4] },
});

let grown: MockInstance;
beforeEach(() => {
  grown = vi.spyOn(WebAssembly.Memory.prototype, 'grow');
});
afterEach(() => grown.mockRestore());

describe('memory of WebAssembly', () => {
  it('is given back by closed networks: opening as many again takes no more', () => {
    engine.open(model, 3).close();
    grown.mockClear();
    for (let n = 0; n < 20; n++) engine.open(model, 3).close();
    expect(grown).not.toHaveBeenCalled();
  });

  it('is given back once, however often a network is closed', () => {
    const [first, second] = [engine.open(model, 2), engine.open(model, 2)];
    first.close();
    first.close();
    const [a, b] = [engine.open(model, 2), engine.open(model, 2)];
    // a, b and second are three states: what one is fed does not reach another
    const frequencies = new Uint32Array(2 * 256);
    const cold = new Uint32Array(2 * 256);
    a.step(Uint8Array.of(INITIAL_BYTE, INITIAL_BYTE), cold);
    for (let n = 0; n < 5; n++) a.step(Uint8Array.of(1, 2), frequencies);
    b.step(Uint8Array.of(INITIAL_BYTE, INITIAL_BYTE), frequencies);
    expect(frequencies).toEqual(cold);
    for (const network of [a, b, second]) network.close();
  });

  it.each([2000, 3100, 65536])('is refused for %i such streams before any is taken for them', (streams) => {
    engine.open(model, 1).close();
    grown.mockClear();
    expect(() => engine.open(model, streams)).toThrow(
      expect.objectContaining({
        code: 'ERR_MEMORY_LIMIT',
        message: expect.stringContaining('fewer streams'),
      }),
    );
    // an instance for the weights is all that was made
    const pages = grown.mock.calls.reduce((sum, [delta]) => sum + delta, 0);
    expect(pages * 65536).toBeLessThan(2 ** 21);
  });
});
