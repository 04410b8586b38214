/** @file What fuzzing has found: each of these once ended the process, hung it or lost something. */
import { describe, expect, it } from 'vitest';
import { encodeSafetensors, parseSafetensors } from '../src/trainer/safetensors.js';
import { allEngines } from './helpers/conformance.js';
import { randomModel } from './helpers/random-model.js';

const engines = await allEngines();

describe.each(engines)('$label', ({ engine }) => {
  const other = { length: 1e6 } as unknown;

  it('refuses objects that have a length and no memory, as bytes and as frequencies', () => {
    const network = engine.open(randomModel({ seed: 1 }), 1);
    const refused = expect.objectContaining({ code: 'ERR_OPTIONS' });
    expect(() => network.run(other as Uint8Array, 1, new Uint32Array(256))).toThrow(refused);
    expect(() => network.run(new Uint8Array(1), 1, other as Uint32Array)).toThrow(refused);
    expect(() =>
      network.run(new Uint8Array(1), 1, [...new Uint32Array(256)] as unknown as Uint32Array),
    ).toThrow(refused);
    network.close();
  });
});

describe('a checkpoint', () => {
  it('keeps a tensor of any name', () => {
    const tensors = new Map([['__proto__', { shape: [2], data: Float32Array.of(1, 2) }]]);
    const file = Buffer.concat(encodeSafetensors({ tensors, metadata: {} }));
    expect(parseSafetensors(file).tensors.get('__proto__')).toEqual(tensors.get('__proto__'));
  });
});
