/** @file When the coding of a block is given up, and how much memory it takes. */
import { describe, expect, it } from 'vitest';
import { decodeBlock, encodeBlock } from '../../../src/codec/block/block.js';
import { blockMemory } from '../../../src/codec/block/memory.js';
import { codedMode } from '../../../src/codec/block/modes.js';
import { BATCH_SYMBOLS } from '../../../src/codec/block/predict.js';
import { Pauses } from '../../../src/codec/event-loop.js';
import type { Network } from '../../../src/engines/engine.js';
import { fakeEngine, fakeModel, likelyBytes } from '../../helpers/fake-engine.js';
import { randomBytes } from '../../helpers/random-model.js';
import { stubMixing } from '../../helpers/stub-mixing.js';

/** A network of one stream that counts what it predicts. */
function counting(): { network: Network; predicted: () => number } {
  const network = fakeEngine().open(fakeModel(), 1);
  let predicted = 0;
  const run: Network['run'] = (bytes, steps, frequencies) => {
    predicted += steps;
    return network.run(bytes, steps, frequencies);
  };
  return { network: { ...network, run }, predicted: () => predicted };
}

const pauses = new Pauses();

describe('a block whose code has grown', () => {
  const GIVE_UP_AFTER = 65536;

  it('is given up after 64 KiB: the rest costs no time', async () => {
    const { network, predicted } = counting();
    const hopeless = randomBytes(2 ** 20, 1);
    expect(await encodeBlock(hopeless, 1, codedMode('network'), { network, pauses })).toBeUndefined();
    expect(predicted()).toBeGreaterThanOrEqual(GIVE_UP_AFTER);
    expect(predicted()).toBeLessThanOrEqual(GIVE_UP_AFTER + BATCH_SYMBOLS);
  });

  it('is not given up before: what follows may be worth it', async () => {
    const { network, predicted } = counting();
    const block = Buffer.concat([randomBytes(6000, 1), likelyBytes(80_000)]);
    let grown = 0;
    const progress = (done: number, payload: number) => {
      if (payload > done) grown = done;
    };
    const payload = await encodeBlock(block, 1, codedMode('network'), { network, pauses, progress });
    expect(grown).toBeGreaterThan(0);
    expect(payload!.length).toBeLessThan(block.length);
    expect(predicted()).toBe(block.length);
  });

  it('is given up at once where the code is longer than the whole block', async () => {
    const mixing = stubMixing({ plain: 3 });
    let symbols = 0;
    const progress = (done: number) => {
      symbols = done;
    };
    const mode = codedMode('mixing-fast');
    expect(await encodeBlock(new Uint8Array(60_000), 1, mode, { mixing, pauses, progress })).toBeUndefined();
    expect(symbols).toBeLessThanOrEqual(20_000);
  });

  it('is of no use where the code is as long as the block', async () => {
    const mode = codedMode('mixing-fast');
    const coded = (plain: number) =>
      encodeBlock(new Uint8Array(1024), 1, mode, { mixing: stubMixing({ plain }), pauses });
    expect(await coded(1)).toBeUndefined();
    expect((await coded(1 - 1 / 1024))!.length).toBe(1023);
  });
});

describe('the memory that a block is said to need', () => {
  /** Bytes of the arrays that `work` makes. */
  async function allocated(work: () => Promise<unknown>): Promise<number> {
    const real = globalThis.Uint8Array;
    let bytes = 0;
    globalThis.Uint8Array = new Proxy(real, {
      construct(target, args, made) {
        if (typeof args[0] === 'number') bytes += args[0];
        return Reflect.construct(target, args, made);
      },
    });
    try {
      await work();
    } finally {
      globalThis.Uint8Array = real;
    }
    return bytes;
  }

  const mixing = stubMixing({ plain: 0.25 });
  const mode = codedMode('mixing-fast');
  const streams = 4;

  it('is what decoding it takes: the payload, the block in coding order and the block', async () => {
    const need = (length: number, codedLength: number) =>
      blockMemory({ length, codedLength, streams, mode, mixing });
    const taken = (length: number, payload: Uint8Array) =>
      allocated(() => decodeBlock(payload, length, streams, mode, { mixing, pauses }).catch(() => {}));
    const payload = new Uint8Array(0);
    const growth = (await taken(60_000, payload)) - (await taken(20_000, payload));
    expect(growth).toBeGreaterThanOrEqual(80_000);
    expect(need(60_000, 0) - need(20_000, 0)).toBeGreaterThanOrEqual(growth);
    // the mixing coder has a copy
    expect(need(60_000, 500) - need(60_000, 0)).toBe(2 * 500);
  });

  it('is what encoding it takes: the block, the block in coding order, and a payload', async () => {
    const need = (length: number) =>
      blockMemory({ length, codedLength: length, streams, mode, mixing }, true);
    const taken = (length: number) =>
      allocated(() => encodeBlock(new Uint8Array(length), streams, mode, { mixing, pauses }));
    const growth = (await taken(60_000)) - (await taken(20_000));
    expect(growth).toBeGreaterThan(40_000);
    expect(need(60_000) - need(20_000)).toBeGreaterThanOrEqual(growth);
  });

  it('grows with the streams of a network, and with its batches where it encodes', () => {
    const need = (of: number, encoding = false, network = 1000 * of) =>
      blockMemory(
        { length: 1000, codedLength: 500, streams: of, mode: codedMode('network'), network },
        encoding,
      );
    // what the engine says, and each stream's frequencies
    expect(need(9) - need(8)).toBeGreaterThanOrEqual(1000 + 1024);
    expect(need(8, true) - need(8)).toBe(4 * 256 * (BATCH_SYMBOLS - 8));
  });

  it('of a stored block is the block, read and held', () => {
    expect(blockMemory({ length: 1000, codedLength: 1000, streams: 0 })).toBe(2000);
  });
});
