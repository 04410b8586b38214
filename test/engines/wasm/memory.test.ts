import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Networks } from '../../../src/codec/session.js';
import { wasmEngine } from '../../../src/engines/wasm/engine.js';
import { type HeapExports, WasmHeap } from '../../../src/engines/wasm/memory.js';
import { wasmMixing } from '../../../src/engines/wasm/mixer.js';
import type { Architecture } from '../../../src/model/architecture.js';
import { NODE } from '../../../src/node/codec.js';
import { randomModel, randomSource } from '../../helpers/random-model.js';

const MIB = 2 ** 20;
const bytes = readFileSync(new URL('../../../src/engines/wasm/shacomp.wasm', import.meta.url));
const newModule = () => new WebAssembly.Module(bytes);
const module = newModule();
const newHeap = () => new WasmHeap<HeapExports>(module);

/** Half a megabyte per stream, hardly any of which is touched. */
const hungry = () =>
  randomModel({ seed: 1, architecture: { width: 64, layers: 1, boom: 1, window: 8000, attention: [0] } });

setFlagsFromString('--expose-gc');
const gc = runInNewContext('gc') as () => void;
const OriginalInstance = WebAssembly.Instance;
let memories: WeakRef<WebAssembly.Memory>[] = [];
/** Remembers every instance's memory without holding it. */
class WatchedInstance extends OriginalInstance {
  constructor(of: WebAssembly.Module) {
    super(of);
    memories.push(new WeakRef(this.exports.memory as WebAssembly.Memory));
  }
}
/** Bytes of WebAssembly memory that the program can still reach. */
async function reachable(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    gc();
  }
  return memories.reduce((sum, memory) => sum + (memory.deref()?.buffer.byteLength ?? 0), 0);
}

describe('a heap', () => {
  it('hands out aligned blocks that never overlap, and merges what is freed', () => {
    const heap = newHeap();
    const random = randomSource(5);
    const taken: { at: number; size: number }[] = [];
    let most = 0;
    for (let i = 0; i < 5000; i++) {
      if (random() < 0.52 && taken.length < 100) {
        const size = Math.floor(random() ** 3 * 100_000);
        taken.push({ at: heap.allocate(size, 'a block'), size });
        most = Math.max(most, heap.used);
      } else if (taken.length > 0) {
        heap.release(taken.splice(Math.floor(random() * taken.length), 1)[0].at);
      }
      const sorted = taken.toSorted((a, b) => a.at - b.at);
      expect(sorted.every(({ at }) => at % 64 === 0)).toBe(true);
      expect(
        sorted.every(({ at, size }, j) => j + 1 === sorted.length || at + size <= sorted[j + 1].at),
      ).toBe(true);
    }
    for (const { at } of taken) heap.release(at);
    expect(heap.used).toBe(0);
    const before = heap.size;
    // gaps cost something, but all that is free can be had in one piece
    expect(before).toBeLessThan(2.5 * most + MIB);
    heap.allocate(before - 2 * MIB, 'all of it');
    expect(heap.size).toBe(before);
  });

  it('fills with zeros where that is asked for, whatever the memory held before', () => {
    const heap = newHeap();
    for (const [size, next] of [
      [1000, 500],
      [500, 3000],
      [200_000, 400_000],
    ]) {
      const at = heap.allocate(size, 'a block');
      heap.bytes(at, size).fill(255);
      heap.release(at);
      const zeroed = heap.allocateZeroed(next, 'a block');
      expect(heap.bytes(zeroed, next).every((byte) => byte === 0)).toBe(true);
      heap.bytes(zeroed, next).fill(255);
      heap.release(zeroed);
    }
  });

  it('refuses what it cannot get, and goes on', () => {
    const heap = newHeap();
    for (const size of [2 ** 32, 2 ** 40])
      expect(() => heap.allocate(size, 'a tale')).toThrow(
        expect.objectContaining({ code: 'ERR_MEMORY_LIMIT', message: expect.stringContaining('a tale') }),
      );
    expect(heap.used).toBe(0);
    heap.allocate(1000, 'a block');
    expect(() => heap.release(12)).toThrow(/no block/);
  });
});

describe('networks', () => {
  it('of ever other numbers of streams open one after the other, and the usual ones afterwards', async () => {
    const model = hungry();
    for (const engine of ['wasm', 'native'] as const) {
      const networks = new Networks({ engine }, NODE);
      // each 0.5 GiB or more: together many times what WebAssembly can address
      for (let streams = 1000; streams < 1040; streams++)
        expect((await networks.open(model, streams)).streams).toBe(streams);
      for (let streams = 1; streams < 9; streams++) await networks.open(model, streams);
      networks.close();
    }
  });

  it('that have no room beside each other get an instance of their own', async () => {
    const engine = await wasmEngine(module);
    const model = hungry();
    const bytes = new Uint8Array(4600).fill(7);
    const frequencies = [0, 1].map(() => new Uint32Array(4600 * 256));
    // 2.5 GiB each
    const networks = frequencies.map(() => engine.open(model, 4600));
    for (const i of [0, 1]) networks[i].step(bytes, frequencies[i]);
    expect(Buffer.compare(Buffer.from(frequencies[0].buffer), Buffer.from(frequencies[1].buffer))).toBe(0);
    for (const network of networks) network.close();
    expect(() => engine.open(model, 65536)).toThrow(expect.objectContaining({ code: 'ERR_MEMORY_LIMIT' }));
    engine.open(model, 4).close();
  });
});

