/** @file The command line on files: names, overwriting, removal, metadata, folders, links, exit codes. */
import { chmodSync, linkSync, lstatSync, mkdirSync, statSync, symlinkSync, utimesSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { eachInFolder } from '../helpers/cli.js';
import { sampleText } from '../helpers/letters-model.js';

const folder = eachInFolder();
const text = sampleText(5000);
const posix = process.platform !== 'win32';

describe('compress and decompress', () => {
  it('without a command word: FILE to FILE.sha and back, the input kept, nothing else left', async () => {
    const f = folder();
    f.write('a.txt', text);
    const packed = await f.run(['a.txt']);
    expect(packed).toMatchObject({ code: 0, signal: null });
    expect(packed.stdout.length).toBe(0);
    const size = f.read('a.txt.sha').length;
    expect(size).toBeLessThan(text.length);
    const share = ((100 * size) / text.length).toFixed(2);
    expect(packed.stderr).toBe(
      `a.txt : ${share}% (  5000 => ${String(size).padStart(6)} bytes, a.txt.sha)\n`,
    );
    expect(f.list()).toEqual(['a.txt', 'a.txt.sha']);

    const unpacked = await f.run(['-d', 'a.txt.sha', '-o', 'b.txt']);
    expect(unpacked).toMatchObject({ code: 0, stderr: 'a.txt.sha :   5000 bytes (b.txt)\n' });
    expect(f.read('b.txt').equals(text)).toBe(true);
    expect(f.list()).toEqual(['a.txt', 'a.txt.sha', 'b.txt']);
  });

  it('with command words, and the last of conflicting modes wins', async () => {
    const f = folder();
    f.write('a.txt', text);
    expect((await f.run(['compress', 'a.txt', '-o', 'x'])).code).toBe(0);
    expect((await f.run(['decompress', 'x', '-o', 'y'])).code).toBe(0);
    expect(f.read('y').equals(text)).toBe(true);
    expect((await f.run(['-z', '-t', '-d', 'x', '-o', 'z'])).code).toBe(0);
    expect(f.read('z').equals(text)).toBe(true);
  });

  it('gives the same bytes on every engine, and every engine reads them', async () => {
    const f = folder();
    f.write('a.txt', sampleText(600));
    for (const engine of ['auto', 'wasm', 'reference'])
      expect(await f.run(['--mode', 'network', '-e', engine, 'a.txt', '-o', engine])).toMatchObject({
        code: 0,
      });
    expect(f.read('wasm').equals(f.read('auto'))).toBe(true);
    expect(f.read('reference').equals(f.read('auto'))).toBe(true);
    const back = await f.run(['-dc', 'auto'], { env: { SHACOMP_ENGINE: 'reference' } });
    expect(back.stdout.equals(f.read('a.txt'))).toBe(true);
  });

  it('any bytes: empty, one byte, noise', async () => {
    const f = folder();
    const noise = Buffer.from(
      Array.from({ length: 20_000 }, (_, i) => (Math.imul(i, 2654435761) >>> 13) & 255),
    );
    for (const content of [Buffer.alloc(0), Buffer.of(0), noise]) {
      f.write('x', content);
      expect((await f.run(['-f', 'x'])).code).toBe(0);
      expect(f.read('x.sha').length).toBeLessThanOrEqual(content.length * 1.001 + 64);
      expect((await f.run(['-df', 'x.sha'])).code).toBe(0);
      expect(f.read('x').equals(content)).toBe(true);
    }
  });

  it('several files: each on its own, and what fails does not stop the others', async () => {
    const f = folder();
    f.write('a', text);
    f.write('b', text);
    const run = await f.run(['a', 'missing', 'b']);
    expect(run.code).toBe(1);
    expect(run.stderr).toContain('shacomp: missing: no such file or directory\n');
    expect(run.stderr).toMatch(/^2 files *: /m);
    expect(f.list()).toEqual(['a', 'a.sha', 'b', 'b.sha']);
  });

  it('-o takes one input', async () => {
    const f = folder();
    f.write('a', text);
    f.write('b', text);
    expect(await f.run(['a', 'b', '-o', 'c'])).toMatchObject({
      code: 1,
      stderr: 'shacomp: -o takes one input; leave it out, or join the outputs with -c\n',
    });
    expect(f.list()).toEqual(['a', 'b']);
  });

  it('files longer than what is read at a time come back', async () => {
    const f = folder();
    let state = 1;
    const noise = Uint8Array.from({ length: 2_400_000 }, () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state >>> 24;
    });
    f.write('noise', noise);
    f.write('text', sampleText(1_200_000));
    for (const args of [
      ['--mode', 'stored', 'noise'],
      ['-1', '--no-verify', 'text'],
    ]) {
      const name = args.at(-1)!;
      expect((await f.run(args)).code).toBe(0);
      expect((await f.run(['-dc', `${name}.sha`])).stdout.equals(f.read(name))).toBe(true);
    }
  });

  it('--block-size, --memory and --threads are obeyed', async () => {
    const f = folder();
    f.write('a', sampleText(20_000));
    expect((await f.run(['--mode', 'network', '--block-size', '8K', '-T', '1', 'a'])).code).toBe(0);
    const [facts] = JSON.parse((await f.run(['info', '--json', 'a.sha'])).stdout.toString());
    expect(facts.blocks).toHaveLength(3);
    const refused = await f.run(['-d', '-M', '1K', 'a.sha', '-o', 'b']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(
      /^shacomp: a\.sha: needs [\d.]+ [KM]iB of memory, the limit is 1\.0 KiB: raise the limit; see --memory SIZE\n$/,
    );
    expect(f.list()).toEqual(['a', 'a.sha']);
  });
});

describe('files that are there', () => {
  it('are not overwritten without -f', async () => {
    const f = folder();
    f.write('a', text);
    f.write('a.sha', 'precious');
    expect(await f.run(['a'])).toMatchObject({
      code: 1,
      stderr: 'shacomp: a.sha: already exists; use -f to overwrite it\n',
    });
    expect(f.read('a.sha').toString()).toBe('precious');
    expect((await f.run(['-f', 'a'])).code).toBe(0);
    f.write('a', 'precious');
    expect((await f.run(['-d', 'a.sha'])).code).toBe(1);
    expect(f.read('a').toString()).toBe('precious');
    expect((await f.run(['-d', '-f', 'a.sha'])).code).toBe(0);
    expect(f.read('a').equals(text)).toBe(true);
  });

  it('are kept when the new content turns out to be damaged', async () => {
    const f = folder();
    f.write('a', text);
    await f.run(['a']);
    const damaged = f.read('a.sha');
    damaged[damaged.length >> 1] ^= 4;
    f.write('a.sha', damaged);
    const run = await f.run(['-df', 'a.sha']);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^shacomp: a\.sha: .*damaged.*\n$/);
    expect(f.read('a').equals(text)).toBe(true);
    expect(f.list()).toEqual(['a', 'a.sha']);
  });

  it('are never the input itself', async () => {
    const f = folder();
    f.write('a', text);
    const run = await f.run(['-f', 'a', '-o', './a']);
    expect(run).toMatchObject({
      code: 1,
      stderr: 'shacomp: ./a: is the input itself; name another file\n',
    });
    expect(f.read('a').equals(text)).toBe(true);
  });

  it('may be devices: they are written to as they are', async () => {
    if (!posix) return;
    const f = folder();
    f.write('a', text);
    expect((await f.run(['a', '-o', '/dev/null'])).code).toBe(0);
    expect(lstatSync('/dev/null').isCharacterDevice()).toBe(true);
    expect(f.list()).toEqual(['a']);
  });

  it('folders are no outputs', async () => {
    const f = folder();
    f.write('a', text);
    mkdirSync(f.file('out'));
    expect(await f.run(['-f', 'a', '-o', 'out'])).toMatchObject({
      code: 1,
      stderr: 'shacomp: out: is a folder; name a file\n',
    });
    expect((await f.run(['a', '-o', 'nowhere/a.sha'])).stderr).toBe(
      'shacomp: nowhere/a.sha: no such file or directory\n',
    );
  });
});

