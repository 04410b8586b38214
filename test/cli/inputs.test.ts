/** @file Which inputs the command line takes, and what it protects while it works through them. */
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  linkSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
} from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { eachInFolder, type Folder, until } from '../helpers/cli.js';
import { sampleText } from '../helpers/letters-model.js';

const folder = eachInFolder();
const text = sampleText(2000);
const posix = process.platform !== 'win32';
const root = process.getuid?.() === 0;
/** Somebody whom permissions bind. */
const NOBODY = 65534;
const program = fileURLToPath(new URL('../../bin/shacomp.js', import.meta.url));
const bound =
  posix &&
  (!root || spawnSync(process.execPath, [program, '-V'], { uid: NOBODY, stdio: 'ignore' }).status === 0);

describe.runIf(bound)('a folder that cannot be read', () => {
  const uid = root ? NOBODY : undefined;
  function tree(f: Folder) {
    for (const name of ['a', 'x', 'y']) f.write(`tree/${name}/f`, text);
    for (const name of ['.', 'tree', 'tree/a', 'tree/y']) chmodSync(f.file(name), 0o777);
    chmodSync(f.models, 0o755);
    chmodSync(f.file('tree/x'), 0o000);
    return f;
  }

  it('is reported, and the walk goes on: exit code 1', async () => {
    const f = tree(folder());
    const run = await f.run(['-r', 'tree'], { uid });
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^shacomp: tree\/x: permission denied$/m);
    expect(f.list('tree/a')).toEqual(['f', 'f.sha']);
    expect(f.list('tree/y')).toEqual(['f', 'f.sha']);
    for (const words of [['-t'], ['-l'], ['-l', '--json'], ['-d', '-f'], ['info'], ['eval']]) {
      const again = await f.run([...words, '-r', 'tree'], { uid });
      expect(again.stderr, words[0]).toMatch(/^shacomp: tree\/x: permission denied$/m);
      expect(again.code).toBe(1);
      if (words[0] === '-t') expect(again.stderr).toContain('tree/y/f.sha : ok');
      if (words[0] === '-l') expect(again.stdout.toString()).toContain('tree/y/f.sha');
    }
    chmodSync(f.file('tree/x'), 0o755);
  });

  it('ends training before it begins: part of the text is not what was asked for', async () => {
    const f = tree(folder());
    const run = await f.run(['train', '--steps', '1', 'tree', '-o', 'm.sharnn'], { uid });
    expect(run).toMatchObject({ code: 1, stderr: 'shacomp: tree/x: permission denied\n' });
    chmodSync(f.file('tree/x'), 0o755);
  });
});

describe('files of folders', () => {
  it('that have the suffix are left out when compressing, also with -f', async () => {
    const f = folder();
    f.write('d/s', text);
    for (let i = 0; i < 3; i++) expect((await f.run(['-q', '-rf', 'd'])).code).toBe(0);
    expect(f.list('d')).toEqual(['s', 's.sha']);
    for (let i = 0; i < 2; i++) await f.run(['-q', '-rf', '--rm', 'd']);
    expect(f.list('d')).toEqual(['s.sha']);
  });

  it('that a killed run left unfinished are left out; by their names they are taken', async () => {
    const f = folder();
    const left = 'd/.shacomp-0123456789ab.part';
    f.write(left, text);
    f.write('d/.hidden', text);
    expect((await f.run(['-r', 'd'])).code).toBe(0);
    expect(f.list('d')).toEqual(['.hidden', '.hidden.sha', '.shacomp-0123456789ab.part']);
    expect((await f.run([left, '-o', 'x'])).code).toBe(0);
  });

  it('that appear during the run are not taken', async () => {
    const f = folder();
    for (const name of ['a', 'b', 'c']) f.write(`d/${name}`, text);
    expect((await f.run(['-q', '-r', '--output-dir', 'd/z', 'd'])).code).toBe(0);
    expect(f.list('d/z/d')).toEqual(['a.sha', 'b.sha', 'c.sha']);
    expect(f.list('d/z')).toEqual(['d']);
  });
});

