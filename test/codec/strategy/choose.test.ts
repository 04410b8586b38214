/** @file How a block is coded: what the encoder makes of what a trial has found out, and of two results. */
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { blockMemory, checkMemory } from '../../../src/codec/block/memory.js';
import { type CodedMode, codedMode } from '../../../src/codec/block/modes.js';
import type { Mode } from '../../../src/codec/container/format.js';
import { Pauses } from '../../../src/codec/event-loop.js';
import { Networks } from '../../../src/codec/session.js';
import { BlockEncoder, planFor } from '../../../src/codec/strategy/choose.js';
import { LEVELS, levelSettings, streamCount } from '../../../src/codec/strategy/levels.js';
import { SLICES, Trial } from '../../../src/codec/strategy/trial.js';
import { compress, inspect } from '../../../src/index.js';
import { NODE } from '../../../src/node/codec.js';
import { collect } from '../../helpers/collect.js';
import { fakeEngine, fakeModel, likelyBytes } from '../../helpers/fake-engine.js';
import { stubMixing } from '../../helpers/stub-mixing.js';

/** What the trial of a block is to say. */
const found = vi.hoisted(() => ({
  saving: 0,
  streamCost: (_streams: number): number => 0,
  trials: 0,
  asked: 0,
}));

vi.mock('../../../src/codec/strategy/trial.js', async (original) => {
  const real = await original<typeof import('../../../src/codec/strategy/trial.js')>();
  class Trial extends real.Trial {
    constructor(...args: ConstructorParameters<typeof real.Trial>) {
      super(...args);
      found.trials++;
    }
    override async saving() {
      found.asked++;
      return found.saving;
    }
    override async streamCost(streams: number) {
      return found.streamCost(streams);
    }
  }
  return { ...real, Trial };
});

beforeEach(() => Object.assign(found, { saving: 0, streamCost: () => 0, trials: 0, asked: 0 }));

/** Codes a block at a level with coders that need no time; gives how. */
async function choice(
  level: number,
  length = 2 ** 20,
  mode: 'auto' | CodedMode['name'] = 'auto',
  wanted?: number,
) {
  const networks = new Networks({ engine: fakeEngine({ shape: 'flat', mixing: stubMixing() }) }, NODE);
  const encoder = new BlockEncoder(
    planFor(levelSettings(level), mode, wanted),
    networks,
    new Pauses(),
    () => {},
  );
  const coded = await encoder.encode(new Uint8Array(length), fakeModel(), () => {});
  networks.close();
  return { mode: coded!.mode.name, streams: coded!.streams };
}

describe('the network is used', () => {
  // where the profile is the same, all that counts is what is tolerated for speed: (1 - saving) (1 +
  // tolerance) < 1
  it.each([
    [4, 0.05, 'network-mixing-fast'],
    [4, 0.03, 'mixing-fast'],
    [6, 0.025, 'network-mixing-full'],
    [6, 0.015, 'mixing-full'],
    [9, 0.006, 'network-mixing-full'],
    [9, 0.004, 'mixing-full'],
    [9, -0.1, 'mixing-full'],
  ])('at level %i where it saves %f or not: %s', async (level, saving, mode) => {
    found.saving = saving;
    expect((await choice(level)).mode).toBe(mode);
  });

  it('at level 5 only where it saves more than the full profile does alone, about 15 %', async () => {
    expect(LEVELS[4]).toMatchObject({ mode: 'network-mixing-fast', plain: 'mixing-full' });
    found.saving = 0.14;
    expect((await choice(5)).mode).toBe('mixing-full');
    found.saving = 0.19;
    expect((await choice(5)).mode).toBe('network-mixing-fast');
  });

  it('without a trial where the caller asks for it, with none where the caller asks for none', async () => {
    found.saving = -1;
    expect((await choice(6, 2 ** 20, 'network-mixing-full')).mode).toBe('network-mixing-full');
    expect(found.asked).toBe(0);
    expect(await choice(6, 2 ** 20, 'mixing-full')).toEqual({ mode: 'mixing-full', streams: 1 });
    expect(await choice(3)).toEqual({ mode: 'mixing-full', streams: 1 });
    expect(found.asked).toBe(0);
  });

  it('or the context models alone, which then have one stream: they gain nothing from more', async () => {
    found.saving = -1;
    expect(await choice(6)).toEqual({ mode: 'mixing-full', streams: 1 });
  });
});

