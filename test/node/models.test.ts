/** @file Model files and folders: what is read, how much of it, and how often. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { open, readFile, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { referenceEngine } from '../../src/engines/reference/engine.js';
import { compress, decompress, loadModel, type Model, models, ShacompError } from '../../src/index.js';
import type { Architecture } from '../../src/model/architecture.js';
import { modelLengths, parseModel } from '../../src/model/sharnn.js';
import { selectEngine } from '../../src/node/engines.js';
import { findModel } from '../../src/node/models.js';
import { randomModel, randomSource } from '../helpers/random-model.js';

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  return { ...real, open: vi.fn(real.open), readdir: vi.fn(real.readdir) };
});

const tiny = new URL('../../fixtures/tiny.sharnn', import.meta.url);
let folder: string;
let before: string | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shacomp-models-'));
  before = process.env['SHACOMP_MODELS'];
  process.env['SHACOMP_MODELS'] = folder;
});
afterEach(() => {
  rmSync(folder, { recursive: true });
  if (before === undefined) delete process.env['SHACOMP_MODELS'];
  else process.env['SHACOMP_MODELS'] = before;
});

const inFolder = (name: string) => join(folder, `${name}.sharnn`);
const tooManyFiles = () =>
  Object.assign(new Error('EMFILE'), { code: 'EMFILE', errno: -24, syscall: 'open' });

/** A model file of this shape with nothing but its header in it. */
function hollowModel(name: string, a: Architecture, size = modelLengths(a).most): string {
  const header = Buffer.alloc(64);
  header.set(randomModel({ seed: 1 }).bytes.subarray(0, 64));
  header.writeUInt16LE(a.width, 10);
  header[12] = a.layers;
  header[13] = a.boom;
  header.writeUInt16LE(a.window, 14);
  header.writeUInt32LE(0, 16);
  header.writeUInt32LE(modelLengths(a).most, 20);
  writeFileSync(inFolder(name), header);
  truncateSync(inFolder(name), size);
  return inFolder(name);
}

/** MiB by which the process has grown at most meanwhile. */
async function growth(run: () => Promise<unknown>): Promise<number> {
  const start = process.memoryUsage().rss;
  let most = start;
  const timer = setInterval(() => {
    most = Math.max(most, process.memoryUsage().rss);
  }, 1);
  await run();
  clearInterval(timer);
  return (Math.max(most, process.memoryUsage().rss) - start) / 2 ** 20;
}

describe('what is no regular file', () => {
  it.skipIf(process.platform === 'win32')('is refused as a model, not waited for or read', async () => {
    execFileSync('mkfifo', [inFolder('pipe')]);
    await symlink('/dev/zero', inFolder('zero'));
    for (const path of [inFolder('pipe'), inFolder('zero'), '/dev/zero', '/dev/null', `${folder}/`])
      await expect(loadModel(path)).rejects.toMatchObject({
        code: 'ERR_FILE',
        message: `${path}: is not a regular file`,
      });
    await expect(loadModel('pipe')).rejects.toMatchObject({ code: 'ERR_FILE' });
  });

  it.skipIf(process.platform === 'win32')('is passed over in folders of models', async () => {
    execFileSync('mkfifo', [inFolder('a')]);
    await symlink('/dev/zero', inFolder('b'));
    await symlink(inFolder('nothing'), inFolder('c'));
    writeFileSync(inFolder('d'), await readFile(tiny));
    const { id } = await loadModel(tiny);
    expect((await models()).map(({ name }) => name)).toEqual(['d', 'base', 'lite']);
    expect((await findModel(id.subarray(0, 8))).id).toEqual(id);
    await expect(findModel(new Uint8Array(8))).rejects.toMatchObject({
      code: 'ERR_MODEL_NOT_FOUND',
      message: expect.stringContaining(`(not usable: ${inFolder('a')}: is not a regular file, and 2 more)`),
    });
  });
});