describe('an output', () => {
  const refusal = (name: string) =>
    `shacomp: ${name}: is an input that is yet to be read; give it in a run of its own, or name another output\n`;

  it('does not replace an input that is yet to be read, by whatever name', async () => {
    const f = folder();
    f.write('foo', text);
    for (const later of ['foo.sha', './foo.sha', f.file('foo.sha')]) {
      f.write('foo.sha', 'precious');
      const run = await f.run(['-f', 'foo', later]);
      expect(run.code).toBe(1);
      expect(run.stderr).toContain(refusal('foo.sha'));
      expect(f.read('foo.sha').toString()).toBe('precious');
      expect((await f.run(['-dc', 'foo.sha.sha'])).stdout.toString()).toBe('precious');
    }
    if (posix) {
      symlinkSync('foo.sha', f.file('link'));
      linkSync(f.file('foo.sha'), f.file('hard'));
      for (const later of ['link', 'hard'])
        expect((await f.run(['-f', 'foo', later])).stderr).toContain(refusal('foo.sha'));
      expect(f.read('foo.sha').toString()).toBe('precious');
    }
  });

  it('does not when decompressing folders either', async () => {
    const f = folder();
    f.write('d/a', text);
    await f.run(['d/a']);
    f.write('precious', 'precious');
    await f.run(['precious', '-o', 'd/a.sha.sha']);
    const before = f.read('d/a.sha');
    const run = await f.run(['-d', '-f', 'd/a.sha.sha', 'd/a.sha']);
    expect(run.code).toBe(1);
    expect(run.stderr).toContain(refusal('d/a.sha'));
    expect(f.read('d/a.sha').equals(before)).toBe(true);
  });

  it('may replace an input that has been read', async () => {
    const f = folder();
    f.write('foo', text);
    f.write('foo.sha', 'old');
    expect((await f.run(['-f', 'foo.sha', 'foo'])).code).toBe(0);
    expect((await f.run(['-dc', 'foo.sha.sha'])).stdout.toString()).toBe('old');
    expect((await f.run(['-dc', 'foo.sha'])).stdout.equals(text)).toBe(true);
    expect((await f.run(['-f', 'foo', 'foo'])).code).toBe(0);
  });

  it('of training does not replace the text', async () => {
    const f = folder();
    f.write('m.safetensors', text);
    const run = await f.run(['train', '-f', '--steps', '1', 'm.safetensors', '-o', 'm.sharnn']);
    expect(run).toMatchObject({
      code: 1,
      stderr: 'shacomp: m.safetensors: is an input and would be replaced; name another output\n',
    });
    expect(f.read('m.safetensors').equals(text)).toBe(true);
  });
});

describe('the time of change of an output', () => {
  const times = [
    '2024-01-01 00:00:00.123456789',
    '2001-09-09 01:46:40.999999999',
    '2038-01-20 00:00:00.000000001',
  ];

  it.runIf(posix).each(times)('is never before that of its input, and next to it: %s', async (time) => {
    const f = folder();
    f.write('a', text);
    if (spawnSync('touch', ['-d', `${time}Z`, f.file('a')]).status !== 0) return;
    await f.run(['a']);
    await f.run(['-d', 'a.sha', '-o', 'b']);
    const [a, packed, b] = ['a', 'a.sha', 'b'].map(
      (name) => statSync(f.file(name), { bigint: true }).mtimeNs,
    );
    expect(packed - a).toBeGreaterThanOrEqual(0n);
    expect(packed - a).toBeLessThan(2000n);
    // what this program has written, it can repeat: the restored file is not newer than the compressed one
    expect(b).toBe(packed);
  });

  it('is not in the present where the input is of before 1970', async () => {
    const f = folder();
    f.write('a', text);
    utimesSync(f.file('a'), new Date(-86_400_000), new Date(-86_400_000));
    const { mtimeNs } = statSync(f.file('a'), { bigint: true });
    if (mtimeNs >= 0n) return;
    await f.run(['a']);
    const after = statSync(f.file('a.sha'), { bigint: true }).mtimeNs - mtimeNs;
    expect(after).toBeGreaterThanOrEqual(0n);
    expect(after).toBeLessThan(2_000_000_000n);
  });
});

