/** @file Work of the native engine on other threads while JavaScript goes on. */
import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Engine } from '../../../src/engines/engine.js';
import { nativeEngine } from '../../../src/engines/native/engine.js';
import { lettersModel, sampleText } from '../../helpers/letters-model.js';

let engine: Engine | undefined;
try {
  engine = nativeEngine({ threads: 2 });
} catch {
  // no compiler here
}

describe.skipIf(!engine)('a coder of streams at work', () => {
  const model = lettersModel();
  const refused = expect.objectContaining({ code: 'ERR_OPTIONS' });

  it('lets the event loop run, and its network can be used for nothing else', async () => {
    const network = engine!.open(model, 64);
    const coder = engine!.streams!.encodeStreams(network, sampleText(64 * 3000))!;
    let ticks = 0;
    let done = false;
    const work = Promise.resolve(coder.advance(3000)).then(() => {
      done = true;
    });
    expect(() => network.reset()).toThrow(refused);
    expect(() => network.step(new Uint8Array(64), new Uint32Array(64 * 256))).toThrow(refused);
    expect(() => network.close()).toThrow(refused);
    expect(() => coder.close()).toThrow(refused);
    expect(() => coder.finish()).toThrow(refused);
    expect(() => coder.advance(1)).toThrow(refused);
    while (!done) {
      await setTimeout(1);
      ticks++;
    }
    await work;
    expect(ticks).toBeGreaterThan(3);
    coder.close();
    network.close();
  });

  it('is refused more steps than there are, and anything once it is closed', async () => {
    const network = engine!.open(model, 2);
    const coder = engine!.streams!.encodeStreams(network, sampleText(10))!;
    expect(() => coder.advance(6)).toThrow(refused);
    expect(() => coder.finish()).toThrow(refused);
    await coder.advance(5);
    expect(() => coder.advance(1)).toThrow(refused);
    expect(await coder.finish()).toHaveLength(2);
    coder.close();
    for (const call of [() => coder.advance(0), () => coder.finish(), () => coder.close()])
      expect(call).toThrow(refused);
    expect(() => engine!.streams!.encodeStreams(network, new Uint8Array(1))).toThrow(refused);
    expect(() => engine!.streams!.decodeStreams(network, [new Uint8Array(1)], 9)).toThrow(refused);
    network.close();
    // a closed network is none of any engine
    expect(engine!.streams!.encodeStreams(network, new Uint8Array(9))).toBeUndefined();
  });

  it('that nobody closes goes with its network at garbage collection', () => {
    for (let i = 0; i < 200; i++) {
      const network = engine!.open(model, 8);
      engine!.streams!.encodeStreams(network, new Uint8Array(2 ** 20));
    }
  });
});