describe('removal and metadata', () => {
  it('--rm removes the input, -k takes that back, standard output never removes', async () => {
    const f = folder();
    f.write('a', text);
    await f.run(['--rm', '-k', 'a']);
    await f.run(['--rm', '-c', 'a']);
    await f.run(['--rm', '-f', 'a', '-o', '/dev/null']);
    expect(f.list()).toEqual(['a', 'a.sha']);
    expect((await f.run(['--rm', '-f', '--no-verify', 'a'])).code).toBe(0);
    expect(f.list()).toEqual(['a.sha']);
    expect((await f.run(['-d', '--rm', 'a.sha'])).code).toBe(0);
    expect(f.list()).toEqual(['a']);
    expect(f.read('a').equals(text)).toBe(true);
  });

  it('--rm keeps an input that cannot be decompressed', async () => {
    const f = folder();
    f.write('a.sha', 'this is not compressed');
    const run = await f.run(['-d', '--rm', 'a.sha']);
    expect(run).toMatchObject({ code: 1, stderr: 'shacomp: a.sha: not in shacomp format\n' });
    expect(f.list()).toEqual(['a.sha']);
  });

  it('mode and time of change go along', async () => {
    const f = folder();
    const path = f.write('a', text);
    chmodSync(path, 0o640);
    utimesSync(path, 1_000_000_000, 1_234_567_890);
    await f.run(['a', '-o', 'b']);
    await f.run(['-d', 'b', '-o', 'c']);
    for (const name of ['b', 'c']) {
      const stats = statSync(f.file(name));
      expect(stats.mtimeMs).toBe(1_234_567_890_000);
      if (posix) expect(stats.mode & 0o777).toBe(0o640);
    }
  });

  it('from standard input, a file has the mode of any new file', async () => {
    if (!posix) return;
    const f = folder();
    await f.run(['-', '-o', 'b'], { input: text });
    expect(statSync(f.file('b')).mode & 0o777).toBe(0o666 & ~process.umask());
  });
});

