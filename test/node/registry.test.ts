/** @file Which of several models is found: by name, by id, in which folder. */
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { findModel, loadModel, modelFolders, models } from '../../src/node/models.js';
import { lettersModel } from '../helpers/letters-model.js';

const [one, two, three] = [1, 2, 3].map((seed) => lettersModel(seed));
let folder: string;
const file = (name: string) => join(folder, name);
const hex = (id: Uint8Array) => Buffer.from(id).toString('hex');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shacomp-registry-'));
  for (const name of ['a', 'b']) mkdirSync(file(name));
  vi.stubEnv('SHACOMP_MODELS', [file('a'), file('b')].join(delimiter));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const put = (name: string, model: { bytes: Uint8Array }) => writeFileSync(file(name), model.bytes);

describe('a name', () => {
  it('is looked for in the folders of SHACOMP_MODELS in their order, before those shipped', async () => {
    expect(modelFolders().slice(0, 2)).toEqual([file('a'), file('b')]);
    expect(modelFolders()).toHaveLength(3);
    put('b/lite.sharnn', two);
    expect((await loadModel('lite')).id).toEqual(two.id);
    expect((await loadModel()).id).toEqual(two.id);
    put('a/lite.sharnn', one);
    expect((await loadModel('lite')).id).toEqual(one.id);
  });

  it('stands for a file of SHACOMP_MODELS, not for one of the current folder', async () => {
    put('a/x.sharnn', one);
    expect((await loadModel('x')).id).toEqual(one.id);
    const found = expect(loadModel('nothing')).rejects;
    await found.toMatchObject({
      code: 'ERR_MODEL_NOT_FOUND',
      message: expect.stringContaining('installed: x, '),
    });
  });

  it('with a folder or a suffix in it is a path', async () => {
    put('here', one);
    put('there.sharnn', two);
    expect((await loadModel(file('here'))).id).toEqual(one.id);
    expect((await loadModel(pathToFileURL(file('there.sharnn')))).id).toEqual(two.id);
    await expect(loadModel('there.sharnn')).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
  });

  it('gives the new model once its file has changed', async () => {
    put('a/x.sharnn', one);
    expect((await loadModel('x')).id).toEqual(one.id);
    put('a/x.sharnn', three);
    utimesSync(file('a/x.sharnn'), 1e9, 1e9);
    expect((await loadModel('x')).id).toEqual(three.id);
  });
});

describe('models that were read', () => {
  it('are read again from a file that was written in place and given its old times', async () => {
    put('x.sharnn', one);
    utimesSync(file('x.sharnn'), 1e9, 1e9);
    expect((await loadModel(file('x.sharnn'))).id).toEqual(one.id);
    put('x.sharnn', { bytes: one.bytes.map((byte, i) => (i === 1000 ? byte ^ 1 : byte)) });
    utimesSync(file('x.sharnn'), 1e9, 1e9);
    await expect(loadModel(file('x.sharnn'))).rejects.toMatchObject({ code: 'ERR_MODEL_INVALID' });
  });

  it('are kept for the next time: the latest four', async () => {
    const names = ['v', 'w', 'x', 'y', 'z'].map((name) => file(`${name}.sharnn`));
    for (const name of names) writeFileSync(name, one.bytes);
    const [first, second] = [await loadModel(names[0]), await loadModel(names[1])];
    for (const name of names.slice(2)) await loadModel(name);
    expect(await loadModel(names[1])).toBe(second);
    expect(await loadModel(names[0])).not.toBe(first);
  });
});

describe('an id', () => {
  const prefix = (model: { id: Uint8Array }) => model.id.subarray(0, 8);

  it('is found in whatever file it lies, past files that are no models', async () => {
    writeFileSync(file('a/bad.sharnn'), 'no model');
    mkdirSync(file('a/folder.sharnn'));
    put('a/x.sharnn', one);
    put('b/y.sharnn', two);
    expect((await findModel(prefix(two))).id).toEqual(two.id);
  });

  it('is that of the candidate, or the candidate is passed over', async () => {
    put('b/y.sharnn', two);
    expect((await findModel(prefix(one), one)).id).toEqual(one.id);
    expect((await findModel(prefix(two), one)).id).toEqual(two.id);
    const message = expect.stringContaining(`not ${one.name} (${hex(prefix(one))})`);
    await expect(findModel(prefix(three), one)).rejects.toMatchObject({
      code: 'ERR_MODEL_NOT_FOUND',
      message,
    });
  });

  it('is compared in all of its eight bytes', async () => {
    for (let i = 0; i < 8; i++) {
      const other = Uint8Array.from(prefix(one));
      other[i] ^= 1;
      await expect(findModel(other, one)).rejects.toMatchObject({ code: 'ERR_MODEL_NOT_FOUND' });
    }
  });
});

describe('the list of models', () => {
  it('has all that are usable, in the order of the search, by name within a folder', async () => {
    put('a/z.sharnn', one);
    put('a/m.sharnn', two);
    put('b/a.sharnn', three);
    writeFileSync(file('a/bad.sharnn'), 'no model');
    writeFileSync(file('a/notes.txt'), 'no model');
    vi.stubEnv('SHACOMP_MODELS', [file('a'), file('none'), file('b')].join(delimiter));
    const found = (await models()).slice(0, 3);
    expect(found.map(({ name, id, size }) => [name, hex(id), size])).toEqual([
      ['m', hex(two.id), two.bytes.length],
      ['z', hex(one.id), one.bytes.length],
      ['a', hex(three.id), three.bytes.length],
    ]);
  });
});
