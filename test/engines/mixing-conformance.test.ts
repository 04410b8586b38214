/** @file The mixing coder: the reference, native and WebAssembly give the same bits, whatever the input. */
import { describe, expect, it } from 'vitest';
import type { MixKernels } from '../../src/engines/engine.js';
import { nativeEngine } from '../../src/engines/native/engine.js';
import { LIKELIEST, MIX_PROFILES } from '../../src/engines/profiles.js';
import { referenceMixing } from '../../src/engines/reference/mixer.js';
import { Stream } from '../../src/engines/reference/mixer-history.js';
import { selectEngine } from '../../src/node/engines.js';
import { interleave, streamStart } from '../../src/slices.js';
import { generator } from '../helpers/generator.js';
import { decode, encode } from '../helpers/mixing.js';

const bytesOf = (data: DataView | Uint8Array): Uint8Array =>
  new Uint8Array(data.buffer, data.byteOffset, Math.min(400, data.byteLength));
const text = (s: string): Uint8Array => new TextEncoder().encode(s);

/** Calls of a few functions among other bytes. */
function machineCode(next: () => number): Uint8Array {
  const code = new DataView(new ArrayBuffer(1500));
  for (let at = 0; at + 16 < code.byteLength; at += 6 + (next() % 7)) {
    for (let i = 0; i < 4; i++) code.setUint8(at + i, 0x40 + (next() % 12));
    code.setUint8(at + 4, 0xe8 + (next() % 2));
    code.setInt32(at + 5, 0x3000 + 0x170 * (next() % 5) - (at + 9), true);
  }
  return new Uint8Array(code.buffer);
}

/** Bars, a disc with ragged edges and some dust, one bit per pixel, 24 bytes to a row. */
function picture(next: () => number, height: number): Uint8Array {
  const rows = new Uint8Array(24 * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < 192; x++) {
      const inside = (x >= 8 && x < 29) || (x - 110) ** 2 + (y - 60) ** 2 < 1600 + (next() % 200);
      if (inside !== (next() % 500 === 0)) rows[24 * y + (x >> 3)]! |= 128 >> (x & 7);
    }
  return rows;
}

/** How many of a block's bytes are coded as pixels. */
function bytesOfPixels(block: Uint8Array, streams: number): number {
  let n = 0;
  for (let s = 0; s < streams; s++) {
    const slice = block.subarray(
      streamStart(block.length, streams, s),
      streamStart(block.length, streams, s + 1),
    );
    const stream = new Stream(0);
    for (const byte of slice) {
      stream.update(slice, byte, true);
      if (stream.bilevel) n++;
    }
  }
  return n;
}

function samples(): Record<string, Uint8Array> {
  const next = generator(7);
  const pick = <T>(list: readonly T[]): T => list[next() % list.length]!;
  const names = ['lima', 'Oslo', 'quito', 'Нева', '東京'];
  const json = JSON.stringify(
    Array.from({ length: 12 }, (_, id) => ({
      id: 1000 + id,
      user: { name: pick(names), tags: [pick(names), pick(names)], 'a "b"': next() % 90 },
      ok: next() % 2 === 0,
    })),
    null,
    1,
  );
  const csv = Array.from(
    { length: 25 },
    (_, i) => `${1000 + i},2017-07-14 02:${10 + i}:52,${pick(names)},${next() % 400}`,
  );
  const xml = Array.from(
    { length: 12 },
    () => `<item kind="${pick(names)}"><a-b:c>${next() % 99}</a-b:c><br/>\n  <p>${pick(names)} & </p></item>`,
  );
  const code = 'if (a < b) { return f(a[i], "x\\"y"); } // note\n\t\tfor (;;) g->next = 0x1F;\n'.repeat(6);
  const records = Uint8Array.from({ length: 700 }, (_, i) =>
    i % 12 === 0 ? 77 : i % 12 < 4 ? i >> 5 : next() & 3,
  );
  const numbers = new DataView(new ArrayBuffer(1200));
  for (let i = 0; i < 300; i++) {
    numbers.setInt16(4 * i, 3000 * Math.sin(i / 9) + (next() % 50), true);
    numbers.setInt16(4 * i + 2, 400 * i - (next() % 300), true);
  }
  return {
    empty: new Uint8Array(0),
    'one byte': text('A'),
    json: text(json),
    csv: text(csv.join('\n')),
    xml: text(`<root>${xml.join('\n')}</root></root></x>`),
    code: text(code),
    records,
    random: Uint8Array.from({ length: 500 }, next),
    zeros: new Uint8Array(600),
    numbers: new Uint8Array(numbers.buffer),
    calls: machineCode(next),
    pixels: picture(next, 200),
    marks: text('“Да…” — «нет», 70\u00a0km·h; それは。（三）！ l’été ⅔ €5 „x‟ \u2028'.repeat(6)),
    'wide text': new Uint8Array(Buffer.from(json.slice(0, 400), 'utf16le')),
    'broken text': text(json).map((c, i) => (i % 2 === 0 ? (c & 0x3f) | 0x80 : c)),
    'text among numbers': Buffer.concat([numbers, text(csv.slice(0, 4).join('\n')), numbers].map(bytesOf)),
    brackets: text('([{<a>'.repeat(40) + '}])</a>'.repeat(40)),
  };
}

