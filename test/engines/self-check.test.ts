import { describe, expect, it } from 'vitest';
import { decodeBlock, encodeBlock } from '../../src/codec/block/block.js';
import { codedMode } from '../../src/codec/block/modes.js';
import { joinCodes, splitCodes } from '../../src/codec/block/stream-table.js';
import { Pauses } from '../../src/codec/event-loop.js';
import type { StreamKernels } from '../../src/engines/engine.js';
import { openReferenceNetwork } from '../../src/engines/reference/network.js';
import {
  CHECK_RUNS,
  checkModel,
  checksumOf,
  codesRight,
  computesRight,
} from '../../src/engines/self-check.js';
import type { IntegerModel } from '../../src/model/sharnn.js';
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

  it('expects the codes that the generic way gives, and finds those that are others', async () => {
    const open = (model: IntegerModel, streams: number) => openReferenceNetwork(model, streams);
    const kernels = (change: (code: Uint8Array) => Uint8Array): StreamKernels => ({
      streamBytes: () => 0,
      encodeStreams: (network, block) => ({
        advance: () => 0,
        finish: async () => {
          const mode = codedMode('network');
          const tools = { network, pauses: new Pauses() };
          const payload = await encodeBlock(block, network.streams, mode, tools);
          return splitCodes(payload!, network.streams).map(change);
        },
        close: () => {},
      }),
      decodeStreams: (network, codes, length) => ({
        advance: () => 0,
        finish: () =>
          decodeBlock(joinCodes(codes), length, network.streams, codedMode('network'), {
            network,
            pauses: new Pauses(),
          }) as Promise<Uint8Array<ArrayBuffer>>,
        close: () => {},
      }),
    });
    expect(
      await codesRight(
        open,
        kernels((code) => code),
      ),
    ).toBe(true);
    expect(
      await codesRight(
        open,
        kernels((code) => code.map((byte) => byte ^ 1)),
      ),
    ).toBe(false);
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