describe('an input that changes while it is read', () => {
  /** Compresses a file, and does something to it meanwhile. */
  async function meanwhile(f: Folder, words: string[], change: () => void) {
    return f.run(words, {
      async during() {
        await until(() => f.list().some((name) => name.endsWith('.part')));
        change();
      },
    });
  }
  // longer than what is read at a time; blocks are read one after the other
  const long = Buffer.alloc(1_060_000, sampleText(50_000));
  const warning = 'shacomp: log: has changed while it was read; the output holds what was read\n';

  it('by growing is cut where it ended at first, with a warning: exit code 2', async () => {
    const f = folder();
    f.write('log', long);
    const words = ['--no-verify', '--block-size', '64K', 'log'];
    const run = await meanwhile(f, words, () => appendFileSync(f.file('log'), 'more'));
    expect(run.code).toBe(2);
    expect(run.stderr).toContain(warning);
    expect((await f.run(['-dc', 'log.sha'])).stdout.equals(long)).toBe(true);
  });

  it('is not removed', async () => {
    const f = folder();
    f.write('log', long.subarray(0, 200_000));
    const words = ['--rm', '--block-size', '64K', 'log'];
    const run = await meanwhile(f, words, () => appendFileSync(f.file('log'), 'more'));
    expect(run).toMatchObject({
      code: 1,
      stderr: 'shacomp: log: has changed since it was read; it was not removed\n',
    });
    expect(f.list()).toEqual(['log', 'log.sha']);
  });

  it('by becoming shorter is an error, and nothing is kept', async () => {
    const f = folder();
    f.write('log', long);
    const words = ['--no-verify', '--block-size', '64K', 'log'];
    const run = await meanwhile(f, words, () => truncateSync(f.file('log'), 10));
    expect(run).toMatchObject({ code: 1, stderr: 'shacomp: log: became shorter while it was read\n' });
    expect(f.list()).toEqual(['log']);
  });
});

describe('--output-dir', () => {
  it('takes the outputs of files by their names', async () => {
    const f = folder();
    f.write('x/a', text);
    f.write('b', text);
    expect((await f.run(['--output-dir', 'out/new', 'x/a', 'b'])).code).toBe(0);
    expect(f.list('out/new')).toEqual(['a.sha', 'b.sha']);
    expect((await f.run(['-d', '--output-dir=back', 'out/new/a.sha'])).code).toBe(0);
    expect(f.read('back/a').equals(text)).toBe(true);
    expect(f.list('x')).toEqual(['a']);
  });

  it('with -r takes folders as they are', async () => {
    const f = folder();
    f.write('x/d/e/a', text);
    f.write('x/d/b', text);
    expect((await f.run(['-r', '--output-dir', 'out', 'x/d'])).code).toBe(0);
    expect(f.list('out/d')).toEqual(['b.sha', 'e']);
    expect(f.list('out/d/e')).toEqual(['a.sha']);
    expect((await f.run(['-d', '-r', '--output-dir', 'back', 'out/.'])).code).toBe(0);
    expect(f.read('back/d/e/a').equals(text)).toBe(true);
  });

  it('does not let one output replace another of the same run, not even with -f and --rm', async () => {
    const f = folder();
    f.write('x/a', 'first');
    f.write('y/a', 'second');
    const run = await f.run(['-f', '--rm', '--output-dir', 'out', 'x/a', 'y/a']);
    expect(run.code).toBe(1);
    expect(run.stderr).toContain('shacomp: out/a.sha: was just written, from x/a; name another output\n');
    expect((await f.run(['-dc', 'out/a.sha'])).stdout.toString()).toBe('first');
    expect(f.list('y')).toEqual(['a']);
  });

  it('is no place for standard input, and the last of -o, -c and itself wins', async () => {
    const f = folder();
    f.write('a', text);
    expect(await f.run(['--output-dir', 'out', '-'])).toMatchObject({
      code: 1,
      stderr: 'shacomp: standard input: has no name for a file in --output-dir; use -o or -c\n',
    });
    expect((await f.run(['--output-dir', 'out', '-o', 'b', 'a'])).code).toBe(0);
    expect((await f.run(['--output-dir', 'out', '-c', 'a'])).stdout.length).toBeGreaterThan(0);
    expect(f.list()).toEqual(['a', 'b']);
    expect((await f.run(['-o', 'c', '--output-dir', 'out', 'a'])).code).toBe(0);
    expect(f.list()).toEqual(['a', 'b', 'out']);
    expect((await f.run(['--output-dir', 'a', 'b'])).stderr).toMatch(/^shacomp: a: file already exists\n$/);
  });
});

describe.runIf(posix)('what a process substitution gives', () => {
  it('is no file to compress beside: -c and -o read it', async () => {
    const f = folder();
    const message = 'is not a regular file; skipped (use -c or -o FILE)\n';
    for (const force of ['', '-f'])
      expect(await f.shell(`echo hi | { exec 3<&0; shacomp ${force} /dev/fd/3; }`)).toMatchObject({
        code: 2,
        stderr: `shacomp: /dev/fd/3: ${message}`,
      });
    const run = await f.shell('echo hi | { exec 3<&0; shacomp -c /dev/fd/3; }');
    expect((await f.run(['-d'], { input: run.stdout })).stdout.toString()).toBe('hi\n');
  });
});