describe('a large file', () => {
  const large = { width: 1024, layers: 6, boom: 4, window: 100, attention: [] };

  it('that is not of its header’s length is refused before there is memory for it', async () => {
    const path = hollowModel('sparse', { ...large, layers: 1 }, 1.5 * 2 ** 30);
    const other = inFolder('zeros');
    writeFileSync(other, '');
    truncateSync(other, 1.5 * 2 ** 30);
    expect(
      await growth(async () => {
        for (const p of [path, other])
          await expect(loadModel(p)).rejects.toMatchObject({ code: 'ERR_MODEL_INVALID' });
        expect((await models()).map(({ name }) => name)).toEqual(['base', 'lite']);
        await expect(findModel(new Uint8Array(8))).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
      }),
    ).toBeLessThan(100);
  });

  it('that is another model than the one needed is not kept', async () => {
    const size = modelLengths(large).most;
    expect(size).toBeGreaterThan(70 * 2 ** 20);
    const path = hollowModel('large', large);
    // the right checksum, found without the memory whose use is measured
    const file = await open(path, 'r+');
    const piece = Buffer.alloc(2 ** 16);
    let sum = 0;
    for (let at = 0; at < size - 4; at += piece.length) {
      const { bytesRead } = await file.read(piece, 0, Math.min(piece.length, size - 4 - at), at);
      sum = crc32(piece.subarray(0, bytesRead), sum);
    }
    piece.writeUInt32LE(sum);
    await file.write(piece, 0, 4, size - 4);
    await file.close();
    const found = () =>
      expect(findModel(new Uint8Array(8))).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
    expect(await growth(found)).toBeLessThan(50);
    expect((await models()).find(({ name }) => name === 'large')).toMatchObject({ size });
  }, 20_000);
});

describe('failures', () => {
  it('are not remembered: the next attempt may succeed', async () => {
    const path = inFolder('tiny');
    writeFileSync(path, await readFile(tiny));
    const { id } = await loadModel(tiny);
    for (const run of [() => loadModel(path), () => findModel(id)]) {
      vi.mocked(open).mockRejectedValueOnce(tooManyFiles());
      await expect(run()).rejects.toMatchObject({ message: expect.stringContaining('too many open files') });
      expect((await run()).id).toEqual(id);
    }
  });

  it('of folders are named where a model is not found', async () => {
    const { readdir } = await import('node:fs/promises');
    for (const run of [() => loadModel('tiny'), () => findModel(new Uint8Array(8))]) {
      vi.mocked(readdir).mockRejectedValueOnce(tooManyFiles());
      await expect(run()).rejects.toMatchObject({
        code: 'ERR_MODEL_NOT_FOUND',
        message: expect.stringContaining(`${folder}: too many open files`),
      });
    }
  });

  it('of a damaged model are named where it is needed', async () => {
    const bytes = await readFile(tiny);
    bytes[1000] ^= 1;
    writeFileSync(inFolder('tiny'), bytes);
    const { id } = await loadModel(tiny);
    await expect(findModel(id)).rejects.toMatchObject({
      message: expect.stringContaining(`${inFolder('tiny')}: not a usable model: its checksum is wrong`),
    });
  });

  it('end when the file is replaced', async () => {
    const path = inFolder('m');
    writeFileSync(path, 'nothing of use');
    await expect(loadModel(path)).rejects.toMatchObject({ code: 'ERR_MODEL_INVALID' });
    for (const seed of [1, 2, 3]) {
      const { bytes, id } = randomModel({ seed });
      writeFileSync(path, bytes);
      expect((await loadModel(path)).id).toEqual(id);
      expect((await findModel(id)).id).toEqual(id);
    }
  });
});

