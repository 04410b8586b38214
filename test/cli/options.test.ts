/** @file What codes the files of the command line: the level, and what 'auto' is told of them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { concat } from '../../src/codec/bytes.js';
import { blockHeader, blockTrailer, memberHeader, modelRecord } from '../../src/codec/container/container.js';
import type { EngineWork } from '../../src/codec/platform.js';
import { parse, runHere } from '../helpers/command.js';
import { lettersModel } from '../helpers/letters-model.js';

const asked: (EngineWork | undefined)[] = [];
vi.mock('../../src/node/auto.js', async (original) => {
  const real = await original<typeof import('../../src/node/auto.js')>();
  return {
    ...real,
    chooseEngine: (_name: string, { work }: { work?: EngineWork }) => {
      asked.push(work);
      return real.chooseEngine('reference');
    },
  };
});

// only now: what is replaced must not have been imported before
const { codecOptions, compressOptions, decompression, levelOf } = await import('../../src/cli/io/inputs.js');

const model = lettersModel();
const folder = mkdtempSync(join(tmpdir(), 'shacomp-work-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, content: Uint8Array) => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
const path = file('letters.sharnn', model.bytes);

beforeEach(() => {
  asked.length = 0;
  vi.stubEnv('SHACOMP_ENGINE', '');
  vi.stubEnv('SHACOMP_LEVEL', '');
});

describe('the work of compressing', () => {
  const files = [file('short', new Uint8Array(3000)), file('long', new Uint8Array(500_000))];
  const work = async (...words: string[]) => {
    const { operands, flags } = await parse(['-m', path, ...words, ...files]);
    await compressOptions(flags, operands);
    const [one] = asked.splice(0);
    return one && { ...one, model: one.model.name };
  };

  it('is the bytes of all files, which are decoded again to be verified, in the streams of the longest', async () => {
    const all = { model: 'letters', streams: 16, alone: true, encode: 503_000, decode: 503_000 };
    expect(await work('--mode', 'network')).toEqual(all);
    expect(await work('--mode', 'network', '--no-verify')).toEqual({ ...all, decode: 0 });
    expect(await work('--mode', 'network', '--block-size', '64K')).toEqual({ ...all, streams: 2 });
    expect(await work('-6')).toEqual({ ...all, alone: false, streams: 4 });
  });

  it('is not told without a network, with a memory limit, or where an engine is named', async () => {
    for (const words of [
      ['-1'],
      ['--mode', 'network', '--memory', '1G'],
      ['--mode', 'network', '-e', 'wasm'],
    ])
      expect([words, await work(...words)]).toEqual([words, undefined]);
  });
});

describe('a model that is not installed', () => {
  it('can be given by a flag, which is named unless it was used', async () => {
    vi.stubEnv('SHACOMP_MODELS', '');
    const name = file('foreign', concat([memberHeader(), modelRecord(model.id), new Uint8Array(100)]));
    const line = ['-d', '-o', join(folder, 'out'), name];
    const [missing, other] = ['needs the model', lettersModel(2)];
    const without = await runHere(line);
    const withOther = await runHere(['-m', file('other.sharnn', other.bytes), ...line]);
    expect([without, withOther].map((text) => text.includes(missing))).toEqual([true, true]);
    expect([without, withOther].map((text) => text.includes('see --model FILE'))).toEqual([true, false]);
  });
});

describe('the level', () => {
  it('is that of a flag, else that of SHACOMP_LEVEL, else that of the library', async () => {
    const level = async (...words: string[]) => levelOf((await parse([...words, 'x'])).flags);
    expect([await level(), await level('-9')]).toEqual([undefined, 9]);
    vi.stubEnv('SHACOMP_LEVEL', '2');
    expect([await level(), await level('-9'), await level('--level', '3')]).toEqual([2, 9, 3]);
    for (const wrong of ['0', '10', 'best']) {
      vi.stubEnv('SHACOMP_LEVEL', wrong);
      await expect(level()).rejects.toThrow(`not "${wrong}"`);
    }
  });
});

describe('the work of decompressing', () => {
  const packed = (name: string, mode: 'network' | 'mixing-fast', codedLength: number) => {
    const block = { mode, length: 10 * codedLength, codedLength, streams: mode === 'network' ? 5 : 1 };
    const head = mode === 'network' ? [modelRecord(model.id)] : [];
    const payload = new Uint8Array(codedLength);
    return file(
      name,
      concat([memberHeader(), ...head, blockHeader({ ...block, last: true }), payload, blockTrailer(0)]),
    );
  };
  const work = async (name: string, ...words: string[]) => {
    const { flags } = await parse(['-m', path, ...words, name], 'decompress');
    await codecOptions(flags, () => decompression([file('other', new Uint8Array(9)), name], flags));
    return asked.splice(0)[0];
  };

  it('is as many bytes as the longest file has, by its first block', async () => {
    const found = await work(packed('a', 'network', 300_000));
    expect(found).toMatchObject({ streams: 5, alone: true, encode: 0 });
    expect(found!.model.name).toBe('letters');
    expect(Math.round(found!.decode / 1000)).toBe(3000);
  });

  it('is not told of short files, without a network, or with a memory limit', async () => {
    expect(await work(packed('b', 'network', 200_000))).toBeUndefined();
    expect(await work(packed('c', 'mixing-fast', 300_000))).toBeUndefined();
    expect(await work(packed('d', 'network', 300_000), '--memory', '1G')).toBeUndefined();
  });
});
