/** @file What the networks of every engine are tested for. */
import { describe, expect, it } from 'vitest';
import type { Engine, Network } from '../../src/engines/engine.js';
import { referenceEngine } from '../../src/engines/reference/engine.js';
import { type Architecture, SYMBOLS } from '../../src/model/architecture.js';
import { type Candidate, Case, expectSame, frequenciesOf } from './conformance.js';
import { randomBytes, randomModel } from './random-model.js';

const shape = (
  width: number,
  layers: number,
  boom: number,
  window: number,
  attention: number[],
): Architecture => ({ width, layers, boom, window, attention });

const SHAPES: Record<string, Architecture> = {
  'one layer, no attention': shape(64, 1, 1, 1, []),
  'a window of one': shape(64, 2, 2, 1, [0, 1]),
  'an odd window that wraps, a width that is no power of two': shape(192, 2, 3, 37, [1]),
  'eight boom chunks': shape(128, 1, 8, 64, [0]),
  'a window larger than the run': shape(64, 3, 4, 4096, [0, 2]),
};

export const small = randomModel({ seed: 4, architecture: shape(64, 2, 2, 12, [1]) });

export interface SuiteOptions {
  /** Whose results are the right ones; default: the reference. */
  judge?: Engine;
  /** For slow engines: fewer cases, fewer steps, no wide networks. */
  few?: boolean;
}

/** Runs whose results are known. */
function runs({ judge = referenceEngine, few = false }: SuiteOptions) {
  const some = (steps: number) => (few ? Math.ceil(steps / 4) : steps);
  const fits = (width: number) => !few || width <= 192;
  const random = Object.entries(SHAPES).map(([name, architecture], i) => ({
    name,
    run: new Case(randomModel({ seed: 10 + i, architecture }), 2, some(50), judge),
  }));
  const extremes = (['signs', 'ones'] as const).flatMap((extreme) =>
    [shape(64, 2, 8, 20, [0, 1]), shape(1024, 1, 1, 5, [0])]
      .filter(({ width }) => fits(width))
      .flatMap((architecture) =>
        (extreme === 'signs' ? [1, 2, 3] : [1]).map((seed) => ({
          name: `${extreme}, width ${architecture.width}, seed ${seed}`,
          run: new Case(
            randomModel({ seed, architecture, extreme }),
            1,
            architecture.width === 64 ? some(60) : 8,
            judge,
          ),
        })),
      ),
  );
  /**
   * Weights of 8, 7 and 6 bits: each has product kernels of its own. Widths with every number of 64 columns
   * to 1024.
   */
  const narrow = [127, 63, 31].flatMap((limit) => [
    ...[64, 320, 512]
      .filter((width) => fits(width))
      .map((width) => ({
        name: `random weights up to ${limit}, width ${width}`,
        run: new Case(
          randomModel({ seed: limit, architecture: shape(width, 2, 2, 21, [0]), limit }),
          7,
          width < 512 ? some(24) : 6,
          judge,
        ),
      })),
    ...(['signs', 'ones'] as const).flatMap((extreme) =>
      [64, 1024]
        .filter((width) => fits(width))
        .map((width) => ({
          name: `${extreme} of ${limit}, width ${width}`,
          run: new Case(
            randomModel({
              seed: 2,
              architecture: shape(width, width === 64 ? 2 : 1, 2, 11, [0]),
              extreme,
              limit,
            }),
            3,
            width === 64 ? some(30) : 5,
            judge,
          ),
        })),
    ),
  ]);
  /**
   * One byte again and again: positions that are all alike weigh 255 each, and their sums pass 2^24 where the
   * window is longer than 512.
   */
  const alike = (few ? [513] : [510, 512, 513, 1030]).map(
    (window) =>
      new Case(
        randomModel({ seed: 6, architecture: shape(64, 1, 1, window, [0]), extreme: 'signs' }),
        1,
        window + 10,
        judge,
        new Uint8Array(window + 10).fill(65),
      ),
  );
  const streams = few ? [1, 2, 5, 16, 65] : [1, 2, 3, 4, 5, 6, 7, 8, 11, 16, 23, 63, 64, 65, 129, 300];
  const batches = streams.map((count) => new Case(small, count, count < 20 ? some(15) : 3, judge));

  return { random, extremes, narrow, alike, batches };
}

