/** @file Explanations: what bytes cost adds up to the file, and the parts say who would have known better. */
import { randomFillSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { LIKELIEST } from '../../../src/codec/explain/costs.js';
import { type Explanation, totals } from '../../../src/codec/explain/explain.js';
import { pack, unpack } from '../../../src/codec/explain/report-data.js';
import {
  advice,
  expensiveLines,
  isText,
  kinds,
  lines,
  regions,
  winner,
} from '../../../src/codec/explain/summary.js';
import { explain } from '../../../src/index.js';
import { lettersModel, sampleText } from '../../helpers/letters-model.js';

const model = lettersModel();
const modes = [
  'network',
  'mixing-fast',
  'mixing-full',
  'network-mixing-fast',
  'network-mixing-full',
] as const;

/** Bits of the payload that a range coder may add to what the decisions cost. */
const overhead = (bits: number) => 40 + bits / 10_000;

describe.each(['reference', 'wasm', 'auto'])('an explanation by the engine %s', (engine) => {
  it.each(modes)('has costs that sum up to the payload, in mode %s', async (mode) => {
    const data = sampleText(1500);
    const e = await explain(data, { model, mode, engine });
    const coded = totals(e).coded;
    const [block] = e.blocks;
    expect(e.blocks).toHaveLength(1);
    expect(block).toMatchObject({ start: 0, length: 1500, mode });
    expect(8 * block.codedLength - coded).toBeGreaterThan(-8);
    expect(8 * block.codedLength - coded).toBeLessThan(overhead(coded));
  });
});

describe('an explanation', () => {
  let e: Explanation;
  const data = sampleText(30_000);
  beforeAll(async () => {
    e = await explain(data, { model, blockSize: 8192, level: 6, likeliest: true });
  });

  it('sums up block by block, with as many streams as blocks have', async () => {
    const many = await explain(sampleText(80_000), { model, level: 4, mode: 'network-mixing-fast' });
    expect(many.blocks[0].streams).toBeGreaterThan(1);
    for (const x of [e, many])
      for (const { start, length, codedLength } of x.blocks) {
        const { coded } = totals(x, start, start + length);
        expect(8 * codedLength - coded).toBeGreaterThan(-8);
        expect(8 * codedLength - coded).toBeLessThan(overhead(coded));
      }
    expect(e.blocks.map(({ length }) => length)).toEqual([8192, 8192, 8192, 5424]);
  });

  it('is the same by every engine', async () => {
    const part = data.subarray(0, 800);
    const [a, b] = await Promise.all(
      ['reference', 'auto'].map((engine) => explain(part, { model, mode: 'network-mixing-full', engine })),
    );
    expect(a).toEqual(b);
  });

  it('names the bytes that the network finds likeliest, with falling probabilities', () => {
    let hits = 0;
    for (let i = 0; i < e.bytes.length; i++) {
      const at = i * LIKELIEST;
      const names = [...e.likeliest!.subarray(at, at + LIKELIEST)];
      const chances = [...e.chances!.subarray(at, at + LIKELIEST)];
      expect(new Set(names).size).toBe(LIKELIEST);
      expect([...chances].sort((x, y) => y - x)).toEqual(chances);
      const rank = names.indexOf(e.bytes[i]);
      if (rank < 0) continue;
      hits++;
      expect(Math.abs(2 ** -e.network![i] * 65536 - chances[rank])).toBeLessThan(2);
    }
    expect(hits).toBeGreaterThan(e.bytes.length / 2);
  });

  it.each(modes)(
    'names the likeliest bytes of what codes, where it is asked to, in mode %s',
    async (mode) => {
      const part = data.subarray(0, 3000);
      const plain = await explain(part, { model, mode });
      expect([plain.codedLikeliest, plain.codedChances]).toEqual([undefined, undefined]);
      const x = await explain(part, { model, mode, likeliest: true });
      expect({ ...x, codedLikeliest: undefined, codedChances: undefined }).toEqual(plain);
      let [hits, apart] = [0, 0];
      for (let i = 0; i < part.length; i++) {
        const at = i * LIKELIEST;
        const rank = x.codedLikeliest!.subarray(at, at + LIKELIEST).indexOf(part[i]);
        if (rank < 0) continue;
        hits++;
        apart += Math.abs(2 ** -x.coded[i] - x.codedChances![at + rank] / 65536);
      }
      expect(hits).toBeGreaterThan(part.length / 2);
      expect(apart / hits).toBeLessThan(0.02);
      if (mode === 'network') expect(x.codedLikeliest).toEqual(x.likeliest);
    },
  );

  it('names no likeliest bytes where nothing is predicted: in copies and stored blocks', async () => {
    const noise = randomFillSync(new Uint8Array(20_000));
    const stored = await explain(noise, { model, likeliest: true });
    expect(Math.max(...stored.codedChances!)).toBe(0);
    const twice = Buffer.concat([data, noise, data]);
    const copied = await explain(twice, { level: 1, likeliest: true, blockSize: 2 ** 17 });
    expect(copied.blocks[0].copied).toBeGreaterThan(20_000);
    expect(Math.max(...copied.codedChances!.subarray(0, 5000))).toBeGreaterThan(0);
    expect(Math.max(...copied.codedChances!.subarray(-5000))).toBe(0);
  });

  it('of stored bytes says eight bits each, and that nothing would help', async () => {
    const x = await explain(randomFillSync(new Uint8Array(20_000)), { model });
    expect(x.blocks.map(({ mode }) => mode)).toEqual(['stored']);
    expect(new Set(x.coded)).toEqual(new Set([8]));
    expect(advice(x).join()).toMatch(/compressed or encrypted already/);
  });

  it('of nothing is empty', async () => {
    const x = await explain(new Uint8Array(0), { model });
    expect([x.blocks, x.coded.length, x.fileBytes]).toEqual([[], 0, 6]);
    expect([lines(x), regions(x, 8), kinds(x)]).toEqual([[], [], []]);
    expect(advice(x)).toEqual(['The file is empty: there is nothing to save.']);
  });

  it('needs no model at levels without the network', async () => {
    const x = await explain(data, { level: 3 });
    expect([x.network, x.likeliest, x.model]).toEqual([undefined, undefined, undefined]);
    expect(x.contexts).toEqual(x.coded);
  });

  it('counts its work, and stops when its signal says so', async () => {
    const stop = new AbortController();
    const seen: number[] = [];
    const run = explain(data, {
      model,
      signal: stop.signal,
      onProgress(done, of) {
        expect(of).toBe(2 * data.length);
        seen.push(done);
        if (done > data.length) stop.abort(new Error('enough'));
      },
    });
    await expect(run).rejects.toThrow('enough');
    expect([...seen].sort((a, b) => a - b)).toEqual(seen);
  });

  it('adds up in its lines, its regions and its kinds of bytes', () => {
    const { coded, contexts, network } = totals(e);
    for (const parts of [lines(e), regions(e, 10), kinds(e)]) {
      const sum = (of: (part: (typeof parts)[number]) => number) =>
        parts.reduce((n, part) => n + of(part), 0);
      expect(sum(({ bytes }) => bytes)).toBe(data.length);
      expect(sum((part) => part.coded)).toBeCloseTo(coded, 3);
      expect(sum((part) => part.contexts)).toBeCloseTo(contexts, 3);
      expect(sum((part) => part.network!)).toBeCloseTo(network!, 3);
    }
    expect(regions(e, 10)).toHaveLength(10);
  });

  it('finds the expensive line, and who would have coded a byte in fewer bits', async () => {
    const odd = Buffer.concat([
      Buffer.from('one line of it\n'.repeat(40)),
      Buffer.from('Zq7#x!Kv%9\n'),
      Buffer.from('one line of it\n'.repeat(9)),
    ]);
    const x = await explain(odd, { model, mode: 'network-mixing-full' });
    const [worst] = expensiveLines(lines(x).slice(2), 1);
    expect(worst.number).toBe(41);
    expect(worst).toMatchObject({ start: 600, end: 611 });
    const winners = Array.from(x.bytes, (_, i) => winner(x, i));
    expect(winners.slice(300, 600).filter((w) => w === 'contexts').length).toBeGreaterThan(200);
    winners.forEach((w, i) => {
      if (w === 'network') expect(x.network![i]).toBeLessThan(x.contexts[i]);
    });
  });

  it('comes back from its packed form, its sums exact to a bit, for as many bytes as were kept', () => {
    const packed = pack(e, { name: 'x', advice: ['a'], trials: [] });
    const back = unpack(JSON.parse(JSON.stringify(packed)));
    expect(back.bytes).toEqual(new Uint8Array(e.bytes));
    expect(back.likeliest).toEqual(e.likeliest);
    expect(back.codedLikeliest).toEqual(e.codedLikeliest);
    for (const key of ['chances', 'codedChances'] as const)
      expect(back[key]!.every((p, i) => Math.abs(p - e[key]![i]) <= 8)).toBe(true);
    expect(back.model).toEqual({ ...e.model, id: new Uint8Array(e.model!.id) });
    for (const key of ['coded', 'network', 'contexts'] as const) {
      let apart = 0;
      for (let i = 0; i < data.length; i++) {
        apart += back[key]![i] - e[key]![i];
        expect(Math.abs(apart)).toBeLessThan(0.01);
      }
    }
    const cut = pack(e, { name: 'x', advice: [], trials: [] }, 100);
    expect(unpack(cut).coded).toHaveLength(100);
    expect(cut.totals).toEqual(packed.totals);
    expect(cut.length).toBe(30_000);
  });
});

describe('advice', () => {
  it('names the level that makes the file smaller, and one that is as small and faster', async () => {
    const e = await explain(sampleText(5000), { model, level: 4, mode: 'mixing-fast' });
    const trials = [
      { level: 1, bytes: 1000 },
      { level: 4, bytes: 1002 },
      { level: 9, bytes: 800, model: 'base' },
    ];
    const text = advice(e, trials, 1002).join('\n');
    expect(text).toContain('Level 9 with the model base makes it 20 % smaller.');
    expect(text).toContain('Level 1 is faster');
    expect(advice(e, [{ level: 4, bytes: 1002 }], 1002)[0]).toBe('No other level makes it much smaller.');
  });

  it('takes UTF-8 for text, also where a character is cut, and a program not', () => {
    const russian = Buffer.from('и'.repeat(40_000));
    expect(isText(russian)).toBe(true);
    expect(isText(russian.subarray(1))).toBe(false);
    expect(isText(readFileSync(process.execPath).subarray(0, 70_000))).toBe(false);
    expect(isText(new Uint8Array(0))).toBe(true);
  });
});
