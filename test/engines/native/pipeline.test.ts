/**
 * @file Network and mixing coder at the same time, on any number of threads: the bits are those of one after
 * the other.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodeBlock, encodeBlock } from '../../../src/codec/block/block.js';
import { codedMode } from '../../../src/codec/block/modes.js';
import { Pauses } from '../../../src/codec/event-loop.js';
import type { Engine, MixKernels, Network } from '../../../src/engines/engine.js';
import { nativeAddon } from '../../../src/engines/native/addon.js';
import { nativeEngine } from '../../../src/engines/native/engine.js';
import type { MixAddon } from '../../../src/engines/native/mixer.js';
import { networkHandle } from '../../../src/engines/native/network.js';
import { MIX_PROFILES } from '../../../src/engines/profiles.js';
import { referenceEngine } from '../../../src/engines/reference/engine.js';
import { ShacompError } from '../../../src/errors.js';
import { INITIAL_BYTE, SYMBOLS } from '../../../src/model/architecture.js';
import { parseModel } from '../../../src/model/sharnn.js';
import { selectEngine } from '../../../src/node/engines.js';
import { interleave } from '../../../src/slices.js';
import { sampleText } from '../../helpers/letters-model.js';
import { randomBytes, randomSource } from '../../helpers/random-model.js';

const modelFile = (name: string) =>
  parseModel(readFileSync(new URL(`../../../${name}.sharnn`, import.meta.url)));
const tiny = modelFile('fixtures/tiny');
const lite = modelFile('models/lite');

/** Text with noise in it: it becomes smaller, and every model is right sometimes and wrong sometimes. */
function sample(length: number): Uint8Array {
  const text = Uint8Array.from(sampleText(length, length));
  const noise = randomBytes(length >> 3, length);
  for (let i = 0; i < noise.length; i += 32) text.set(noise.subarray(i, i + 6), i * 8);
  return text;
}

const isNative = (() => {
  try {
    return nativeAddon() !== undefined;
  } catch {
    return false; // no compiler here: there is nothing to test
  }
})();

/** The native kernels, which make all threads of a network work, and how often they did. */
function together(): { kernels: MixKernels; calls: () => number } {
  const addon = isNative ? nativeAddon<MixAddon>() : undefined;
  let calls = 0;
  const mixSteps: MixKernels['mixSteps'] = (coder, network, ...parameters) => {
    calls++;
    return addon!.mixSteps(coder, networkHandle(network)!, ...parameters, 1024);
  };
  return { kernels: { ...nativeEngine().mixing, mixSteps }, calls: () => calls };
}

/** One after the other. */
const inTurns = (): MixKernels => ({ ...nativeEngine().mixing, mixSteps: undefined });

const hex = (bytes?: Uint8Array) => Buffer.from(bytes ?? []).toString('hex');
const pauses = new Pauses();

