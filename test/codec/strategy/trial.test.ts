/**
 * @file What a trial makes of the lengths that it measures; with coders whose lengths are known beforehand.
 */
import { describe, expect, it } from 'vitest';
import { Pauses } from '../../../src/codec/event-loop.js';
import { SLICES, Trial } from '../../../src/codec/strategy/trial.js';
import { fakeEngine, fakeModel } from '../../helpers/fake-engine.js';
import { stubMixing } from '../../helpers/stub-mixing.js';

const LENGTH = 2 ** 20;

function trial(
  plain: number,
  network: number,
  length = LENGTH,
  engine = fakeEngine({ shape: 'flat' }),
): Trial {
  const open = async () => engine.open(fakeModel(), SLICES);
  return new Trial(new Uint8Array(length), {
    mixing: stubMixing({ plain, network }),
    pauses: new Pauses(),
    open,
  });
}

describe('the saving', () => {
  it.each([
    [0.8, 0.4, 0.5],
    [0.5, 0.45, 0.1],
    [0.5, 0.5, 0],
    [0.4, 0.5, -0.25],
  ])('of a network that turns %f bytes a symbol into %f everywhere is %f', async (plain, network, saving) => {
    // in the middle of the sample and the rest of the block, which the network does not see, it is taken to
    // save as much
    expect(await trial(plain, network).saving()).toBeCloseTo(saving, 2);
    expect(await trial(plain, network, 40_000).saving()).toBeCloseTo(saving, 2);
  });

  it('in the rest of the block is that at the end of the sample, not that at its start', async () => {
    const mixing = stubMixing({ plain: 0.5, network: (done) => (done < 2 ** 13 ? 0.1 : 0.5) });
    const engine = fakeEngine({ shape: 'flat' });
    const open = async () => engine.open(fakeModel(), SLICES);
    const saving = await new Trial(new Uint8Array(LENGTH), { mixing, pauses: new Pauses(), open }).saving();
    // some 3 KiB of the sample's 64, but of 512 of the block's
    expect(saving).toBeGreaterThan(0);
    expect(saving).toBeLessThan(0.01);
  });

  it('is none where the code is longer than the sample, whatever the parts say', async () => {
    expect(await trial(1.2, 1.1).saving()).toBe(0);
    expect(await trial(1, 0.9).saving()).toBeGreaterThan(0);
  });

  it('is found in a sixteenth of the block, at most 16 KiB', async () => {
    for (const [length, seen] of [
      [2 ** 16, 2 ** 13],
      [2 ** 18 - 2 ** 15, 2 ** 14 - 2 ** 11],
      [2 ** 20, 2 ** 14],
      [2 ** 24, 2 ** 14],
    ]) {
      const engine = fakeEngine({ shape: 'flat' });
      let symbols = 0;
      const { open } = engine;
      engine.open = (model, streams) => {
        const network = open(model, streams);
        return {
          ...network,
          run(bytes, steps, frequencies) {
            symbols += steps * streams;
            return network.run(bytes, steps, frequencies);
          },
        };
      };
      await trial(0.5, 0.4, length, engine).saving();
      expect([length, symbols]).toEqual([length, seen]);
    }
  });

  it('begins cold twice: at the start of the sample and again at its end', async () => {
    const engine = fakeEngine({ shape: 'flat' });
    let resets = 0;
    const { open } = engine;
    engine.open = (model, streams) => ({ ...open(model, streams), reset: () => void resets++ });
    await trial(0.5, 0.4, LENGTH, engine).saving();
    expect(resets).toBe(2);
  });
});

describe('the cost of streams', () => {
  it('is what they add to the code of one', async () => {
    const mixing = stubMixing();
    let streams = 0;
    const measuring = {
      ...mixing,
      mixOpen(profile: number, length: number, of: number) {
        streams = of;
        return mixing.mixOpen(profile, length, of);
      },
      mixFinish: () => new Uint8Array(1000 + 10 * (streams - 1)),
    };
    const of = new Trial(new Uint8Array(LENGTH), { mixing: measuring, pauses: new Pauses() });
    expect(await of.streamCost(2)).toBeCloseTo(0.01, 6);
    expect(await of.streamCost(8)).toBeCloseTo(0.07, 6);
    expect(await of.streamCost(1)).toBe(0);
  });
});

describe('the sample', () => {
  it('is an eighth of the block, 8 KiB to 1 MiB, in slices from its beginning to its end', () => {
    expect(Trial.sampleLength(2 ** 15)).toBe(2 ** 13);
    expect(Trial.sampleLength(2 ** 20)).toBe(2 ** 17);
    expect(Trial.sampleLength(2 ** 24)).toBe(2 ** 20);
    for (let length = 2 ** 15; length < 2 ** 26; length = Math.ceil(length * 1.3))
      expect(Trial.sampleLength(length) % SLICES).toBe(0);
  });

  it('is taken from all over the block', async () => {
    const seen = new Set<number>();
    const mixing = stubMixing();
    const block = Uint8Array.from({ length: LENGTH }, (_, i) => Math.floor((i * 16) / LENGTH));
    const watching = {
      ...mixing,
      mixEncode(coder: object, symbols: Uint8Array, frequencies?: Uint32Array) {
        for (const symbol of symbols) seen.add(symbol);
        return mixing.mixEncode(coder, symbols, frequencies);
      },
    };
    await new Trial(block, { mixing: watching, pauses: new Pauses() }).streamCost(4);
    for (const sixteenth of [0, 5, 10, 15]) expect(seen).toContain(sixteenth);
  });
});
