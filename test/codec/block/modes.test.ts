import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { blockMemory } from '../../../src/codec/block/memory.js';
import { CODED_MODES, codedMode } from '../../../src/codec/block/modes.js';
import { splitCodes } from '../../../src/codec/block/stream-table.js';
import type { Mode } from '../../../src/codec/container/format.js';
import { Pauses } from '../../../src/codec/event-loop.js';
import { LEVELS } from '../../../src/codec/strategy/levels.js';
import { SLICES, Trial } from '../../../src/codec/strategy/trial.js';
import type { Engine } from '../../../src/engines/engine.js';
import { compress, decompress, type ErrorCode, inspect, ShacompError } from '../../../src/index.js';
import { selectEngine } from '../../../src/node/engines.js';
import { streamStart } from '../../../src/slices.js';
import { collect } from '../../helpers/collect.js';
import { fakeEngine, fakeModel, likelyBytes, random } from '../../helpers/fake-engine.js';
import { lettersModel, sampleText } from '../../helpers/letters-model.js';

const model = lettersModel();
const modes = CODED_MODES.map((mode) => mode.name);

/** The engines that run here; only the native one may be absent. */
const engines: Engine[] = [];
for (const name of ['wasm', 'native']) {
  const engine = await selectEngine(name, { threads: 1 }).catch((error) => {
    if (name !== 'native' || error.code !== 'ERR_ENGINE_UNAVAILABLE') throw error;
  });
  if (engine) engines.push(engine);
}

const randomBytes = (length: number, seed: number) => {
  const next = random(seed);
  return Uint8Array.from({ length }, () => next() * 256);
};

/** Lines of a log: repetitive, and nothing that a network of English letters could know. */
function logLines(length: number): Buffer {
  const next = random(4);
  let text = '';
  for (let time = 0x5f000000; text.length < length; time += 1 + next() * 9)
    text += `${Math.floor(time).toString(16)}\t[${Math.floor(next() * 8)}]\t0x00FF${Math.floor(next() * 4096)}\tOK\r\n`;
  return Buffer.from(text.slice(0, length));
}

/** A fake network beside a mixing coder that is not the slow reference. */
const quickFake = () => fakeEngine({ mixing: engines.at(-1)!.mixing });

const modesOf = async (file: Uint8Array): Promise<Mode[]> =>
  (await collect(inspect(file))).flatMap((record) => (record.kind === 'block' ? [record.mode] : []));

describe.each(modes)('mode %s', (mode) => {
  it('round trips on every engine, with the same bytes', async () => {
    const piece = fc.oneof(
      fc.tuple(fc.nat(255), fc.nat(2000)).map(([byte, n]) => new Uint8Array(n).fill(byte)),
      fc.tuple(fc.uint8Array({ maxLength: 20 }), fc.nat(60)).map(([part, n]) => {
        const all = new Uint8Array(part.length * n);
        for (let i = 0; i < n; i++) all.set(part, i * part.length);
        return all;
      }),
      fc.json().map((text) => new TextEncoder().encode(text)),
      fc.nat(3000).map((n) => sampleText(n, n)),
      fc.uint8Array({ maxLength: 200 }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 5 }), async (pieces) => {
        const data = Buffer.concat(pieces);
        const files: Uint8Array[] = [];
        for (const engine of engines) files.push(await compress(data, { mode, model, engine }));
        for (const file of files) {
          expect(Buffer.compare(file, files[0])).toBe(0);
          expect(file.length).toBeLessThanOrEqual(Math.floor(data.length * 1.001) + 64);
        }
        for (const engine of engines)
          expect(Buffer.compare(await decompress(files[0], { model, engine }), data)).toBe(0);
      }),
      { numRuns: 8 },
    );
  });

  it('is written into the block, and codes blocks of several streams', async () => {
    const data = sampleText(20_000);
    const engine = engines.at(-1)!;
    const file = await compress(data, { mode, model, engine, blockSize: 8192 });
    expect(await modesOf(file)).toEqual([mode, mode, mode]);
    expect(file.length).toBeLessThan(data.length * 0.7);
    expect(Buffer.compare(await decompress(file, { model, engine }), data)).toBe(0);
  });

  it('finds damage wherever it is', async () => {
    const data = sampleText(400);
    const engine = engines.at(-1)!;
    const file = await compress(data, { mode, model, engine });
    const allowed: ErrorCode[] = [
      'ERR_NOT_SHACOMP',
      'ERR_UNSUPPORTED_VERSION',
      'ERR_TRUNCATED',
      'ERR_CORRUPT',
      'ERR_CHECKSUM',
      'ERR_MODEL_NOT_FOUND',
    ];
    const outcome = async (damaged: Uint8Array) => {
      try {
        const back = await decompress(damaged, { model, engine, maxOutputLength: 2 ** 20 });
        return Buffer.compare(back, data) === 0 ? 'right' : 'WRONG BYTES';
      } catch (error) {
        if (!(error instanceof ShacompError)) throw error;
        return allowed.includes(error.code) || error.code === 'ERR_OUTPUT_TOO_LARGE' ? 'found' : error.code;
      }
    };
    for (let bit = 0; bit < file.length * 8; bit += 7) {
      const damaged = file.slice();
      damaged[bit >> 3] ^= 1 << (bit & 7);
      expect([bit, await outcome(damaged)]).toEqual([bit, 'found']);
    }
    for (let length = 0; length < file.length; length += 17)
      await expect(decompress(file.subarray(0, length), { model, engine })).rejects.toMatchObject({
        code: 'ERR_TRUNCATED',
      });
  });
});