describe.skipIf(!isNative).each(['fast', 'full'] as const)('blocks, profile %s', (profile) => {
  const mode = codedMode(`network-mixing-${profile}`);
  const code = async (
    model: typeof tiny,
    engine: Engine,
    mixing: MixKernels,
    block: Uint8Array,
    streams: number,
  ) => {
    const network = engine.open(model, streams);
    const payload = await encodeBlock(block, streams, mode, { network, mixing, pauses });
    const decoded =
      payload && (await decodeBlock(payload, block.length, streams, mode, { network, mixing, pauses }));
    network.close();
    return { payload, decoded };
  };

  it.each([
    {
      name: 'tiny',
      model: tiny,
      length: 301,
      judge: async () => referenceEngine,
    },
    {
      name: 'lite',
      model: lite,
      length: 1003,
      judge: () => selectEngine('wasm'),
    },
  ])('$name: any number of threads gives the bits of another engine', async ({ model, length, judge }) => {
    const block = sample(length);
    for (const streams of [1, 2, 3, 8, 17]) {
      const { open, mixing } = await judge();
      const network = open(model, streams);
      const expected = await encodeBlock(block, streams, mode, { network, mixing, pauses });
      expect(expected).toBeDefined();
      for (const threads of [1, 2, 3, 5]) {
        const engine = nativeEngine({ threads });
        const { kernels, calls } = together();
        const both = await code(model, engine, kernels, block, streams);
        expect(hex(both.payload)).toBe(hex(expected));
        expect(hex(both.decoded)).toBe(hex(block));
        expect(calls()).toBeGreaterThan(1);
        const apart = await code(model, engine, inTurns(), block, streams);
        expect(hex(apart.payload)).toBe(hex(expected));
        expect(hex(apart.decoded)).toBe(hex(block));
      }
    }
  });

  it('a damaged payload decodes to the same bytes, or is refused, whatever the number of threads', async () => {
    const block = sample(1500);
    const random = randomSource(5);
    for (const streams of [1, 8]) {
      const { payload } = await code(
        tiny,
        nativeEngine({ threads: 2 }),
        nativeEngine().mixing,
        block,
        streams,
      );
      for (let i = 0; i < 6; i++) {
        const damaged = payload!.slice(0, i % 3 === 0 ? Math.floor(random() * payload!.length) : undefined);
        for (let k = 0; k < 3; k++)
          damaged[Math.floor(random() * damaged.length)] ^= 1 << Math.floor(random() * 8);
        const outcome = async (threads: number, mixing: MixKernels) => {
          const network = nativeEngine({ threads }).open(tiny, streams);
          const decoding = decodeBlock(damaged, block.length, streams, mode, { network, mixing, pauses });
          return decoding.then(hex, (error) => error.code as string);
        };
        const expected = await outcome(1, inTurns());
        for (const threads of [2, 5]) {
          expect(await outcome(threads, together().kernels)).toBe(expected);
          expect(await outcome(threads, nativeEngine().mixing)).toBe(expected);
        }
      }
    }
  });
});

