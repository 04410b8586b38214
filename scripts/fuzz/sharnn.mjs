/**
 * @file `.sharnn` files: a model's numbers changed, its shape where that is easy, and its bytes; length and
 * checksum repaired. A file is refused with a documented code, or it is a model that every engine runs alike.
 */
import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { encodeModel, parseModel } from '../../dist/model/sharnn.js';
import { fastEngines, referenceEngine } from './engines.mjs';
import { changed, Finding } from './random.mjs';

const CODES = ['ERR_MODEL_INVALID', 'ERR_UNSUPPORTED_VERSION'];
const LENGTH_AT = 20;

/** The file with its length field and its checksum as they should be. */
function repaired(file) {
  if (file.length < 64) return file;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  view.setUint32(LENGTH_AT, file.length, true);
  view.setUint32(file.length - 4, crc32(file.subarray(0, -4)), true);
  return file;
}

/** All typed arrays of a model, and all numbers with the object that holds them. */
function parts(value, found = { arrays: [], numbers: [] }) {
  for (const [key, inner] of Object.entries(value)) {
    if (ArrayBuffer.isView(inner)) found.arrays.push(inner);
    else if (typeof inner === 'number') found.numbers.push({ holder: value, key });
    else if (inner && typeof inner === 'object') parts(inner, found);
  }
  return found;
}

const RANGES = new Map([
  [Int8Array, 127],
  [Int16Array, 32767],
  [Uint16Array, 32767],
  [Int32Array, 2 ** 24 - 1],
]);

/** Changes numbers of a parsed model and gives its file; most stay within what is allowed. */
function structured(random, seed) {
  const { bytes: _bytes, id: _id, ...model } = seed;
  const changing = structuredClone(model);
  const { architecture, layers, ...rest } = changing;
  if (random.chance(0.5)) architecture.window = random.chance(0.9) ? 1 + random.below(200) : random.number();
  if (random.chance(0.3)) {
    layers.push(structuredClone(random.pick(layers)));
    architecture.layers++;
    architecture.attention = layers.flatMap((layer, l) => (layer.attention ? [l] : []));
  }
  const { arrays, numbers } = parts({ layers, rest });
  for (let n = 1 + random.below(6); n > 0; n--) {
    if (random.chance(0.4)) {
      const { holder, key } = random.pick(numbers);
      holder[key] = random.below(random.chance(0.8) ? 32 : 256);
      continue;
    }
    const array = random.pick(arrays);
    const most = RANGES.get(array.constructor) ?? 127;
    const extreme = () => random.pick([most, array instanceof Uint16Array ? 0 : -most, 0, 1]);
    const whole = random.chance(0.3);
    for (let k = whole ? array.length : 8; k > 0; k--)
      array[whole ? k - 1 : random.below(array.length)] = random.chance(0.99) ? extreme() : random.number();
  }
  try {
    return encodeModel({ ...rest, layers, architecture });
  } catch (error) {
    if (!CODES.includes(error.code)) throw new Finding(`encodeModel: ${error.stack}`);
    return seed.bytes;
  }
}

export const name = 'sharnn';

export async function prepare() {
  const seed = parseModel(readFileSync(new URL('../../fixtures/tiny.sharnn', import.meta.url)));
  const engines = await fastEngines();

  function frequencies(engine, model, streams, steps, bytes) {
    const network = engine.open(model, streams);
    const out = new Uint32Array(steps * streams * 256);
    network.run(bytes, steps, out);
    network.close();
    return out;
  }

  return {
    seeds: [seed.bytes],
    make(random) {
      if (random.chance(0.6)) return structured(random, seed);
      const file = changed(random, seed.bytes);
      return random.chance(0.8) ? repaired(file) : file;
    },
    async run(file, random) {
      let model;
      try {
        model = parseModel(file);
      } catch (error) {
        if (CODES.includes(error.code)) return error.code;
        throw new Finding(`parseModel: ${error.stack}`);
      }
      const streams = 1 + random.below(5);
      const steps = random.pick([1, 3, 20]);
      const bytes = random.bytes(streams * steps);
      const judge = random.chance(0.3) ? referenceEngine : engines[0];
      const expected = frequencies(judge, model, streams, steps, bytes);
      if (expected.some((f) => f < 1 || f > 2 ** 22))
        throw new Finding(`${judge.name}: a frequency is out of range`);
      for (const engine of engines) {
        const at = frequencies(engine, model, streams, steps, bytes).findIndex((f, i) => f !== expected[i]);
        if (at >= 0) throw new Finding(`${judge.name} and ${engine.name} (${engine.detail}) differ at ${at}`);
      }
      return 'a model';
    },
  };
}