/** A network's frequencies: sometimes sure and right, sometimes sure and wrong, sometimes flat. */
function frequenciesFor(symbols: Uint8Array): Uint32Array {
  const next = generator(11);
  const out = new Uint32Array(symbols.length * 256);
  for (let i = 0; i < symbols.length; i++) {
    const kind = next() % 4;
    for (let k = 0; k < 256; k++) out[i * 256 + k] = kind === 3 ? 1 + (next() >>> 14) : 1 + (next() % 40);
    if (kind < 3) out[i * 256 + (kind === 2 ? next() & 255 : symbols[i]!)] = kind === 0 ? 2 ** 22 : 3000;
  }
  return out;
}

/** A block's bytes in coding order: byte t of every slice that has one, for t = 0, 1, … */
const codingOrder = (block: Uint8Array, streams: number): Uint8Array =>
  interleave(block, streams).subarray(streams, streams + block.length);

const hex = (bytes?: Uint8Array): string => Buffer.from(bytes ?? []).toString('hex');

/** Room for the likeliest values of so many symbols. */
const roomFor = (count: number) => ({
  symbols: new Uint8Array(LIKELIEST * count),
  chances: new Uint16Array(LIKELIEST * count),
});

function native(): MixKernels | undefined {
  try {
    return nativeEngine().mixing;
  } catch {
    return undefined;
  }
}

