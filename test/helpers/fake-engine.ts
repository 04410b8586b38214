/**
 * @file A small deterministic network for tests of the codec: its frequencies come from a hash of the last
 * byte.
 */
import { createHash } from 'node:crypto';
import type { Engine, MixKernels, Network } from '../../src/engines/engine.js';
import { referenceMixing } from '../../src/engines/reference/mixer.js';
import { INITIAL_BYTE } from '../../src/model/architecture.js';
import type { IntegerModel } from '../../src/model/sharnn.js';

/**
 * How many steps the fake network's state goes through before it repeats: it depends on more than the last
 * byte.
 */
const PHASES = 4;

function hash(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

export interface FakeOptions {
  /** results come as promises */
  async?: boolean;
  /** `skewed`: a few likely bytes; `extreme`: only the smallest and largest frequencies; `flat`: all alike */
  shape?: 'skewed' | 'extreme' | 'flat';
  /** instead of the slow reference's */
  mixing?: MixKernels;
}

/** Counts of what is open, to find leaks. */
export interface FakeEngine extends Engine {
  opened: number;
  closed: number;
  rows: Uint32Array;
}

export function fakeEngine({
  async = false,
  shape = 'skewed',
  mixing = referenceMixing,
}: FakeOptions = {}): FakeEngine {
  const rows = new Uint32Array(PHASES * 256 * 256);
  for (let row = 0; row < PHASES * 256; row++) {
    for (let k = 0; k < 256; k++) {
      const h = hash(row * 256 + k + 1);
      const skewed = h % 16 === 0 ? 1 << (12 + ((h >>> 8) % 11)) : 1 << ((h >>> 8) % 10);
      rows[row * 256 + k] = shape === 'skewed' ? skewed : shape === 'flat' ? 1 : h % 8 === 0 ? 2 ** 22 : 1;
    }
  }
  const engine: FakeEngine = {
    name: 'fake',
    detail: 'frequencies from a hash',
    mixing,
    opened: 0,
    closed: 0,
    rows,
    memory: (_architecture, streams) => 1000 * streams,
    open(_model: IntegerModel, streams: number): Network {
      engine.opened++;
      let steps = 0;
      const step = (bytes: Uint8Array, frequencies: Uint32Array, at: number) => {
        for (let s = 0; s < streams; s++) {
          const row = (steps % PHASES) * 256 + bytes[s];
          frequencies.set(rows.subarray(row * 256, row * 256 + 256), at + s * 256);
        }
        steps++;
      };
      return {
        streams,
        reset() {
          steps = 0;
        },
        step(bytes, frequencies) {
          if (bytes.length !== streams) throw new Error('wrong number of bytes');
          step(bytes, frequencies, 0);
          return async ? Promise.resolve() : undefined;
        },
        run(bytes, count, frequencies) {
          if (bytes.length !== count * streams) throw new Error('wrong number of bytes');
          for (let t = 0; t < count; t++)
            step(bytes.subarray(t * streams, (t + 1) * streams), frequencies, t * streams * 256);
          return async ? Promise.resolve() : undefined;
        },
        close() {
          engine.closed++;
        },
      };
    },
  };
  return engine;
}

/** A model with an id and a shape, which fake engines do not read. */
export function fakeModel(name = 'fake'): IntegerModel {
  return {
    name,
    id: createHash('sha256').update(name).digest(),
    architecture: { width: 64, layers: 1, boom: 4, window: 64, attention: [] },
  } as unknown as IntegerModel;
}

/** Random numbers in [0, 1), the same for the same seed. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e3779b9) >>> 0;
    return hash(state) / 2 ** 32;
  };
}

/** Bytes that the skewed fake network predicts well, as one stream: drawn from its own distribution. */
export function likelyBytes(length: number, seed = 1): Uint8Array {
  const { rows } = fakeEngine();
  const next = random(seed);
  const bytes = new Uint8Array(length);
  let previous = INITIAL_BYTE;
  for (let t = 0; t < length; t++) {
    const row = rows.subarray(((t % PHASES) * 256 + previous) * 256).subarray(0, 256);
    let target = next() * row.reduce((a, b) => a + b);
    let k = 0;
    while (k < 255 && target >= row[k]) target -= row[k++];
    bytes[t] = previous = k;
  }
  return bytes;
}