describe('skipped with exit code 2', () => {
  it('folders, unless -r goes into them', async () => {
    const f = folder();
    f.write('d/a', text);
    f.write('d/e/b', text);
    f.write('d/old.sha', 'x');
    expect(await f.run(['d'])).toMatchObject({
      code: 2,
      stderr: 'shacomp: d: is a folder; skipped (use -r to go into folders)\n',
    });
    expect((await f.run(['-r', 'd'])).code).toBe(0);
    expect(f.list('d')).toEqual(['a', 'a.sha', 'e', 'old.sha']);
    expect(f.list('d/e')).toEqual(['b', 'b.sha']);
    expect((await f.run(['-t', '-r', 'd/e'])).stderr).toBe(
      'd/e : ok, 5000 bytes\n'.replace('d/e', 'd/e/b.sha'),
    );
  });

  it('names with the suffix when compressing, without it when decompressing', async () => {
    const f = folder();
    f.write('a.sha', text);
    expect(await f.run(['a.sha'])).toMatchObject({
      code: 2,
      stderr: 'shacomp: a.sha: already has the suffix .sha; skipped (use -f to compress it again)\n',
    });
    expect((await f.run(['-f', 'a.sha'])).code).toBe(0);
    expect(f.list()).toEqual(['a.sha', 'a.sha.sha']);
    f.write('.sha', text);
    f.write('b', text);
    for (const [name, why] of [
      ['.sha', 'has nothing before'],
      ['b', 'does not end in'],
    ])
      expect(await f.run(['-d', name])).toMatchObject({
        code: 2,
        stderr: `shacomp: ${name}: ${why} .sha; skipped (name the output with -o, or use -c)\n`,
      });
  });

  it('another suffix by -S', async () => {
    const f = folder();
    f.write('a', text);
    await f.run(['-S', '.neural', '--rm', 'a']);
    expect(f.list()).toEqual(['a.neural']);
    await f.run(['-d', '-S', '.neural', 'a.neural']);
    expect(f.read('a').equals(text)).toBe(true);
  });

  it.runIf(posix)('symbolic links, unless -f follows them', async () => {
    const f = folder();
    f.write('a', text);
    symlinkSync('a', f.file('link'));
    expect(await f.run(['link'])).toMatchObject({
      code: 2,
      stderr: 'shacomp: link: is a symbolic link; skipped (use -f to follow it)\n',
    });
    expect((await f.run(['-f', 'link'])).code).toBe(0);
    expect(f.list()).toEqual(['a', 'link', 'link.sha']);
    const out = await f.run(['-dc', 'link.sha']);
    expect(out.stdout.equals(text)).toBe(true);
  });

  it.runIf(posix)('a link that is in the way is replaced, not followed', async () => {
    const f = folder();
    f.write('a', text);
    f.write('precious', 'x');
    symlinkSync('precious', f.file('a.sha'));
    expect((await f.run(['a'])).code).toBe(1);
    expect((await f.run(['-f', 'a'])).code).toBe(0);
    expect(f.read('precious').toString()).toBe('x');
    expect(lstatSync(f.file('a.sha')).isSymbolicLink()).toBe(false);
  });

  it.runIf(posix)('--rm of one of several hard links, unless -f insists; the others stay', async () => {
    const f = folder();
    linkSync(f.write('a', text), f.file('b'));
    expect(await f.run(['--rm', 'a'])).toMatchObject({
      code: 2,
      stderr: 'shacomp: a: has 1 other hard link; skipped (use -f to remove this name of it)\n',
    });
    expect(f.list()).toEqual(['a', 'b']);
    expect((await f.run(['--rm', '-f', 'a'])).code).toBe(0);
    expect(f.list()).toEqual(['a.sha', 'b']);
  });

  it('an error weighs more than a warning', async () => {
    const f = folder();
    f.write('d/a', text);
    expect((await f.run(['d', 'missing'])).code).toBe(1);
  });
});
