/**
 * @file How long coding holds the event loop, on a clock that counts the work done instead of the time: every
 * symbol takes so many milliseconds, and nothing else takes any.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { modelCost } from '../../src/cli/commands/eval.js';
import { decodeBlock, encodeBlock } from '../../src/codec/block/block.js';
import { codedMode } from '../../src/codec/block/modes.js';
import { LONGEST_WAIT, Pauses } from '../../src/codec/event-loop.js';
import { SLICES, Trial } from '../../src/codec/strategy/trial.js';
import type { Engine, MixKernels, Network } from '../../src/engines/engine.js';
import { crossEntropy } from '../../src/trainer/cross-entropy.js';
import { fakeEngine, fakeModel, likelyBytes } from '../helpers/fake-engine.js';
import { randomBytes } from '../helpers/random-model.js';

let clock = 0;
beforeEach(() => {
  clock = 0;
  vi.spyOn(performance, 'now').mockImplementation(() => clock);
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** Symbols that each call of an engine or a mixing coder was asked for. */
let calls: number[] = [];

function work(symbols: number, cost: number): void {
  calls.push(symbols);
  clock += symbols * cost;
}

/** An engine each of whose symbols takes `cost` ms. */
function slowEngine(cost: number): Engine {
  const engine = fakeEngine();
  return {
    ...engine,
    open(model, streams): Network {
      const network = engine.open(model, streams);
      return {
        ...network,
        step(bytes, frequencies) {
          work(streams, cost);
          return network.step(bytes, frequencies);
        },
        run(bytes, steps, frequencies) {
          work(steps * streams, cost);
          return network.run(bytes.subarray(0, steps * streams), steps, frequencies);
        },
      };
    },
  };
}

/**
 * A mixing coder that halves everything and takes `cost` ms per symbol, and 250 ms before the first; it
 * decodes zeros.
 */
function slowMixing(cost: number): MixKernels {
  let size = 0;
  let prepared = 0;
  return {
    mixBytes: () => 0,
    mixOpen: () => {
      size = 0;
      prepared = 0;
      return {};
    },
    // 5 ms each
    mixPrepare: () => {
      clock += 5;
      return ++prepared === 50;
    },
    mixEncode(_coder, symbols) {
      expect(prepared).toBe(50);
      work(symbols.length, cost);
      size += symbols.length / 2;
      return size;
    },
    mixFinish: () => new Uint8Array(Math.ceil(size)),
    mixDecode(_coder, _symbols, count) {
      expect(prepared).toBe(50);
      work(count, cost);
      return 0;
    },
    mixEnds: () => true,
    mixClose: () => {},
  };
}

/** The longest time on the clock between two turns of the event loop while `run` runs. */
async function longestWait(run: () => Promise<unknown>): Promise<number> {
  let longest = 0;
  let last = clock;
  let running = true;
  const turn = () => {
    longest = Math.max(longest, clock - last);
    last = clock;
    if (running) setImmediate(turn);
  };
  calls = [];
  setImmediate(turn);
  await run();
  running = false;
  turn();
  return longest;
}

const block = likelyBytes(30_000);
const model = fakeModel();

/** Loops that code or predict, given what a symbol costs. */
const loops: [string, (cost: number) => Promise<unknown>][] = [
  ['encoding with the network', (cost) => encode('network', cost)],
  ['encoding by mixing', (cost) => encode('mixing-fast', cost)],
  ['encoding with both', (cost) => encode('network-mixing-fast', cost / 2)],
  ['decoding with the network', (cost) => decode('network', cost)],
  ['decoding by mixing', (cost) => decode('mixing-fast', cost)],
  ['decoding with both', (cost) => decode('network-mixing-fast', cost / 2)],
  [
    'the trial of a block',
    async (cost) => {
      const tools = { mixing: slowMixing(cost / 2), pauses: new Pauses() };
      const open = async () => slowEngine(cost / 2).open(model, SLICES);
      const trial = new Trial(likelyBytes(200_000), { ...tools, open });
      await trial.saving();
      await trial.streamCost(8);
    },
  ],
  [
    'the model’s cost in `eval`',
    (cost) =>
      modelCost(
        slowEngine(cost),
        model,
        block,
        { blockSize: 8192, density: { bytes: 1024, most: 8 } },
        () => {},
      ),
  ],
  ['the cross-entropy of a text', (cost) => crossEntropy(slowEngine(cost), model, block)],
];

