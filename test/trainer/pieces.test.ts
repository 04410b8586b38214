/**
 * @file How long the pieces are that a sampler reads: most bytes in long ones, as many cold starts in short
 * ones.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Sampler, TextFile } from '../../src/trainer/data.js';

const folder = mkdtempSync(join(tmpdir(), 'shacomp-pieces-'));
afterAll(() => rmSync(folder, { recursive: true }));

const path = join(folder, 'text');
writeFileSync(path, 'some line of text\n'.repeat(400_000));

describe('pieces', () => {
  const STEPS = 512;
  const BATCH = 16;
  const sampler = new Sampler([TextFile.open(path)], [1], BATCH, STEPS, 7);
  const lengths: number[] = [];
  const open = new Array<number>(BATCH).fill(0);
  for (let n = 0; n < 2500; n++) {
    const { resets } = sampler.next();
    for (const [b, reset] of resets.entries()) {
      if (reset && open[b] > 0) lengths.push(open[b]);
      open[b] = reset ? STEPS : open[b] + STEPS;
    }
  }

  it('are short ones, of 3 KiB, as often as long ones, of 48 KiB', () => {
    expect(lengths.length).toBeGreaterThan(400);
    // of exponentially distributed lengths: 95 % of the short ones and 17 % of the long ones are below 9 KiB
    const below = lengths.filter((length) => length < 9 * 1024).length / lengths.length;
    expect(below).toBeGreaterThan(0.48);
    expect(below).toBeLessThan(0.64);
    const mean = lengths.reduce((a, b) => a + b) / lengths.length;
    expect(mean / 1024).toBeGreaterThan(20);
    expect(mean / 1024).toBeLessThan(31);
  });
});
