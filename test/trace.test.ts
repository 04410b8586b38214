import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  firstDifference,
  formatTrace,
  parseTrace,
  type TracedSite,
  traceReference,
} from '../src/engines/reference/trace.js';
import { loadModel } from '../src/index.js';
import { allEngines, frequenciesOf } from './helpers/conformance.js';

const folder = new URL('../fixtures/trace/', import.meta.url);
const text = readFileSync(new URL('trace.txt', folder), 'utf8');
const expected = parseTrace(text);
const model = await loadModel(new URL('model.sharnn', folder));
const steps = expected.filter(({ site }) => site === 's');
const bytes = Uint8Array.from(steps.flatMap(({ values }) => values));
const { streams } = expected[0];

describe('the committed trace', () => {
  it('is what the reference computes, to the last character', () => {
    const actual = traceReference(model, streams, bytes);
    expect(firstDifference(actual, expected)).toBeUndefined();
    expect(formatTrace(actual) === text).toBe(true);
  });

  it('has every site that its README names, and no other', () => {
    const readme = readFileSync(new URL('README.md', folder), 'utf8');
    const named = [...readme.matchAll(/^\| `([\w.]+)` \| (\w+) \|/gm)].map(([, ...row]) => row.join(' '));
    const met = expected.map(({ site, type }) => `${site.replace(/layers\.\d/, 'layers.L')} ${type}`);
    expect([...new Set(named)].sort()).toEqual([...new Set(met)].sort());
  });

  it('reaches the cases that are easily got wrong: a ring that wraps, chunks that are summed, streams that differ', () => {
    const { window, boom } = model.architecture;
    expect(steps.length).toBeGreaterThan(window);
    expect(boom).toBeGreaterThan(1);
    const last = expected.at(-1)!.values;
    expect(last.slice(0, 256)).not.toEqual(last.slice(256));
  });

  it('ends each step with the frequencies that every engine gives', async () => {
    const frequencies = expected.filter(({ site }) => site === 'frequency').flatMap(({ values }) => values);
    for (const { label, engine } of await allEngines())
      expect([label, Array.from(frequenciesOf(engine, model, bytes, streams, steps.length))]).toEqual([
        label,
        frequencies,
      ]);
  });
});

describe('the first difference', () => {
  const changed = (site: string, step: number, at: number): TracedSite[] =>
    expected.map((one) =>
      one.site === site && one.step === step ? { ...one, values: one.values.with(at, 9e9) } : one,
    );

  it('is told by step, site, stream and value, the earliest in the order of computing', () => {
    const wrong = [...changed('layers.1.x', 2, 70), ...changed('z', 4, 0)];
    const right = expected.find(({ step, site }) => step === 2 && site === 'layers.1.x')!.values[70];
    expect(firstDifference(wrong, expected)).toBe(
      `step 2, layers.1.x, stream 1, value 6: 9000000000 instead of ${right}`,
    );
  });

  it('is none for an engine that gives some sites only, if these are right', () => {
    const some = expected.filter(({ site }) => site === 'layers.0.P');
    expect(firstDifference(some, expected)).toBeUndefined();
    expect(firstDifference([{ ...some[0], values: [1] }], expected)).toMatch(/1 values instead of 512/);
  });
});
