/**
 * @file Checkpoints: the header of a safetensors file changed as JSON, offsets and lengths repaired, or bytes
 * changed. A file is refused with a documented code, or what was read is written and read again the same; a
 * whole network of it is quantized to a model, or refused.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parameterCount } from '../../dist/model/architecture.js';
import { readCheckpoint, writeCheckpoint } from '../../dist/trainer/checkpoint.js';
import { initialize } from '../../dist/trainer/initialize.js';
import { quantize } from '../../dist/trainer/quantize.js';
import { rangesOf } from '../../dist/trainer/ranges.js';
import { encodeSafetensors, parseSafetensors } from '../../dist/trainer/safetensors.js';
import { changed, Finding } from './random.mjs';

const CODES = ['ERR_CHECKPOINT_INVALID'];
const ARCHITECTURE = { width: 64, layers: 1, boom: 1, window: 64, attention: [0] };

const headerLength = (file) => Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));

/** A file of a header's text and a body. */
function file(text, body) {
  const header = Buffer.from(text);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, body]);
}

/** Something else in place of a value. */
function otherValue(random, value) {
  return random.pick([
    () => random.number(),
    () => -1,
    () => 0.5,
    () => null,
    () => 'F32',
    () => 'BF16',
    () => [],
    () => ({}),
    () => [value],
    () => random.number() * 2 ** 30,
    () => '__proto__',
    () => [random.number(), random.number()],
  ])();
}

/** Changes one value somewhere in a JSON value, in place. */
function changeInside(random, value) {
  const keys = Object.keys(value);
  if (keys.length === 0) return;
  const key = random.pick(keys);
  const inner = value[key];
  if (inner && typeof inner === 'object' && random.chance(0.8)) return changeInside(random, inner);
  const change = random.below(5);
  if (change === 0) delete value[key];
  else if (change === 1) value[random.pick(keys)] = inner;
  else value[key] = otherValue(random, inner);
}

/** Places the tensors of a header one after the other, as their shapes have it. */
function repairOffsets(header) {
  let at = 0;
  for (const [key, entry] of Object.entries(header)) {
    if (key === '__metadata__' || !Array.isArray(entry?.shape)) continue;
    const size = entry.shape.reduce((a, b) => a * b, 1) * (entry.dtype === 'U8' ? 1 : 4);
    entry.data_offsets = [at, at + size];
    at += size;
  }
  return at;
}

export const name = 'safetensors';

export async function prepare() {
  const folder = mkdtempSync(join(tmpdir(), 'shacomp-fuzz-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'x.safetensors');
  const weights = new Float32Array(parameterCount(ARCHITECTURE));
  initialize(ARCHITECTURE, weights, 1);
  await writeCheckpoint(path, ARCHITECTURE, weights);
  const checkpoint = readFileSync(path);
  const at = new URL('../../fixtures/torch/', import.meta.url);
  const small = readdirSync(at)
    .filter((f) => f.endsWith('.safetensors'))
    .map((f) => readFileSync(new URL(f, at)));
  const seeds = [checkpoint, ...small];

  function structured(random) {
    const seed = random.chance(0.5) ? checkpoint : random.pick(small);
    const length = headerLength(seed);
    let header;
    try {
      header = JSON.parse(seed.subarray(8, 8 + length).toString());
    } catch {
      return changed(random, seed, seeds);
    }
    let body = seed.subarray(8 + length);
    for (let n = 1 + random.below(2); n > 0; n--) changeInside(random, header);
    if (random.chance(0.5)) {
      const size = repairOffsets(header);
      if (size >= 0 && size < 2 ** 22) body = Buffer.concat([body, Buffer.alloc(2 ** 16)]).subarray(0, size);
    }
    if (random.chance(0.3) && body.length >= 4) {
      body = Buffer.from(body);
      const special = [Number.NaN, Number.POSITIVE_INFINITY, 3e38, -3e38, 1e-40, 0];
      body.writeFloatLE(random.pick(special), 4 * random.below(body.length >> 2));
    }
    return file(JSON.stringify(header), body);
  }

  return {
    seeds,
    make: (random) => (random.chance(0.25) ? changed(random, random.pick(seeds), seeds) : structured(random)),
    async run(bytes, random) {
      let read;
      try {
        read = parseSafetensors(bytes);
      } catch (error) {
        if (CODES.includes(error.code)) return error.code;
        throw new Finding(`parseSafetensors: ${error.stack}`);
      }
      const again = parseSafetensors(Buffer.concat(encodeSafetensors(read)));
      for (const [key, { shape, data }] of read.tensors) {
        const other = again.tensors.get(key);
        if (other?.shape.join() !== shape.join() || Buffer.compare(asBytes(data), asBytes(other.data)) !== 0)
          throw new Finding(`the tensor ${key} does not come back as it was`);
      }
      writeFileSync(path, bytes);
      try {
        const { arch, values } = await readCheckpoint(path);
        const { width, layers } = arch;
        const most = Float32Array.from({ length: layers * (4 * width + 5) + width }, () => 8 * random.next());
        quantize(arch, values, 'fuzz', rangesOf(arch, most));
        return 'a network';
      } catch (error) {
        if (CODES.includes(error.code)) return `tensors, ${error.code}`;
        throw new Finding(`readCheckpoint: ${error.stack}`);
      }
    },
  };
}

const asBytes = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength);