describe.skipIf(!isNative)('steps', () => {
  const profile = MIX_PROFILES.fast;
  const steps = 150;

  /** A block in coding order, the network's first input before it. */
  const rowsOf = (streams: number) => interleave(sample(steps * streams), streams);

  /** Codes a block by calls of `calls` steps in turn, with room for the frequencies of `room` steps. */
  function run(network: Network, rows: Uint8Array, calls: number[], room: number, payload?: Uint8Array) {
    const { streams } = network;
    const { kernels } = together();
    const coder = kernels.mixOpen(profile, steps * streams, streams, payload);
    const frequencies = new Uint32Array(room * streams * SYMBOLS);
    network.reset();
    for (let step = 0, i = 0; step < steps; i++) {
      const count = Math.min(calls[i % calls.length], steps - step);
      const part = rows.subarray(step * streams, (step + count + 1) * streams);
      expect(kernels.mixSteps!(coder, network, part, count * streams, frequencies)).toBeGreaterThan(0);
      step += count;
    }
    const code = payload ?? kernels.mixFinish(coder)!;
    kernels.mixClose(coder);
    return code;
  }

  it.each([1, 2, 5, 9])('calls and room of any size give the same bits, %i streams', (streams) => {
    const rows = rowsOf(streams);
    const expected = hex(run(nativeEngine({ threads: 1 }).open(tiny, streams), rows, [steps], steps));
    for (const threads of [2, 4]) {
      const network = nativeEngine({ threads }).open(tiny, streams);
      for (const [calls, room] of [
        [[steps], 1],
        [[steps], 2],
        [[steps], 7],
        [[1], 4],
        [[1, 40, 3], 3],
        [[64], 65],
      ] as const) {
        const payload = run(network, rows, [...calls], room);
        expect(hex(payload)).toBe(expected);
        const decoded = new Uint8Array(rows.length).fill(INITIAL_BYTE, 0, streams);
        run(network, decoded, [...calls], room, payload);
        expect(hex(decoded)).toBe(hex(rows));
      }
    }
  });

  it('go on where the network and the coder are, whoever brought them there', () => {
    const streams = 3;
    const rows = rowsOf(streams);
    const network = nativeEngine({ threads: 2 }).open(tiny, streams);
    const expected = run(network, rows, [steps], steps);
    const kernels = nativeEngine().mixing;
    const coder = kernels.mixOpen(profile, steps * streams, streams);
    const frequencies = new Uint32Array(streams * SYMBOLS);
    network.reset();
    for (let step = 0; step < steps; step += 10) {
      kernels.mixSteps!(coder, network, rows.subarray(step * streams), 9 * streams, frequencies);
      const last = rows.subarray((step + 9) * streams);
      network.step(last, frequencies);
      kernels.mixEncode(coder, last.subarray(streams, 2 * streams), frequencies);
    }
    expect(hex(kernels.mixFinish(coder))).toBe(hex(expected));
  });

  it('survive more threads than processors, calls without work and many networks', () => {
    const rows = rowsOf(17);
    const networks = [17, 40, 64].map((threads) => nativeEngine({ threads }).open(tiny, 17));
    const expected = hex(run(nativeEngine({ threads: 1 }).open(tiny, 17), rows, [steps], steps));
    for (let round = 0; round < 12; round++) {
      const network = networks[round % networks.length];
      const payload = run(network, rows, [1 + round, 2], 1 + round);
      expect(hex(payload)).toBe(expected);
      const decoded = new Uint8Array(rows.length).fill(INITIAL_BYTE, 0, 17);
      run(network, decoded, [3, 1 + round], 1, payload);
      expect(hex(decoded)).toBe(hex(rows));
      const kernels = nativeEngine().mixing;
      const coder = kernels.mixOpen(profile, 17, 17);
      expect(kernels.mixSteps!(coder, network, rows, 0, new Uint32Array(17 * SYMBOLS))).toBe(0);
      kernels.mixClose(coder);
    }
  });

  it('are left to others where network and coder do not belong together', () => {
    const kernels = nativeEngine().mixing;
    const coder = kernels.mixOpen(profile, 10, 2);
    const arrays = [new Uint8Array(4), 2, new Uint32Array(2 * SYMBOLS)] as const;
    expect(kernels.mixSteps!(coder, referenceEngine.open(tiny, 2), ...arrays)).toBeUndefined();
    expect(hex(kernels.mixFinish(coder))).toBe('');
  });

  it('refuse what does not fit together', () => {
    const kernels = nativeEngine().mixing;
    const engine = nativeEngine({ threads: 2 });
    const network = engine.open(tiny, 2);
    const coder = kernels.mixOpen(profile, 10, 2);
    const [rows, frequencies] = [new Uint8Array(6), new Uint32Array(2 * SYMBOLS)];
    const refused = (call: () => unknown) => {
      expect(call).toThrow(ShacompError);
      expect(call).toThrow(expect.objectContaining({ code: 'ERR_OPTIONS' }));
    };
    refused(() =>
      kernels.mixSteps!(coder, engine.open(tiny, 3), new Uint8Array(60), 6, new Uint32Array(2000)),
    );
    refused(() => kernels.mixSteps!(coder, network, rows, 5, frequencies));
    refused(() => kernels.mixSteps!(coder, network, rows, -1, frequencies));
    refused(() => kernels.mixSteps!(coder, network, rows, 2, frequencies.subarray(1)));
    refused(() => kernels.mixSteps!(coder, network, frequencies as never, 2, frequencies));
    refused(() => kernels.mixSteps!({}, network, rows, 2, frequencies));
    const addon = nativeAddon<{ mixSteps(...parameters: unknown[]): unknown }>();
    const handle = networkHandle(network);
    expect(() => addon.mixSteps(handle, coder, rows, 2, frequencies)).toThrow('needs an open coder');
    expect(() => addon.mixSteps(coder, coder, rows, 2, frequencies)).toThrow('needs an open coder');
    network.close();
    expect(() => addon.mixSteps(coder, handle, rows, 2, frequencies)).toThrow('needs an open coder');
    kernels.mixClose(coder);
    refused(() => kernels.mixSteps!(coder, engine.open(tiny, 2), rows, 2, frequencies));
  });
});
