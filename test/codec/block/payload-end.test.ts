/** @file A coded block has exactly one payload: any other is refused, whatever the mode and the engine. */
import { describe, expect, it } from 'vitest';
import { CODED_MODES } from '../../../src/codec/block/modes.js';
import { blockHeader } from '../../../src/codec/container/container.js';
import type { Engine, MixKernels } from '../../../src/engines/engine.js';
import {
  type BlockRecord,
  compress,
  decompress,
  inspect,
  loadModel,
  ShacompError,
} from '../../../src/index.js';
import { selectEngine } from '../../../src/node/engines.js';
import { collect } from '../../helpers/collect.js';
import { random } from '../../helpers/fake-engine.js';
import { encode } from '../../helpers/mixing.js';

const model = await loadModel(new URL('../../../fixtures/tiny.sharnn', import.meta.url));

/** The engines that run here, the fastest first; only the native one may be absent. */
const engines: Engine[] = [];
for (const name of ['native', 'wasm', 'reference']) {
  const engine = await selectEngine(name, { threads: 1 }).catch((error) => {
    if (name !== 'native' || error.code !== 'ERR_ENGINE_UNAVAILABLE') throw error;
  });
  if (engine) engines.push(engine);
}

/** Every mode, and the mode whose streams have codes of their own with several of them. */
const CASES = [
  ...CODED_MODES.map(({ name }) => ({ mode: name, streams: 1 })),
  { mode: 'network', streams: 3 } as const,
];

/** A few words, which every mode makes smaller. */
function words(seed: number, count: number): Uint8Array {
  const next = random(seed);
  const list = ['the ', 'cat ', 'sat ', 'on ', 'a mat ', '{"k":1} ', '\n', '17 '];
  const text = Array.from({ length: count }, () => list[Math.floor(next() * list.length)]).join('');
  return new TextEncoder().encode(`the cat sat on the cat sat on the cat ${text}`);
}

/** A file of one coded block, taken apart. */
async function taken(file: Uint8Array): Promise<{ block: BlockRecord; payload: Uint8Array; end: number }> {
  const blocks = (await collect(inspect(file))).filter((record) => record.kind === 'block');
  expect(blocks.length).toBe(1);
  expect(blocks[0].mode).not.toBe('stored');
  const end = file.length - 4;
  return { block: blocks[0], payload: file.subarray(end - blocks[0].codedLength, end), end };
}

/** The code of the error; `accepted` if there is none. */
async function outcome(file: Uint8Array, engine: Engine): Promise<string> {
  try {
    await decompress(file, { model, engine });
    return 'accepted';
  } catch (error) {
    if (!(error instanceof ShacompError)) throw error;
    return error.code;
  }
}

describe.each(CASES)('mode $mode, streams: $streams', ({ mode, streams }) => {
  const fast = engines.filter(({ name }) => name !== 'reference');

  it('refuses every flipped bit of a payload, on every engine alike', async () => {
    const data = words(3, 4);
    const file = await compress(data, { mode, streams, model, engine: engines[0] });
    const { payload, end } = await taken(file);
    for (const engine of engines) expect(await outcome(file, engine)).toBe('accepted');
    for (let bit = (end - payload.length) * 8; bit < end * 8; bit++) {
      // the reference mixes slowly: the last bytes, where the code ends, and some before
      const some = bit >= (end - 3) * 8 || bit % 41 === 0;
      const damaged = file.slice();
      damaged[bit >> 3] ^= 1 << (bit & 7);
      const results: string[] = [];
      for (const engine of some ? engines : fast) results.push(await outcome(damaged, engine));
      expect([bit, ['ERR_CORRUPT', 'ERR_CHECKSUM']]).toEqual([bit, expect.arrayContaining(results)]);
      expect([bit, new Set(results).size]).toEqual([bit, 1]);
    }
  });

  it('refuses payloads with bytes more or fewer, the header telling their length', async () => {
    for (let seed = 1; seed <= 4; seed++) {
      const data = words(seed, 6 * seed);
      const file = await compress(data, { mode, streams, model, engine: engines[0] });
      const { block, payload, end } = await taken(file);
      const changed = [
        ...[[0], [1], [255], [0, 0], [0, 0, 0, 0, 0]].map((more) => [...payload, ...more]),
        ...[1, 2, 3, 4].map((fewer) => [...payload.subarray(0, -fewer)]),
      ];
      for (const bytes of changed) {
        const again = Buffer.concat([
          file.subarray(0, end - payload.length - blockHeader(block).length),
          blockHeader({ ...block, codedLength: bytes.length }),
          Uint8Array.from(bytes),
          file.subarray(end),
        ]);
        for (const engine of seed === 1 ? engines : fast)
          expect(await outcome(again, engine)).toMatch(/^ERR_(CORRUPT|CHECKSUM)$/);
      }
    }
  });

  it('accepts no flip in the last bytes, wherever the code ends', async () => {
    for (let seed = 1; seed <= 12; seed++) {
      const data = words(100 + seed, seed);
      const file = await compress(data, { mode, streams, model, engine: engines[0] });
      const { end } = await taken(file);
      for (let bit = (end - 3) * 8; bit < end * 8; bit++) {
        const damaged = file.slice();
        damaged[bit >> 3] ^= 1 << (bit & 7);
        for (const engine of fast)
          expect([seed, bit, await outcome(damaged, engine)]).toEqual([
            seed,
            bit,
            expect.stringMatching(/^ERR_(CORRUPT|CHECKSUM)$/),
          ]);
      }
    }
  });
});

describe.each(engines.map((e) => [e.name, e.mixing] as const))('the mixing decoder, %s', (name, k) => {
  /** What a payload decodes to, and whether it ends there. */
  const decoded = (k: MixKernels, payload: Uint8Array, length: number) => {
    const coder = k.mixOpen(0, length, 1, payload);
    const symbols = new Uint8Array(length);
    const used = k.mixDecode(coder, symbols, length);
    const ends = k.mixEnds(coder);
    k.mixClose(coder);
    return { symbols, used, ends };
  };

  it('takes a payload as whole exactly if encoding what it decodes to gives it', () => {
    const next = random(5);
    let whole = 0;
    for (let i = 0; i < (name === 'reference' ? 60 : 600); i++) {
      const data = words(i, i % 5).subarray(0, 30 + (i % 20));
      const payload = encode(k, 0, data, 1)!;
      const changed = [...payload];
      const kind = Math.floor(next() * 5);
      if (kind === 1) changed.push(Math.floor(next() * 256));
      if (kind === 2) changed.pop();
      if (kind === 3) changed[changed.length - 1] ^= 1 << (next() * 8);
      if (kind === 4) changed[changed.length - 1 - Math.floor(next() * 3)] = Math.floor(next() * 256);
      const { symbols, ends } = decoded(k, Uint8Array.from(changed), data.length);
      const again = encode(k, 0, symbols, 1);
      expect([i, kind, ends]).toEqual([i, kind, Buffer.from(again ?? []).equals(Uint8Array.from(changed))]);
      if (ends) whole++;
    }
    expect(whole).toBeGreaterThan(5);
  });

  it('tells damage as soon as more is read than a payload can omit', () => {
    const data = words(1, 100);
    for (const [payload, length] of [
      [encode(k, 0, data, 1)!.subarray(0, 60), data.length],
      [Uint8Array.of(255, 255, 255, 255), 1],
    ] as const) {
      const { used, ends } = decoded(k, payload, length);
      expect(used).toBe(Number.POSITIVE_INFINITY);
      expect(ends).toBe(false);
    }
  });
});