describe('a model', () => {
  it('is loaded once in a run, however many members name it', async () => {
    const bytes = await readFile(tiny);
    const data = new TextEncoder().encode('the cat sat on the mat, the cat sat on the mat');
    const member = await compress(data, { model: bytes, mode: 'network', engine: 'reference' });
    const models = new Set<Model>();
    const engine = {
      ...referenceEngine,
      open: (model: Model, streams: number) => {
        models.add(model);
        return referenceEngine.open(model, streams);
      },
    };
    writeFileSync(inFolder('tiny'), bytes);
    for (const model of [bytes, new Uint8Array(bytes), inFolder('tiny'), undefined]) {
      models.clear();
      const back = await decompress(Buffer.concat([member, member, member]), { model, engine });
      expect(Buffer.compare(back, Buffer.concat([data, data, data]))).toBe(0);
      expect(models.size).toBe(1);
    }
  });

  it('that was replaced before it is read is not taken for the one that was found', async () => {
    const [wanted, other] = [randomModel({ seed: 1 }), randomModel({ seed: 2 })];
    const path = inFolder('x');
    writeFileSync(path, wanted.bytes);
    const real = vi.mocked(open).getMockImplementation()!;
    let opened = 0;
    vi.mocked(open).mockImplementation((...args) => {
      // first it is hashed, then it is read
      if (args[0] === path && ++opened === 2) writeFileSync(path, other.bytes);
      return real(...args);
    });
    try {
      await expect(findModel(wanted.id.subarray(0, 8))).rejects.toMatchObject({
        code: 'ERR_MODEL_NOT_FOUND',
      });
      expect(opened).toBe(2);
    } finally {
      vi.mocked(open).mockImplementation(real);
    }
  });

  it('that ends too early is refused, though length and checksum are right', async () => {
    const whole = await readFile(tiny);
    const ends = Array.from({ length: 150 }, (_, i) => (i < 100 ? whole.length - 1 - i : i * 690));
    for (const end of ends) {
      const bytes = Buffer.from(whole.subarray(0, end));
      bytes.writeUInt32LE(end, 20);
      bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), end - 4);
      expect(() => parseModel(bytes), String(end)).toThrow(
        expect.objectContaining({ code: 'ERR_MODEL_INVALID' }),
      );
    }
  });

  it('of changed bytes with the right checksum runs, or is refused with a typed error', async () => {
    const whole = await readFile(tiny);
    const next = randomSource(8);
    const wasm = await selectEngine('wasm');
    let ran = 0;
    for (let i = 0; i < 150; i++) {
      let bytes = Buffer.from(whole);
      // mostly the header and the first records
      const at = Math.floor(next() * (i % 3 === 0 ? bytes.length : 64));
      bytes[at] = next() < 0.5 ? next() * 256 : bytes[at] ^ (1 << (next() * 8));
      if (i % 10 === 0) bytes = bytes.subarray(0, bytes.length - Math.floor(next() * 80));
      if (bytes.length >= 24 && i % 5 === 0) bytes.writeUInt32LE(bytes.length, 20);
      bytes.writeUInt32LE(crc32(bytes.subarray(0, -4)), bytes.length - 4);
      let model: Model;
      try {
        model = parseModel(bytes);
      } catch (error) {
        expect(error).toBeInstanceOf(ShacompError);
        expect((error as ShacompError).code).toMatch(/^ERR_(MODEL_INVALID|UNSUPPORTED_VERSION)$/);
        continue;
      }
      const results = [referenceEngine, wasm].map((engine) => {
        const network = engine.open(model, 1);
        const frequencies = new Uint32Array(3 * 256);
        network.run(Uint8Array.of(10, 65, 255), 3, frequencies);
        network.close();
        return frequencies;
      });
      expect(results[1]).toEqual(results[0]);
      ran++;
    }
    expect(ran).toBeGreaterThan(10);
  });

  it('of bytes that were transferred or cut is refused with a typed error', async () => {
    const bytes = new Uint8Array(await readFile(tiny));
    structuredClone(bytes.buffer, { transfer: [bytes.buffer] });
    await expect(loadModel(bytes)).rejects.toMatchObject({ code: 'ERR_OPTIONS' });
    const whole = await readFile(tiny);
    for (let length = 0; length < whole.length; length += 997)
      expect(() => parseModel(whole.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'ERR_MODEL_INVALID' }),
      );
  });

  it('is what was checked, whatever another thread writes to the caller’s bytes', async () => {
    const bytes = await readFile(tiny);
    const shared = new SharedArrayBuffer(bytes.length);
    new Uint8Array(shared).set(bytes);
    const done = new Int32Array(new SharedArrayBuffer(4));
    // writes two windows in turn, each with its checksum
    const worker = new Worker(
      `const { workerData: { shared, sums, done } } = require('node:worker_threads');
       const view = new DataView(shared), end = shared.byteLength - 4;
       for (let i = 0; !Atomics.load(done, 0); i++) {
         view.setUint16(14, i & 1 ? 16 : 65535, true);
         view.setUint32(end, sums[i & 1], true);
         for (let wait = 0; wait < 300; wait++) Atomics.load(done, 0);
       }`,
      {
        eval: true,
        workerData: {
          shared,
          done,
          sums: [65535, 16].map((window) => {
            bytes.writeUInt16LE(window, 14);
            return crc32(bytes.subarray(0, -4));
          }),
        },
      },
    );
    const exit = new Promise((resolve) => worker.once('exit', resolve));
    await new Promise((resolve) => worker.once('online', resolve));
    const ends = Date.now() + 1500;
    let good = 0;
    while (Date.now() < ends) {
      const model = await loadModel(new Uint8Array(shared)).catch((error) => {
        expect(error.code).toBe('ERR_MODEL_INVALID');
      });
      if (!model) continue;
      good++;
      const { window } = model.architecture;
      expect(new DataView(model.bytes.buffer).getUint16(14, true)).toBe(window);
    }
    Atomics.store(done, 0, 1);
    await exit;
    expect(good).toBeGreaterThan(0);
  }, 20_000);
});
