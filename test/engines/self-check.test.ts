import { describe, expect, it } from 'vitest';
import { openReferenceNetwork } from '../../src/engines/reference/network.js';
import { CHECK_RUNS, checkModel, checksumOf, computesRight } from '../../src/engines/self-check.js';
import { randomModel } from '../helpers/random-model.js';

describe('the self-check of a device', () => {
  it.each(CHECK_RUNS)('expects what the reference computes, $streams streams', async (run) => {
    const crc = await checksumOf(openReferenceNetwork(checkModel(), run.streams), run);
    expect(`0x${crc.toString(16)}`).toBe(`0x${run.crc.toString(16)}`);
  });

  it('lets one pass that computes right, and none that does not', async () => {
    expect(await computesRight((model, streams) => openReferenceNetwork(model, streams))).toBe(true);
    const other = randomModel({ seed: 1 });
    expect(await computesRight((_, streams) => openReferenceNetwork(other, streams))).toBe(false);
  });

  it('has a model whose predictions differ from step to step', async () => {
    const network = openReferenceNetwork(checkModel(), 1);
    const seen = new Set<string>();
    for (let step = 0; step < 6; step++) {
      const frequencies = new Uint32Array(256);
      network.step(Uint8Array.of(7), frequencies);
      seen.add(frequencies.join());
      expect(new Set(frequencies).size).toBeGreaterThan(20);
    }
    expect(seen.size).toBe(6);
  });
});