describe('streams', () => {
  const streamsAt = async (options: object) => {
    const file = await compress(likelyBytes(72_000), {
      model: fakeModel(),
      engine: quickFake(),
      ...options,
    });
    const [block] = (await collect(inspect(file))).filter((record) => record.kind === 'block');
    return block.streams;
  };

  it('are as many as the level says with the network, one without', async () => {
    expect(await streamsAt({ mode: 'network-mixing-fast', level: 4 })).toBe(2);
    expect(await streamsAt({ mode: 'network', level: 6 })).toBe(3);
    expect(await streamsAt({ mode: 'network', level: 9 })).toBe(3);
    expect(await streamsAt({ mode: 'network-mixing-fast', level: 9 })).toBe(1);
    expect(await streamsAt({ mode: 'mixing-fast' })).toBe(1);
  });

  it('are as many as asked for, as far as there are bytes and the mode has them', async () => {
    const engine = engines.at(-1)!;
    const streamsOf = async (length: number, mode: Mode, streams: number) => {
      const file = await compress(sampleText(length), { model, engine, mode, streams });
      const [block] = (await collect(inspect(file))).filter((record) => record.kind === 'block');
      expect(block.mode).toBe(mode);
      return block.streams;
    };
    expect(await streamsOf(70_000, 'network', 4096)).toBe(4096);
    expect(await streamsOf(70_000, 'network', 3)).toBe(3);
    expect(await streamsOf(70_000, 'network-mixing-fast', 4096)).toBe(1024);
    expect(await streamsOf(70_000, 'network-mixing-fast', 5)).toBe(5);
    expect(await streamsOf(9000, 'mixing-fast', 5)).toBe(1);
    for (const streams of [0, 4097, 1.5])
      await expect(compress(new Uint8Array(9), { streams, model, engine })).rejects.toMatchObject({
        code: 'ERR_OPTIONS',
      });
  });

  it('of a network alone depend on nothing of each other: their codes are those of their bytes alone', async () => {
    const data = sampleText(5000);
    for (const engine of engines)
      for (const streams of [2, 7, 100]) {
        const coded = (bytes: Uint8Array, of: number) =>
          compress(bytes, { mode: 'network', streams: of, model, engine });
        const payloadOf = async (file: Uint8Array) => {
          const [block] = (await collect(inspect(file))).filter((record) => record.kind === 'block');
          return file.subarray(file.length - 4 - block.codedLength, file.length - 4);
        };
        const file = await coded(data, streams);
        const codes = splitCodes(await payloadOf(file), streams);
        for (const k of [0, 1, streams - 1]) {
          const slice = data.subarray(streamStart(5000, streams, k), streamStart(5000, streams, k + 1));
          expect(Buffer.compare(codes[k], await payloadOf(await coded(slice, 1)))).toBe(0);
        }
        expect(Buffer.compare(await decompress(file, { model, engine }), data)).toBe(0);
      }
  });

  it('are fewer where they cost more: each learns too late what the others have just met', async () => {
    const length = 200_000;
    const next = random(9);
    // readings that change little from line to line, and are far away some thousand lines later
    const value = [20, 30, 40];
    let log = '';
    for (let time = 1_600_000_000; log.length < length; time += Math.floor(next() * 5)) {
      const k = Math.floor(next() * value.length);
      value[k] += next() - 0.5;
      log += `${time},s${k},${value[k].toFixed(2)}\n`;
    }
    const streamsOf = async (data: Uint8Array, level: number) => {
      const options = {
        model: fakeModel(),
        engine: quickFake(),
        mode: 'network-mixing-fast',
        level,
      } as const;
      const [block] = (await collect(inspect(await compress(data, options)))).filter(
        (r) => r.kind === 'block',
      );
      return block.streams;
    };
    const prose = sampleText(length);
    expect(await streamsOf(prose, 4)).toBe(4);
    expect(await streamsOf(prose, 6)).toBe(2);
    // the higher level tolerates less
    expect(await streamsOf(Buffer.from(log), 4)).toBe(2);
    expect(await streamsOf(Buffer.from(log), 6)).toBe(1);
  });

  it('that a block has, not those of a level, are decoded', async () => {
    const kernels = engines[0].mixing;
    const data = sampleText(5000);
    const mode = codedMode('mixing-fast');
    for (const streams of [1, 2, 7, 1000]) {
      const context = { length: data.length, streams, mixing: kernels };
      const encoder = mode.encoder(context);
      encoder.encode(data);
      const payload = encoder.finish()!;
      encoder.close?.();
      const decoder = mode.decoder(payload, context);
      const back = new Uint8Array(data.length);
      decoder.decode(back, back.length);
      decoder.finish();
      decoder.close?.();
      expect(Buffer.compare(back, data)).toBe(0);
    }
  });
});

