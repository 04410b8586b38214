import { describe, expect, it } from 'vitest';
import {
  elements,
  PRESETS,
  type PresetName,
  parameterCount,
  parameters,
} from '../../src/model/architecture.js';
import { checkArchitecture } from '../../src/model/sharnn.js';

describe('architecture', () => {
  it('has the presets that its type names, and no other', () => {
    const names: Record<PresetName, true> = {
      tiny: true,
      lite: true,
      base: true,
      large: true,
      'paper-single': true,
      paper: true,
    };
    expect(Object.keys(PRESETS).sort()).toEqual(Object.keys(names).sort());
  });

  it.each(Object.keys(PRESETS) as PresetName[])('%s can run on every engine', (name) => {
    expect(() => checkArchitecture(PRESETS[name])).not.toThrow();
  });

  // The paper prints 52 M and 54 M. Counted here: every matrix, norm and gate, one bias vector per LSTM, the
  // embedding shared with the softmax once, the value gate collapsed to one vector.
  it.each([
    ['paper-single', 52e6, 51_712_256],
    ['paper', 54e6, 54_888_704],
  ] as const)('%s has the number of parameters of the paper', (name, paper, exact) => {
    expect(parameterCount(PRESETS[name])).toBe(exact);
    expect(Math.abs(exact - paper) / paper).toBeLessThan(0.02);
  });

  it.each([
    ['tiny', 0, 100e3],
    ['lite', 1e6, 2e6],
    ['base', 4e6, 8e6],
    ['large', 25e6, 27e6],
  ] as const)('%s has the size that its documentation states', (name, low, high) => {
    const count = parameterCount(PRESETS[name]);
    expect(count).toBeGreaterThan(low);
    expect(count).toBeLessThan(high);
  });

  it('lists each parameter once, with a shape', () => {
    const list = parameters(PRESETS.paper);
    expect(new Set(list.map((p) => p.name)).size).toBe(list.length);
    for (const p of list) expect(elements(p.shape)).toBeGreaterThan(0);
  });
});