describe('what a trial promised', () => {
  it('is not relied on: a block that the network makes longer is coded without it', async () => {
    found.saving = 0.5;
    const mixing = stubMixing({ plain: 0.5, network: 2 });
    const networks = new Networks({ engine: fakeEngine({ shape: 'flat', mixing }) }, NODE);
    const encoder = new BlockEncoder(
      planFor(levelSettings(6), 'auto', undefined),
      networks,
      new Pauses(),
      () => {},
    );
    const coded = await encoder.encode(new Uint8Array(2 ** 17), fakeModel(), () => {});
    expect(coded).toMatchObject({ mode: { name: 'mixing-full' }, streams: 1 });
    networks.close();
  });
});

describe('the memory limit', () => {
  /** Encodes within a limit; how many networks were opened for it. */
  async function encode(level: number, mode: 'auto' | CodedMode['name'], limit: number) {
    const engine = fakeEngine({ shape: 'flat', mixing: stubMixing() });
    const networks = new Networks({ engine }, NODE);
    const allow = (bytes: number) => checkMemory(bytes, limit);
    const encoder = new BlockEncoder(
      planFor(levelSettings(level), mode, undefined),
      networks,
      new Pauses(),
      allow,
    );
    const code = await encoder
      .encode(new Uint8Array(2 ** 17), fakeModel(), () => {})
      .then(
        () => 'coded',
        (error) => error.code,
      );
    networks.close();
    return { code, opened: engine.opened };
  }
  const length = 2 ** 17;
  const need = (name: CodedMode['name'], of: number, streams: number) =>
    blockMemory(
      {
        ...{ length: of, codedLength: of, streams, mode: codedMode(name) },
        ...{ network: fakeEngine().memory(fakeModel().architecture, streams), mixing: stubMixing() },
      },
      true,
    );

  it('is what encoding takes, batches of frequencies included', async () => {
    const limit = need('network-mixing-fast', length, 1);
    expect(await encode(9, 'network-mixing-fast', limit)).toEqual({ code: 'coded', opened: 1 });
    expect(await encode(9, 'network-mixing-fast', limit - 1)).toEqual({
      code: 'ERR_MEMORY_LIMIT',
      opened: 0,
    });
  });

  it('counts what a block may take at most: stored, or with all streams that its mode may have', async () => {
    const networks = new Networks({ engine: fakeEngine({ shape: 'flat', mixing: stubMixing() }) }, NODE);
    const demand = (mode: 'stored' | CodedMode['name'], streams: number) =>
      new BlockEncoder(planFor(levelSettings(6), mode, streams), networks, new Pauses(), () => {}).demand(
        length,
        fakeModel(),
      );
    expect(await demand('stored', 1)).toBe(blockMemory({ length, codedLength: length, streams: 0 }));
    expect(await demand('network-mixing-fast', 3)).toBe(need('network-mixing-fast', length, 3));
    expect(await demand('network-mixing-fast', 4096)).toBe(need('network-mixing-fast', length, 1024));
    networks.close();
  });

  it('holds for the trial as well, before its network is opened', async () => {
    const limit = need('network-mixing-fast', Trial.sampleLength(length), SLICES);
    expect(await encode(6, 'auto', limit - 1)).toEqual({ code: 'ERR_MEMORY_LIMIT', opened: 0 });
  });
});