describe('the choice of a mode', () => {
  const options = { model: fakeModel(), level: 4 };

  it('is the network where it knows the data', async () => {
    const engine = quickFake();
    // of this length the sample's slices begin where the fake network's state does
    const file = await compress(likelyBytes(100_224), { ...options, engine });
    expect(await modesOf(file)).toEqual(['network-mixing-fast']);
  });

  it('spares the network what it does not know: only the sample is tried', async () => {
    for (const data of [logLines(100_000), randomBytes(100_000, 3)]) {
      const engine = quickFake();
      const file = await compress(data, { ...options, engine });
      expect((await modesOf(file))[0]).toMatch(/^mixing-fast$|^stored$/);
      expect(engine.opened).toBe(1);
    }
  });

  it('stores what nothing makes smaller', async () => {
    for (const length of [1, 50, 5000, 100_000]) {
      const file = await compress(randomBytes(length, length), { ...options, engine: quickFake() });
      expect(await modesOf(file)).toEqual(['stored']);
    }
  });

  it('is the smaller one of both for small blocks', async () => {
    const engine = quickFake();
    const size = async (data: Uint8Array, mode?: Mode) =>
      (await compress(data, { ...options, engine, mode })).length;
    for (const data of [likelyBytes(3000), logLines(3000), sampleText(300), randomBytes(3000, 2)]) {
      const sizes = [
        await size(data, 'network-mixing-fast'),
        await size(data, 'mixing-fast'),
        await size(data, 'stored'),
      ];
      expect(await size(data)).toBe(Math.min(...sizes));
    }
  });

  it('rests on the same estimates on every engine', async () => {
    const block = Buffer.concat([sampleText(30_000), logLines(30_000)]);
    const estimates = await Promise.all(
      engines.map(async (engine) => {
        const mixing = engine.mixing;
        const trial = new Trial(block, {
          mixing,
          pauses: new Pauses(),
          open: async () => engine.open(model, SLICES),
        });
        return [await trial.saving(), await trial.streamCost(2), await trial.streamCost(4)];
      }),
    );
    for (const estimate of estimates) expect(estimate).toEqual(estimates[0]);
    expect(estimates[0].every(Number.isFinite)).toBe(true);
  });

  it('does not depend on the engine', async () => {
    const data = Buffer.concat([sampleText(60_000), logLines(60_000), randomBytes(40_000, 1)]);
    const files: Uint8Array[] = [];
    for (const engine of engines)
      files.push(await compress(data, { model, engine, level: 4, blockSize: 50_000 }));
    for (const file of files) expect(Buffer.compare(file, files[0])).toBe(0);
    expect(Buffer.compare(await decompress(files[0], { model, engine: engines[0] }), data)).toBe(0);
  });
});