/** Tests of networks on each of the engines, whose results come at once. */
export function networkSuite(engines: readonly Candidate[], options: SuiteOptions = {}): void {
  const { random, extremes, narrow, alike, batches } = runs(options);
  describe.each(engines)('$label gives the bits of the reference', ({ engine }) => {
    it.each(random)('random weights, $name', ({ run }) => run.check(engine));
    it.each(extremes)('extreme weights, $name', ({ run }) => run.check(engine));
    it.each(narrow)('$name', ({ run }) => run.check(engine));
    it.each(alike)('a memory of positions all alike, $steps steps', (run) => run.check(engine));
    it.each(batches)('$streams streams', (run) => run.check(engine));
  });

  describe.each(engines)('$label', ({ engine }) => {
    const streams = 5;
    const steps = 40;
    const bytes = randomBytes(streams * steps, 1);
    const whole = () => frequenciesOf(engine, small, bytes, streams, steps);
    /** Runs `counts` steps at a time. */
    const inParts = (network: Network, counts: number[]) => {
      const frequencies = new Uint32Array(steps * streams * SYMBOLS);
      let at = 0;
      for (const n of counts) {
        const part = frequencies.subarray(at * streams * SYMBOLS);
        if (n === 1) network.step(bytes.subarray(at * streams), part);
        else network.run(bytes.subarray(at * streams), n, part);
        at += n;
      }
      expect(at).toBe(steps);
      return frequencies;
    };

    it('gives the same for steps, for one run and for runs of any length', () => {
      const expected = whole();
      for (const counts of [Array(steps).fill(1), [1, 38, 1], [7, 0, 13, 20], [39, 1]])
        expectSame(inParts(engine.open(small, streams), counts), expected, streams);
    });

    it('starts anew after reset', () => {
      const expected = whole();
      const network = engine.open(small, streams);
      network.run(randomBytes(streams * 30, 2), 30, new Uint32Array(30 * streams * SYMBOLS));
      network.reset();
      expectSame(inParts(network, [steps]), expected, streams);
    });

    it('keeps networks apart, closed ones included', () => {
      const expected = whole();
      const networks = [engine.open(small, streams), engine.open(small, 3), engine.open(small, streams)];
      const noise = new Uint32Array(20 * streams * SYMBOLS);
      networks[1].run(randomBytes(3 * 20, 5), 20, noise);
      expectSame(inParts(networks[0], [20, 20]), expected, streams);
      networks[0].close();
      networks[2].run(randomBytes(streams * 20, 6), 20, noise);
      networks[2].close();
      expectSame(inParts(engine.open(small, streams), [steps]), expected, streams);
      expect(engine.open(small, 7).streams).toBe(7);
    });

    it('gives each stream what it would get alone', () => {
      const together = whole();
      const network = engine.open(small, 1);
      const column = Uint8Array.from({ length: steps }, (_, t) => bytes[t * streams + 3]);
      const alone = new Uint32Array(steps * SYMBOLS);
      network.run(column, steps, alone);
      for (let t = 0; t < steps; t++) {
        const at = (t * streams + 3) * SYMBOLS;
        expect(together.slice(at, at + SYMBOLS)).toEqual(alone.slice(t * SYMBOLS, (t + 1) * SYMBOLS));
      }
    });

    it('keeps frequencies in 1..2^22, the best one at the top', () => {
      const frequencies = whole();
      for (let row = 0; row < streams * steps; row++) {
        const of = frequencies.subarray(row * SYMBOLS, (row + 1) * SYMBOLS);
        expect(Math.max(...of)).toBe(2 ** 22);
        expect(Math.min(...of)).toBeGreaterThanOrEqual(1);
      }
    });
  });

  describe.each(engines)('$label refuses', ({ engine }) => {
    const refused = (f: () => unknown) => expect(f).toThrow(expect.objectContaining({ code: 'ERR_OPTIONS' }));

    it('a number of streams that is not a whole number from 1 to 65536', () => {
      for (const streams of [0, -1, 1.5, Number.NaN, 65537, 2 ** 31])
        refused(() => engine.open(small, streams));
    });

    it('arrays that are too short, and a network that is closed', () => {
      const network = engine.open(small, 2);
      refused(() => network.step(new Uint8Array(1), new Uint32Array(512)));
      refused(() => network.step(new Uint8Array(2), new Uint32Array(511)));
      refused(() => network.run(new Uint8Array(8), 5, new Uint32Array(5 * 512)));
      refused(() => network.run(new Uint8Array(8), -1, new Uint32Array(5 * 512)));
      network.close();
      network.close();
      refused(() => network.step(new Uint8Array(2), new Uint32Array(512)));
      refused(() => network.reset());
    });
  });
}
