/**
 * @file Blocks whose streams are independent, by the engines that code them whole: the same codes, the same
 * refusals.
 */
import { describe, expect, it } from 'vitest';
import { decodeBlock, encodeBlock } from '../../src/codec/block/block.js';
import { codedMode } from '../../src/codec/block/modes.js';
import { joinCodes } from '../../src/codec/block/stream-table.js';
import { Pauses } from '../../src/codec/event-loop.js';
import type { Engine } from '../../src/engines/engine.js';
import { referenceEngine } from '../../src/engines/reference/engine.js';
import { stepCount } from '../../src/slices.js';
import { allEngines } from '../helpers/conformance.js';
import { random } from '../helpers/fake-engine.js';
import { lettersModel, sampleText } from '../helpers/letters-model.js';
import { randomBytes, randomModel } from '../helpers/random-model.js';
import { checkStreams, endsGenerically, expectedCodes } from '../helpers/stream-kernels.js';

const engines = await allEngines();
const able = engines.filter(({ engine }) => engine.streams);
/** Bit for bit the reference (engines.test.ts), and quick. */
const judge = engines.find(({ engine }) => engine.name === 'wasm')!.engine;
const letters = lettersModel();

describe.skipIf(able.length === 0).each(able)('streams coded by $label', ({ engine }) => {
  it('give the codes of the reference, of random networks and of bytes that these do not expect', async () => {
    for (const seed of [1, 2, 3]) {
      const model = randomModel({ seed });
      await checkStreams(engine, referenceEngine, model, randomBytes(50 + seed, seed), 3);
    }
  });

  it('give the same codes as the network and coders step by step, whatever the number of streams', async () => {
    for (const streams of [1, 2, 3, 5, 16, 17, 33, 64, 65, 129, 1000])
      for (const extra of [0, 1, streams - 1])
        await checkStreams(engine, judge, letters, sampleText(6 * streams + extra, streams), streams);
    // as many streams as there can be, one byte each
    await checkStreams(engine, judge, letters, sampleText(4096), 4096);
  });

  it('give the same codes however the steps are cut', async () => {
    const block = sampleText(2000);
    for (const call of [1, 2, 50, 1000]) await checkStreams(engine, judge, letters, block, 20, call);
  });

  it('remember far back: attention windows that wrap around are the same', async () => {
    const model = randomModel({
      seed: 5,
      architecture: { width: 64, layers: 2, boom: 4, window: 20, attention: [1] },
    });
    await checkStreams(engine, judge, model, sampleText(1000), 9, 11);
  });

  it('leave nothing behind in the network: the next block, and lockstep, begin anew', async () => {
    const block = sampleText(300);
    const network = engine.open(letters, 4);
    const pauses = new Pauses();
    const tools = { network, kernels: engine.streams, pauses };
    const mode = codedMode('network');
    const first = await encodeBlock(block, 4, mode, tools);
    expect(await encodeBlock(block, 4, mode, tools)).toEqual(first);
    expect(await encodeBlock(block, 4, mode, { network, pauses })).toEqual(first);
    expect(Buffer.compare(await decodeBlock(first!, 300, 4, mode, tools), block)).toBe(0);
    network.close();
  });

  it('refuse every code that no encoder writes, as the decoder step by step does', async () => {
    const next = random(7);
    const streams = 3;
    const block = sampleText(90);
    const { codes } = await expectedCodes(judge, letters, block, streams);
    const network = engine.open(letters, streams);
    let good = 0;
    for (let i = 0; i < 300; i++) {
      const changed = codes.map((code) => Array.from(code));
      const one = changed[Math.floor(next() * streams)];
      const kind = i % 5;
      if (kind === 1) one.push(Math.floor(next() * 256));
      if (kind === 2) one.pop();
      if (kind === 3) one[one.length - 1] ^= 1 << (next() * 8);
      if (kind === 4) one[Math.floor(next() * one.length)] ^= 1 << (next() * 8);
      const bytes = changed.map((code) => Uint8Array.from(code));
      const decoder = engine.streams!.decodeStreams(network, bytes, block.length)!;
      const used = await decoder.advance(stepCount(block.length, streams));
      const whole = (await decoder.finish()) !== undefined;
      decoder.close();
      if (used === Number.POSITIVE_INFINITY) expect(whole).toBe(false);
      expect([i, whole]).toEqual([i, endsGenerically(judge, letters, joinCodes(bytes), 90, streams)]);
      if (whole) good++;
    }
    network.close();
    expect(good).toBeGreaterThanOrEqual(60);
  });

  it('stop where codes are at their end long before the block: a lie about its length costs no time', async () => {
    const network = engine.open(letters, 2);
    const decoder = engine.streams!.decodeStreams(network, [Uint8Array.of(1), Uint8Array.of(2)], 2 ** 26)!;
    expect(await decoder.advance(400)).toBe(Number.POSITIVE_INFINITY);
    decoder.close();
    network.close();
  });

  it('state memory that grows with the block, and not by more than some hundred bytes per stream', () => {
    const bytes = (length: number, streams: number) => engine.streams!.streamBytes(length, streams);
    expect(bytes(2 ** 20, 64) - bytes(2 ** 10, 64)).toBeGreaterThanOrEqual(2 ** 20 - 2 ** 10);
    expect(bytes(2 ** 26, 4096)).toBeLessThan(2 ** 28);
    expect(bytes(2 ** 10, 1024)).toBeLessThan(2 ** 20);
  });

  it('are not coded with the network of another engine', () => {
    const other: Engine = engine.name === 'wasm' ? referenceEngine : judge;
    const network = other.open(letters, 2);
    expect(engine.streams!.encodeStreams(network, new Uint8Array(9))).toBeUndefined();
    expect(engine.streams!.decodeStreams(network, [], 9)).toBeUndefined();
    network.close();
  });
});