describe('levels', () => {
  it('all round trip, and the last is smaller than the first', async () => {
    const data = Buffer.concat([sampleText(6000), logLines(3000)]);
    const engine = engines.at(-1)!;
    const sizes: number[] = [];
    for (let level = 1; level <= LEVELS.length; level++) {
      const file = await compress(data, { level, model, engine });
      expect(Buffer.compare(await decompress(file, { model, engine }), data)).toBe(0);
      sizes.push(file.length);
    }
    expect(sizes.at(-1)).toBeLessThan(sizes[0]);
  });

  it('are those of docs/levels.md', () => {
    const page = readFileSync(new URL('../../../docs/levels.md', import.meta.url), 'utf8');
    const size = (bytes: number) => (bytes < 2 ** 20 ? `${bytes / 2 ** 10} KiB` : `${bytes / 2 ** 20} MiB`);
    const words = (mode: string) =>
      mode.replace('network-', 'network and ').replace(/-(fast|full)$/, (_, profile) => `, ${profile}`);
    const rows = LEVELS.map(({ mode, plain, model, streams, tolerance, blockSize }, i) => {
      const network = mode.startsWith('network');
      const cut = network ? [size(streams.bytes), `${streams.most}`, `${100 * tolerance} %`] : ['', '1', ''];
      const cells = [`${i + 1}`, words(mode), words(plain), network ? model : '', ...cut, size(blockSize)];
      return `| ${cells.join(' | ')} |`.replaceAll(/\| {2}(?=\|)/g, '| ');
    });
    expect(page).toContain(rows.join('\n'));
  });

  it('without the network need no model', async () => {
    const data = sampleText(3000);
    const file = await compress(data, { level: 1, model: './no-such-model.sharnn', engine: engines[0] });
    expect(Buffer.compare(await decompress(file, { engine: engines[0] }), data)).toBe(0);
  });
});

describe.each(engines.map((engine) => [engine.name, engine] as const))(
  'memory of mixing, %s',
  (_, engine) => {
    it('is known before it is taken, grows with the block, and is kept within the limit', async () => {
      const { mixing } = engine;
      const data = sampleText(10_000);
      for (const mode of ['mixing-fast', 'mixing-full'] as const) {
        const need = (length: number) => codedMode(mode).memory({ length, streams: 1, mixing });
        expect(need(3000)).toBeLessThan(need(300_000));
        expect(need(2 ** 26)).toBeLessThan(2 ** 30);
        const file = await compress(data, { mode, engine });
        const [block] = (await collect(inspect(file))).filter((record) => record.kind === 'block');
        const limit = blockMemory({ ...block, mode: codedMode(mode), mixing });
        expect((await decompress(file, { engine, memoryLimit: limit })).length).toBe(data.length);
        for (const run of [
          () => decompress(file, { engine, memoryLimit: limit - 1 }),
          () => compress(data, { mode, engine, memoryLimit: limit - 1 }),
        ])
          await expect(run()).rejects.toMatchObject({ code: 'ERR_MEMORY_LIMIT' });
      }
    });

    it('is alike on every engine, also where sizes pass 32 bits', async () => {
      const { mixing } = engine;
      const other = engines[0].mixing;
      for (const profile of [0, 1])
        for (let length = 1; length < 2 ** 26; length = Math.ceil(length * 1.06)) {
          // pointers differ in size, and WebAssembly has room for what crosses over; tables must not
          const difference = mixing.mixBytes(profile, length, 1) - other.mixBytes(profile, length, 1);
          expect(Math.abs(difference)).toBeLessThan(2 ** 19);
        }
    });

    it('is refused for shapes out of range', async () => {
      const { mixing } = engine;
      for (const [profile, length, streams] of [
        [2, 100, 1],
        [-1, 100, 1],
        [0, 2 ** 32 + 100, 1],
        [0, 100, 0],
        [0, 100, 1e6],
      ]) {
        expect(mixing.mixBytes(profile, length, streams)).toBe(0);
        expect(() => mixing.mixOpen(profile, length, streams)).toThrow(
          expect.objectContaining({ code: 'ERR_OPTIONS' }),
        );
      }
    });
  },
);