describe.each(Object.entries(MIX_PROFILES))('mixing, profile %s', (_, profile) => {
  it.each(Object.entries(samples()))(
    'every implementation gives the reference’s bits: %s',
    async (_name, block) => {
      const others = [native(), (await selectEngine('wasm')).mixing].filter((k) => k !== undefined);
      for (const streams of [1, 3]) {
        const symbols = codingOrder(block, streams);
        const f = streams === 3 ? frequenciesFor(symbols) : undefined;
        const expected = hex(encode(referenceMixing, profile, symbols, streams, f));
        for (const k of others) {
          const payload = encode(k, profile, symbols, streams, f);
          expect(hex(payload)).toBe(expected);
          if (payload) expect(decode(k, profile, symbols.length, streams, payload, f)).toEqual(symbols);
        }
      }
    },
  );

  it('has a sample of pixels with and without a network', () => {
    for (const streams of [1, 3]) expect(bytesOfPixels(samples().pixels!, streams)).toBeGreaterThan(900);
  });

  it('every implementation tells the same odds of the bits, which are what the payload takes', async () => {
    const others = [native(), (await selectEngine('wasm')).mixing].filter((k) => k !== undefined);
    const symbols = codingOrder(
      Uint8Array.from({ length: 900 }, (_, i) => (i * i) >> 5),
      3,
    );
    for (const f of [undefined, frequenciesFor(symbols)]) {
      const oddsOf = (k: MixKernels) => {
        const coder = k.mixOpen(profile, symbols.length, 3);
        const odds = new Uint16Array(8 * symbols.length);
        k.mixEncode(coder, symbols, f, odds);
        const payload = k.mixFinish(coder);
        k.mixClose(coder);
        return { odds, payload };
      };
      const { odds, payload } = oddsOf(referenceMixing);
      for (const k of others) expect(oddsOf(k)).toEqual({ odds, payload });
      const bits = odds.reduce((sum, p) => sum + 16 - Math.log2(p), 0);
      expect(Math.abs(8 * payload!.length - bits)).toBeLessThan(40);
    }
  });

  it('every implementation names the same likeliest values, and codes to the same payload', async () => {
    const others = [native(), (await selectEngine('wasm')).mixing].filter((k) => k !== undefined);
    const { json, pixels } = samples();
    const blocks = [json!.subarray(0, 700), pixels!.subarray(0, 2400)];
    expect(bytesOfPixels(blocks[1]!, 2)).toBeGreaterThan(300);
    const all = blocks.flatMap((block) => {
      const symbols = codingOrder(block, 2);
      return [undefined, frequenciesFor(symbols)].map((f) => [symbols, f] as const);
    });
    for (const [symbols, f] of all) {
      const likeliestOf = (k: MixKernels) => {
        const coder = k.mixOpen(profile, symbols.length, 2);
        const likeliest = roomFor(symbols.length);
        const odds = new Uint16Array(8 * symbols.length);
        k.mixEncode(coder, symbols, f, odds, likeliest);
        const payload = k.mixFinish(coder);
        k.mixClose(coder);
        return { ...likeliest, odds, payload };
      };
      const expected = likeliestOf(referenceMixing);
      for (const k of others) expect(likeliestOf(k)).toEqual(expected);
      // looking ahead leaves no trace
      expect(hex(expected.payload)).toBe(hex(encode(referenceMixing, profile, symbols, 2, f)));
      const { odds, symbols: names, chances } = expected;
      let [hits, apart] = [0, 0];
      for (let i = 0; i < symbols.length; i++) {
        const of = names.subarray(i * LIKELIEST, (i + 1) * LIKELIEST);
        const p = [...chances.subarray(i * LIKELIEST, (i + 1) * LIKELIEST)];
        expect(new Set(of).size).toBe(LIKELIEST);
        expect([...p].sort((a, b) => b - a)).toEqual(p);
        expect(p.reduce((a, b) => a + b)).toBeLessThanOrEqual(65536);
        const rank = of.indexOf(symbols[i]!);
        if (rank < 0) continue;
        hits++;
        // what is learned within the byte moves its chance, but not far
        const coded = odds.subarray(8 * i, 8 * i + 8).reduce((product, q) => (product * q) / 65536, 65536);
        apart += Math.abs(coded - p[rank]!) / 65536;
      }
      expect(hits).toBeGreaterThan(symbols.length / 2);
      expect(apart / hits).toBeLessThan(0.03);
    }
  });

  it('refuses odds and likeliest values for which there is no room', () => {
    for (const k of [referenceMixing, native()]) {
      const coder = k?.mixOpen(profile, 10, 1);
      if (!k || !coder) continue;
      const refused = expect.objectContaining({ code: 'ERR_OPTIONS' });
      const ten = new Uint8Array(10);
      expect(() => k.mixEncode(coder, ten, undefined, new Uint16Array(79))).toThrow(refused);
      expect(() => k.mixEncode(coder, ten, undefined, undefined, roomFor(9))).toThrow(refused);
    }
  });

  it('the reference decodes what it encoded', () => {
    const symbols = codingOrder(samples().json!.subarray(0, 400), 2);
    const f = frequenciesFor(symbols);
    expect(
      decode(
        referenceMixing,
        profile,
        symbols.length,
        2,
        encode(referenceMixing, profile, symbols, 2, f)!,
        f,
      ),
    ).toEqual(symbols);
  });
});