async function encode(mode: 'network' | 'mixing-fast' | 'network-mixing-fast', cost: number) {
  const network = mode.startsWith('network') ? slowEngine(cost).open(model, 1) : undefined;
  const tools = { network, mixing: slowMixing(cost), pauses: new Pauses() };
  return encodeBlock(block, 1, codedMode(mode), tools);
}

async function decode(mode: 'network' | 'mixing-fast' | 'network-mixing-fast', cost: number) {
  // the network mode needs a payload that is one; the other coder is content with any
  const payload = (await encode('network', 0))!;
  const network = mode.startsWith('network') ? slowEngine(cost).open(model, 1) : undefined;
  const tools = { network, mixing: slowMixing(cost), pauses: new Pauses() };
  return decodeBlock(payload, block.length, 1, codedMode(mode), tools);
}

describe.each([500_000, 50_000, 10_000, 4_000])('at %i symbols a second', (speed) => {
  it.each(loops)('%s never holds the event loop for longer than it may', async (_, run) => {
    const longest = await longestWait(() => run(1000 / speed));
    expect(longest).toBeGreaterThan(0);
    expect(longest).toBeLessThanOrEqual(LONGEST_WAIT);
  });
});

it('a machine that becomes slower by half from one moment to the next does not either', async () => {
  const slower = slowEngine(0.02).open(model, 8);
  const { run } = slower;
  slower.run = (bytes, steps, frequencies) => {
    if (Math.floor(clock / 100) % 2) clock += steps * 8 * 0.02;
    return run(bytes, steps, frequencies);
  };
  const longest = await longestWait(() =>
    encodeBlock(block, 8, codedMode('network'), { network: slower, pauses: new Pauses() }),
  );
  expect(longest).toBeLessThanOrEqual(LONGEST_WAIT);
});

it('work is not cut smaller than it must be', async () => {
  await longestWait(() => encode('network', 0.001));
  expect(Math.max(...calls)).toBeGreaterThan(4000);
  await longestWait(() => encode('network', 0.02));
  expect(block.length / calls.length).toBeGreaterThan(150);
});

it('where work is cut does not show in what comes out', async () => {
  // at 64 KiB the code is longer than what it codes, and a little later it is not
  const close = Buffer.concat([likelyBytes(40_000), randomBytes(25_600, 1), likelyBytes(60_000)]);
  const grown = Buffer.concat([randomBytes(66_000, 1), likelyBytes(90_000)]);
  for (const bytes of [close, grown]) {
    const payloads = [];
    for (const cost of [0, 0.002, 0.05, 0.3])
      payloads.push(
        await encodeBlock(bytes, 1, codedMode('network'), {
          network: slowEngine(cost).open(model, 1),
          pauses: new Pauses(),
        }),
      );
    for (const payload of payloads) expect(payload).toEqual(payloads[0]);
  }
});

it('results that come later are waited for in large portions, however long they take', async () => {
  const engine = fakeEngine();
  const network = engine.open(model, 8);
  const remote: Network = {
    ...network,
    async run(bytes, steps, frequencies) {
      calls.push(steps * 8);
      await new Promise((resolve) => setImmediate(resolve));
      clock += 1000;
      network.run(bytes, steps, frequencies);
    },
  };
  await longestWait(() =>
    encodeBlock(block, 8, codedMode('network'), { network: remote, pauses: new Pauses() }),
  );
  expect(Math.max(...calls)).toBe(4096);
});
