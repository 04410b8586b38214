/**
 * @file Outputs: what lies in the folder at every moment, what is on the disk before it has a name, what is
 * never lost.
 */
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  exists,
  openInput,
  openOutput,
  removeInput,
  sameFile,
  wouldOverwrite,
  writeFileSafely,
} from '../../src/cli/io/files.js';
import { cleanUp } from '../../src/cli/io/signals.js';

/** What was asked of the file system, in order; and whether it has links. */
const system = vi.hoisted(() => ({
  log: [] as string[],
  links: true,
  owners: true,
  most: Number.POSITIVE_INFINITY,
}));

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
      const { sync, chown } = handle;
      return Object.assign(handle, {
        async sync() {
          await sync.call(handle);
          system.log.push(`sync ${name}`);
        },
        async chown(uid: number, gid: number) {
          if (!system.owners) throw Object.assign(new Error('not permitted'), { code: 'EPERM' });
          await chown.call(handle, uid, gid);
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
  Object.assign(system, { log: [], links: true, owners: true });
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

  it('is removed when a signal ends the run', async () => {
    const output = await openOutput(file('out'), false);
    await output.write(bytes);
    cleanUp();
    expect(readdirSync(folder)).toEqual([]);
    await output.discard();
    // but not once it is complete
    await (await finished(false)).commit();
    cleanUp();
    expect(readdirSync(folder)).toEqual(['out']);
  });

  it('can be read by its owner alone while it is written', async () => {
    const output = await openOutput(file('out'), false);
    expect(statSync(file(readdirSync(folder)[0])).mode & 0o777).toBe(0o600);
    await output.discard();
  });
});

describe('what is written', () => {
  it('has the permissions and times of its source, but runs as nobody else', async () => {
    writeFileSync(file('in'), '');
    chmodSync(file('in'), 0o6751);
    utimesSync(file('in'), 1e9, 1.1e9);
    const output = await openOutput(file('out'), false);
    await output.finish(statSync(file('in'), { bigint: true }));
    await output.commit();
    const { mode, mtimeMs } = statSync(file('out'));
    expect(mode & 0o7777).toBe(0o751);
    expect(mtimeMs).toBe(1.1e12);
  });

  it('gives a group that is not that of its source no more than everybody has', async () => {
    system.owners = false;
    writeFileSync(file('in'), '');
    chmodSync(file('in'), 0o664);
    const output = await openOutput(file('out'), false);
    const source = statSync(file('in'), { bigint: true });
    source.gid++;
    await output.finish(source);
    await output.commit();
    expect(statSync(file('out')).mode & 0o777).toBe(0o644);
  });

  it('of no source has the permissions of any new file', async () => {
    await (await finished(false)).commit();
    expect(statSync(file('out')).mode & 0o777).toBe(0o666 & ~process.umask());
  });
});

describe('a name', () => {
  it('is taken by a link that leads nowhere, and by a file through a link', async () => {
    symlinkSync(file('nowhere'), file('broken'));
    expect(await exists(file('broken'))).toBe(true);
    expect(await exists(file('nothing'))).toBe(false);
    expect(await wouldOverwrite(file('broken'))).toBe(true);
    expect(await wouldOverwrite('/dev/null')).toBe(false);
  });

  it('leads to the same file through a link, and not to a copy', async () => {
    writeFileSync(file('in'), 'x');
    writeFileSync(file('copy'), 'x');
    symlinkSync(file('in'), file('symbolic'));
    linkSync(file('in'), file('hard'));
    const stats = statSync(file('in'), { bigint: true });
    for (const name of ['in', 'symbolic', 'hard']) expect(await sameFile(stats, file(name))).toBe(true);
    for (const name of ['copy', 'nothing']) expect(await sameFile(stats, file(name))).toBe(false);
    // the same number on another disk
    stats.dev++;
    expect(await sameFile(stats, file('in'))).toBe(false);
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

  it('whose length is not known beforehand has none: files of /proc say 0', async () => {
    writeFileSync(file('in'), '');
    const input = await openInput(file('in'));
    expect(input.size).toBeUndefined();
    await input.close();
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