describe('memory that is stated is the memory taken', () => {
  beforeEach(() => {
    memories = [];
    WebAssembly.Instance = WatchedInstance;
  });
  afterEach(() => {
    WebAssembly.Instance = OriginalInstance;
  });
  const grown = () => memories.reduce((sum, memory) => sum + (memory.deref()?.buffer.byteLength ?? 0), 0);

  it.each<Architecture>([
    { width: 64, layers: 1, boom: 1, window: 1, attention: [] },
    { width: 64, layers: 8, boom: 1, window: 1, attention: [0, 1, 2, 3, 4, 5, 6, 7] },
    { width: 192, layers: 2, boom: 3, window: 37, attention: [1] },
    { width: 128, layers: 1, boom: 8, window: 1025, attention: [0] },
  ])('by networks of shape %o', async (architecture) => {
    const engine = await wasmEngine(module);
    const model = randomModel({ seed: 3, architecture });
    engine.memory(architecture, 1); // the instance that measures
    for (const streams of [1, 2, 7, 300, 2000]) {
      const first = engine.open(model, 1);
      const before = grown();
      // more than what the model's file has left behind, so that the memory must grow
      const networks = Array.from(
        { length: Math.ceil((8 * MIB) / engine.memory(architecture, streams)) },
        () => engine.open(model, streams),
      );
      const stated = networks.length * engine.memory(architecture, streams);
      expect(grown() - before).toBeLessThanOrEqual(stated + 65536);
      expect(grown() - before).toBeGreaterThan(stated - 3 * MIB);
      for (const network of [first, ...networks]) network.close();
      vi.useFakeTimers();
      engine.open(model, 1).close();
      vi.runAllTimers(); // the next number of streams has a fresh instance
      vi.useRealTimers();
      memories = [];
    }
  });

  it.each([0, 1])('by coders of profile %i', async (profile) => {
    const mixing = wasmMixing(module);
    mixing.mixBytes(profile, 1, 1);
    for (const length of [1, 1000, 100_000, 5_000_000])
      for (const payload of [undefined, new Uint8Array(length)]) {
        memories = [];
        const coder = mixing.mixOpen(profile, length, 3, payload);
        const stated = mixing.mixBytes(profile, length, 3) + (payload?.length ?? 0);
        // an instance has half a megabyte of stack and tables of its own
        expect(grown()).toBeLessThan(stated + MIB);
        expect(grown()).toBeGreaterThanOrEqual(stated);
        vi.useFakeTimers();
        mixing.mixClose(coder);
        vi.runAllTimers();
        vi.useRealTimers();
      }
  });
});

describe('memory is given back', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    memories = [];
    WebAssembly.Instance = WatchedInstance;
  });
  afterEach(() => {
    vi.useRealTimers();
    WebAssembly.Instance = OriginalInstance;
  });

  it('when no network is open', async () => {
    const model = hungry();
    const engine = await wasmEngine(module);
    const [large, small] = [engine.open(model, 500), engine.open(model, 1)];
    large.close();
    vi.advanceTimersByTime(60_000);
    expect(await reachable()).toBeGreaterThan(200 * MIB);
    small.step(new Uint8Array(1), new Uint32Array(256)); // open networks stay
    small.close();
    vi.advanceTimersByTime(1000);
    expect(await reachable()).toBeLessThan(2 * MIB);
    engine.open(model, 2).close();
  });

  it('when no block is coded', async () => {
    const mixing = wasmMixing(module);
    // a few bytes of a file may declare a large block
    const coder = mixing.mixOpen(1, 2 ** 24, 1, new Uint8Array(30));
    mixing.mixDecode(coder, new Uint8Array(10), 10);
    expect(await reachable()).toBeGreaterThan(200 * MIB);
    mixing.mixClose(coder);
    vi.advanceTimersByTime(1000);
    expect(await reachable()).toBeLessThan(2 * MIB);
    mixing.mixClose(mixing.mixOpen(0, 100, 1));
  });

  it('after a moment only: blocks that follow each other share it', () => {
    const mixing = wasmMixing(newModule());
    mixing.mixBytes(0, 1000, 1);
    for (let i = 0; i < 5; i++) mixing.mixClose(mixing.mixOpen(0, 1000, 1));
    // one to measure, one to code
    expect(memories.length).toBe(2);
  });
});
