/** @file The engines that run here, and how their results are compared with the expected ones. */
import { expect } from 'vitest';
import type { Engine } from '../../src/engines/engine.js';
import { nativeEngine, nativeIsas } from '../../src/engines/native/engine.js';
import { referenceEngine } from '../../src/engines/reference/engine.js';
import { wasmEngine } from '../../src/engines/wasm/engine.js';
import { hasRelaxedSimd } from '../../src/engines/wasm/simd.js';
import { SYMBOLS } from '../../src/model/architecture.js';
import type { IntegerModel } from '../../src/model/sharnn.js';
import { wasmModule } from '../../src/node/wasm-module.js';
import { randomBytes } from './random-model.js';

export interface Candidate {
  label: string;
  engine: Engine;
}

/** Every engine, the reference included. */
export const allEngines = async (): Promise<Candidate[]> => [
  { label: 'reference', engine: referenceEngine },
  ...(await candidates()),
];

/**
 * Every engine but the reference, native and WebAssembly once per instruction set of this processor or host.
 */
export async function candidates(): Promise<Candidate[]> {
  const list: Candidate[] = [{ label: 'wasm', engine: await wasmEngine(await wasmModule('plain')) }];
  if (hasRelaxedSimd())
    list.push({ label: 'wasm, relaxed SIMD', engine: await wasmEngine(await wasmModule('relaxed')) });
  let isas: string[] = [];
  try {
    isas = nativeIsas();
  } catch {
    // no compiler here: the WebAssembly engine is what users get
  }
  for (const isa of isas) list.push({ label: `native ${isa}`, engine: nativeEngine({ isa, threads: 1 }) });
  if (isas.length > 0) list.push({ label: 'native, 3 threads', engine: nativeEngine({ threads: 3 }) });
  return list;
}

/** Frequencies of `steps` steps, [steps][streams][256]. Results land in a buffer full of other numbers. */
export function frequenciesOf(
  engine: Engine,
  model: IntegerModel,
  bytes: Uint8Array,
  streams: number,
  steps: number,
): Uint32Array {
  const network = engine.open(model, streams);
  const frequencies = new Uint32Array(steps * streams * SYMBOLS).fill(0xdeadbeef);
  network.run(bytes, steps, frequencies);
  network.close();
  return frequencies;
}

/** Fails with the first place where two runs differ. */
export function expectSame(actual: Uint32Array, expected: Uint32Array, streams: number): void {
  expect(actual.length).toBe(expected.length);
  const at = actual.findIndex((x, i) => x !== expected[i]);
  if (at < 0) return;
  const row = Math.floor(at / SYMBOLS);
  expect.fail(
    `step ${Math.floor(row / streams)}, stream ${row % streams}, symbol ${at % SYMBOLS}: ` +
      `${actual[at]} instead of ${expected[at]}`,
  );
}

/** A run whose expected result is computed once, by the reference engine unless another is given. */
export class Case {
  readonly bytes: Uint8Array;
  private result: Uint32Array | undefined;

  constructor(
    readonly model: IntegerModel,
    readonly streams: number,
    readonly steps: number,
    private readonly judge: Engine = referenceEngine,
    bytes = randomBytes(streams * steps, streams + steps),
  ) {
    this.bytes = bytes;
  }

  get expected(): Uint32Array {
    this.result ??= frequenciesOf(this.judge, this.model, this.bytes, this.streams, this.steps);
    return this.result;
  }

  check(engine: Engine): void {
    const actual = frequenciesOf(engine, this.model, this.bytes, this.streams, this.steps);
    expectSame(actual, this.expected, this.streams);
  }
}
