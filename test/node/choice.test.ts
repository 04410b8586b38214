/** @file Which of two engines does some work sooner: a function of what was measured, and of nothing else. */
import { describe, expect, it } from 'vitest';
import { comparable, gpuPays, secondsOf, type Work } from '../../src/node/choice.js';
import type { Rates } from '../../src/node/measurements.js';

const cpu: Rates = { start: 0, run: 100, step: 50, encode: 200, decode: 100 };
const gpu: Rates = { start: 2, run: 1000, step: 60, encode: 2000, decode: 1000 };
const encoding = { streams: 256, alone: true, encode: 10_000, decode: 0 };
const decoding = { streams: 256, alone: true, encode: 0, decode: 10_000 };

describe('the time of some work', () => {
  it('is the start, and its bytes at the rates of what is done with them', () => {
    expect(secondsOf(encoding, gpu)).toBe(2 + 5);
    expect(secondsOf(decoding, gpu)).toBe(2 + 10);
    expect(secondsOf({ ...encoding, decode: 10_000 }, gpu)).toBe(2 + 5 + 10);
    expect(secondsOf({ ...encoding, alone: false }, cpu)).toBe(100);
    expect(secondsOf({ ...decoding, alone: false }, cpu)).toBe(200);
    // without rates of blocks of its own, an engine has its network step
    expect(secondsOf({ ...encoding, decode: 10_000 }, { ...cpu, encode: null, decode: null })).toBe(300);
  });
});

describe('a GPU', () => {
  it('pays for long work, and not for short', () => {
    const at = (encode: number) => gpuPays({ ...encoding, encode }, cpu, gpu);
    expect([0, 100, 400, 600, 10_000, 1e9].map(at)).toEqual([false, false, false, true, true, true]);
  });

  it('has to be faster by a margin: as fast does not pay', () => {
    const long = { ...decoding, decode: 1e9 };
    const faster = (by: number) => ({ ...gpu, step: cpu.step * by, decode: cpu.decode! * by });
    expect([1, 1.05, 1.2].map((by) => gpuPays(long, cpu, faster(by)))).toEqual([false, false, true]);
    // the processor mixes beside its network, but not beside a GPU
    const mixed = { ...long, alone: false };
    expect([1.2, 1.9, 2.1].map((by) => gpuPays(mixed, cpu, faster(by)))).toEqual([false, false, true]);
  });

  it('never pays for work of a length that is not known', () => {
    for (const alone of [true, false])
      expect(gpuPays({ streams: 256, alone, encode: 0, decode: 0 }, cpu, gpu)).toBe(false);
  });
});

describe('what is compared', () => {
  const work = (streams: number): Work => ({ ...encoding, streams });
  const of = (rates: Rates, ...counts: number[]) => counts.map((streams) => ({ ...rates, streams }));

  it('are the measurements of both with the most streams that the work has', () => {
    const all = (streams: number) => comparable(work(streams), of(cpu, 1, 16, 256), of(gpu, 256, 1, 16));
    expect([1, 8, 16, 255, 256, 4096].map((n) => all(n)?.gpu.streams)).toEqual([1, 1, 16, 16, 256, 256]);
    expect(all(300)).toEqual({ cpu: { ...cpu, streams: 256 }, gpu: { ...gpu, streams: 256 } });
  });

  it('is nothing where one of both lacks measurements', () => {
    expect(comparable(work(16), of(cpu, 1, 16), [])).toBeUndefined();
    expect(comparable(work(16), [], of(gpu, 16))).toBeUndefined();
    expect(comparable(work(16), of(cpu, 1), of(gpu, 16))).toBeUndefined();
    expect(comparable(work(16), of(cpu, 256), of(gpu, 256))).toBeUndefined();
    expect(comparable(work(20), of(cpu, 1, 16), of(gpu, 1, 17))?.gpu.streams).toBe(1);
  });

  it('is the latest of the same', () => {
    const list = [...of(gpu, 16), { ...gpu, run: 7, streams: 16 }];
    expect(comparable(work(16), of(cpu, 16), list)?.gpu.run).toBe(7);
  });
});
