/**
 * @file What the coding of independent streams must give, on any engine that has it: the codes of the generic
 * way.
 */
import { expect } from 'vitest';
import { NetworkDecoder, NetworkEncoder } from '../../src/codec/block/network-coder.js';
import { predictRows } from '../../src/codec/block/predict.js';
import { splitCodes } from '../../src/codec/block/stream-table.js';
import { Pauses } from '../../src/codec/event-loop.js';
import type { Engine } from '../../src/engines/engine.js';
import type { IntegerModel } from '../../src/model/sharnn.js';
import { stepCount } from '../../src/slices.js';

/**
 * A payload made step by step, and how many bytes of code no carry can change any more after so many steps.
 */
export async function expectedCodes(
  engine: Engine,
  model: IntegerModel,
  block: Uint8Array,
  streams: number,
  steps?: number,
): Promise<{ codes: Uint8Array[]; coded: number }> {
  const network = engine.open(model, streams);
  // a payload that would be too long is wanted as well
  const encoder = new NetworkEncoder(32 * block.length + 64, streams);
  await predictRows({ block, streams, to: steps, network, pauses: new Pauses() }, encoder);
  network.close();
  const coded = encoder.length;
  return { coded, codes: splitCodes(encoder.finish()!, streams) };
}

/**
 * Codes a block and decodes it again with an engine's kernels, in calls of so many steps, and compares all
 * with the expected.
 * @param judge the engine that says what is expected, in the generic way
 */
export async function checkStreams(
  engine: Engine,
  judge: Engine,
  model: IntegerModel,
  block: Uint8Array,
  streams: number,
  call = 7,
): Promise<void> {
  const kernels = engine.streams!;
  const network = engine.open(model, streams);
  const steps = stepCount(block.length, streams);
  const { codes, coded } = await expectedCodes(judge, model, block, streams);
  const total = codes.reduce((sum, { length }) => sum + length, 0);

  const encoder = kernels.encodeStreams(network, block)!;
  let last = 0;
  for (let done = 0; done < steps; done += call) last = await encoder.advance(Math.min(call, steps - done));
  expect(last).toBe(coded);
  const found = await encoder.finish();
  encoder.close();
  // longer than the block is of no use
  if (total > block.length) expect(found).toBeUndefined();
  else {
    expect(found!.map(({ length }) => length)).toEqual(codes.map(({ length }) => length));
    for (const [k, code] of found!.entries()) expect([k, Buffer.compare(code, codes[k])]).toEqual([k, 0]);
  }

  const decoder = kernels.decodeStreams(network, codes, block.length)!;
  for (let done = 0; done < steps; done += call) last = await decoder.advance(Math.min(call, steps - done));
  expect(last).toBe(total);
  expect(Buffer.compare((await decoder.finish())!, block)).toBe(0);
  decoder.close();
  network.close();
}

/** Whether codes are exactly those of what they decode to, in the generic way. */
export function endsGenerically(
  engine: Engine,
  model: IntegerModel,
  payload: Uint8Array,
  length: number,
  streams: number,
): boolean {
  const network = engine.open(model, streams);
  try {
    const decoder = new NetworkDecoder(payload, streams);
    const frequencies = new Uint32Array(256 * streams);
    let row = new Uint8Array(streams).fill(10);
    for (let done = 0; done < length; done += streams) {
      network.step(row, frequencies);
      row = new Uint8Array(streams).fill(10);
      decoder.decode(row, Math.min(streams, length - done), frequencies);
    }
    decoder.finish();
    return true;
  } catch {
    return false;
  } finally {
    network.close();
  }
}
