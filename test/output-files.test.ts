/** @file Outputs: what lies in the folder at every moment, what is on the disk before it has a name, what is never lost. */
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { openInput, openOutput, removeInput, writeFileSafely } from '../src/cli/io/files.js';

/** What was asked of the file system, in order; and whether it has links. */
const system = vi.hoisted(() => ({ log: [] as string[], links: true }));

vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const { basename } = await import('node:path');
  const noted = <A extends string[]>(name: string, work: (...paths: A) => Promise<void>) =>
    (async (...paths: A) => {
      await work(...paths);
      system.log.push(`${name} ${paths.map((path) => basename(path).replace(/^\..*/, 'PART')).join(' ')}`);
    }) as typeof work;
  return {
    ...real,
    link: noted('link', async (from: string, to: string) => {
      if (!system.links) throw Object.assign(new Error('no links'), { code: 'EPERM' });
      return real.link(from, to);
    }),
    rename: noted('rename', real.rename as (from: string, to: string) => Promise<void>),
    unlink: noted('unlink', real.unlink as (path: string) => Promise<void>),
    open: async (...args: Parameters<typeof real.open>) => {
      const handle: FileHandle = await real.open(...args);
      const name = basename(String(args[0])).replace(/^\..*/, 'PART');
      const { sync } = handle;
      return Object.assign(handle, {
        async sync() {
          await sync.call(handle);
          system.log.push(`sync ${name}`);
        },
      });
    },
  };
});

let folder: string;
const file = (name: string) => join(folder, name);
const bytes = Buffer.from('what was written');

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shacomp-files-'));
  Object.assign(system, { log: [], links: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

/** An output with some bytes, finished and without its name. */
async function finished(overwrite: boolean) {
  const output = await openOutput(file('out'), overwrite);
  await output.write(bytes);
  await output.finish(undefined);
  return output;
}

describe('a new file', () => {
  it('is on the disk before it has its name, and its name is on the disk before the run goes on', async () => {
    await (await finished(false)).commit();
    expect(system.log).toEqual(['sync PART', 'link PART out', 'unlink PART', `sync ${basename(folder)}`]);
    system.log = [];
    await (await finished(true)).commit();
    expect(system.log).toEqual(['sync PART', 'rename PART out', `sync ${basename(folder)}`]);
  });

  it('has no name until it is committed, and is not left behind where it is discarded', async () => {
    const output = await finished(false);
    expect(existsSync(file('out'))).toBe(false);
    expect(readdirSync(folder)).toHaveLength(1);
    await output.discard();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('can be read by its owner alone while it is written', async () => {
    const output = await openOutput(file('out'), false);
    expect(statSync(file(readdirSync(folder)[0])).mode & 0o777).toBe(0o600);
    await output.discard();
  });
});

describe('a file that comes to be while the output is written', () => {
  it.each([true, false])('is not overwritten without -f (links: %s)', async (links) => {
    system.links = links;
    const output = await finished(false);
    writeFileSync(file('out'), 'of somebody else');
    await expect(output.commit()).rejects.toThrow('already exists');
    expect(readFileSync(file('out'), 'utf8')).toBe('of somebody else');
    await output.discard();
    expect(readdirSync(folder)).toEqual(['out']);
  });

  it('is overwritten with -f', async () => {
    const output = await finished(true);
    writeFileSync(file('out'), 'of somebody else');
    await output.commit();
    expect(readFileSync(file('out'))).toEqual(bytes);
  });
});

describe('where the file system has no links', () => {
  it('a new file gets its name all the same', async () => {
    system.links = false;
    await (await finished(false)).commit();
    expect(readdirSync(folder)).toEqual(['out']);
    expect(readFileSync(file('out'))).toEqual(bytes);
  });
});

describe('an input', () => {
  const stats = async () => {
    const input = await openInput(file('in'));
    await input.close();
    return input.stats!;
  };
  beforeEach(() => {
    writeFileSync(file('in'), 'as it was read');
    utimesSync(file('in'), 2e9, 2e9);
  });

  it('is removed if it is what was read', async () => {
    await removeInput(file('in'), await stats());
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each<[string, () => void]>([
    ['is longer', () => writeFileSync(file('in'), 'as it was read, and more')],
    ['was written since', () => utimesSync(file('in'), 1e9, 1e9)],
    [
      'is another file of the same length and time',
      () => {
        rmSync(file('in'));
        // takes the place that has become free, so that the next file has another one
        writeFileSync(file('between'), '');
        writeFileSync(file('in'), 'of another one');
        utimesSync(file('in'), 2e9, 2e9);
      },
    ],
  ])('is kept if it %s', async (_what, change) => {
    const read = await stats();
    change();
    await expect(removeInput(file('in'), read)).rejects.toThrow('has changed since it was read');
    expect(existsSync(file('in'))).toBe(true);
  });
});

describe('a small file', () => {
  it('is written whole or not at all, into folders that are made for it', async () => {
    await writeFileSafely(file('a/b/out'), bytes, false);
    expect(readFileSync(file('a/b/out'))).toEqual(bytes);
    await expect(writeFileSafely(file('a/b/out'), bytes, false)).rejects.toThrow('already exists');
    expect(readdirSync(file('a/b'))).toEqual(['out']);
  });
});