describe('streams', () => {
  beforeEach(() => {
    found.saving = 0.9;
  });

  it('are the most that the level allows while they cost nothing', async () => {
    expect((await choice(6)).streams).toBe(8);
    expect((await choice(6, 2 ** 18)).streams).toBe(2);
    // one that has begun counts
    expect((await choice(6, 2 ** 18 + 1)).streams).toBe(3);
    expect((await choice(8)).streams).toBe(2);
    expect((await choice(9)).streams).toBe(1);
  });

  it('are halved until half of what they cost, measured without the network, is tolerated', async () => {
    // level 6 tolerates 2 %
    found.streamCost = (streams) => streams * 0.009;
    expect((await choice(6)).streams).toBe(4);
    found.streamCost = (streams) => streams * 0.011;
    expect((await choice(6)).streams).toBe(2);
    found.streamCost = () => 1;
    expect((await choice(6)).streams).toBe(1);
    // exactly as much as is tolerated
    found.streamCost = () => 2 * 0.02;
    expect((await choice(6)).streams).toBe(8);
  });

  it('are as many also where the caller asks for the mode', async () => {
    found.streamCost = () => 1;
    expect((await choice(6, 2 ** 20, 'network-mixing-full')).streams).toBe(1);
    found.streamCost = () => 0;
    expect((await choice(6, 2 ** 20, 'network-mixing-full')).streams).toBe(8);
  });

  it('are exactly those that the caller asks for, whatever they cost', async () => {
    found.streamCost = () => 1;
    expect(await choice(6, 2 ** 20, 'auto', 7)).toEqual({ mode: 'network-mixing-full', streams: 7 });
    expect((await choice(6, 2 ** 20, 'network-mixing-full', 7)).streams).toBe(7);
    expect((await choice(6, 2 ** 20, 'network-mixing-full', 2)).streams).toBe(2);
    // only whether the network pays was to be found out
    expect(found.trials).toBe(1);
    // as far as the format has them, and the block has bytes for them
    expect((await choice(6, 2 ** 20, 'network-mixing-full', 4096)).streams).toBe(1024);
    expect((await choice(6, 100, 'network-mixing-full', 4096)).streams).toBe(100);
  });

  it('of the network alone, which does not learn, are not tried', async () => {
    found.streamCost = () => 1;
    expect((await choice(6, 2 ** 18, 'network').catch(() => ({ streams: -1 }))).streams).not.toBe(1);
    expect(found.trials).toBe(0);
  });

  it('of the network alone are one for 32 KiB, up to 256, at every level', () => {
    for (const level of [1, 6, 9]) {
      const { streams } = planFor(levelSettings(level), 'network', undefined);
      expect([2 ** 15, 2 ** 20, 2 ** 24].map((length) => streamCount(length, streams))).toEqual([1, 32, 256]);
    }
  });
});

describe('small blocks', () => {
  const options = { model: fakeModel(), level: 4 } as const;
  const engine = fakeEngine();
  const size = async (data: Uint8Array, mode?: Mode) =>
    (await compress(data, { ...options, engine, mode })).length;

  it('are coded both ways without a trial, up to 32 KiB', async () => {
    await choice(6, 2 ** 15);
    expect(found.trials).toBe(0);
    await choice(6, 2 ** 15 + 1);
    expect(found.trials).toBe(1);
  });

  it('name a model only where the network saves more than its name takes', async () => {
    let close = 0;
    for (let length = 8; length < 140; length += 3) {
      const data = likelyBytes(length, length);
      const sizes = await Promise.all(
        (['network-mixing-fast', 'mixing-fast', 'stored'] as const).map((mode) => size(data, mode)),
      );
      // the network's payload is shorter, its file is not
      if (sizes[0] > sizes[1] && sizes[0] - 9 < sizes[1]) close++;
      // a coded block's header is up to 4 bytes longer than a stored one's: that is not counted
      const auto = await size(data);
      const best = Math.min(...sizes);
      expect([length, auto <= (best === sizes[2] ? best + 4 : best)]).toEqual([length, true]);
    }
    expect(close).toBeGreaterThan(0);
  });

  it('take the network where both are as long: a later block then need not name the model', async () => {
    const mixing = stubMixing({ plain: 0.5, network: 0.5 - 9 / 4096 });
    const networks = new Networks({ engine: { ...engine, mixing } }, NODE);
    const encoder = new BlockEncoder(
      planFor(levelSettings(4), 'auto', undefined),
      networks,
      new Pauses(),
      () => {},
    );
    expect((await encoder.encode(new Uint8Array(4096), fakeModel(), () => {}))!.mode.name).toBe(
      'network-mixing-fast',
    );
    networks.close();
  });
});

describe('a length record', () => {
  const kinds = async (length: number) =>
    (
      await collect(inspect(await compress(new Uint8Array(length), { blockSize: 8192, level: 1, window: 0 })))
    ).map((r) => r.kind);

  it('stands in files of several blocks, not in those of one, however full it is', async () => {
    expect(await kinds(8192)).toEqual(['member', 'block', 'end']);
    expect(await kinds(8193)).toEqual(['member', 'length', 'block', 'block', 'end']);
  });
});
