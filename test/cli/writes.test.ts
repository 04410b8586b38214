/**
 * @file Every write of the command line is complete or an error: full disks, closed descriptors, slow pipes.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { eachInFolder } from '../helpers/cli.js';
import { sampleText } from '../helpers/letters-model.js';

const folder = eachInFolder();
const posix = process.platform !== 'win32';
const linux = process.platform === 'linux';
const full = existsSync('/dev/full');

/** Bytes that do not get smaller. */
function noise(length: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

/** What reports there are; a.sha is a compressed file. */
const REPORTS = [
  '-l a.sha',
  '-lv a.sha',
  '-l --json a.sha',
  'info a.sha',
  'info --json a.sha',
  'info',
  'info --json',
  'eval a',
  'eval --json a',
  'bench --time 0.001s --only gzip a',
  'bench --time 0.001s --only gzip --json a',
  '-V',
  '--help',
  'help train',
];

describe.runIf(posix)('a write that the system cuts short', () => {
  it('is gone on with, and the error that then comes is said: exit code 1', async () => {
    const f = folder();
    f.write('rnd', noise(100_000));
    expect((await f.run(['-q', 'rnd'])).code).toBe(0);
    // 64 blocks of 512 bytes: a write across the limit is cut there, the next one fails
    for (const command of ['shacomp -c rnd', 'shacomp < rnd', 'shacomp -dc rnd.sha']) {
      const run = await f.shell(`ulimit -f 64; ${command} > out`);
      expect(run).toMatchObject({
        code: 1,
        signal: null,
        stderr: 'shacomp: standard output: file too large\n',
      });
      expect(statSync(f.file('out')).size).toBe(64 * 512);
    }
    const named = await f.shell('ulimit -f 64; shacomp rnd -o named');
    expect(named).toMatchObject({ code: 1, stderr: 'shacomp: named: file too large\n' });
    expect(f.list()).toEqual(['out', 'rnd', 'rnd.sha']);
  });

  it.runIf(process.getuid?.() === 0 && linux)('because the disk is full, is an error', async ({ skip }) => {
    const f = folder();
    f.write('rnd', noise(100_000));
    mkdirSync(f.file('disk'));
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', f.file('disk')]).status !== 0) skip();
    try {
      expect((await f.run(['-q', 'rnd'])).code).toBe(0);
      for (const command of ['shacomp -c rnd', 'shacomp < rnd', 'shacomp -dc rnd.sha']) {
        const run = await f.shell(`${command} > disk/out`);
        expect(run.stderr).toBe('shacomp: standard output: no space left on device\n');
        expect(run.code).toBe(1);
      }
      await f.shell('rm disk/out');
      const run = await f.run(['rnd', '-o', 'disk/out']);
      expect(run).toMatchObject({ code: 1, stderr: 'shacomp: disk/out: no space left on device\n' });
      expect(f.list('disk')).toEqual([]);
    } finally {
      execFileSync('umount', [f.file('disk')]);
    }
  });

  it('because a pipe does not block and its reader is slow, loses nothing', async () => {
    const f = folder();
    f.write('rnd', noise(1_000_000));
    // a stream of Node.js has its pipe not block, for all who share it
    f.write('unblock.cjs', 'process.stdout._handle; setTimeout(() => {}, 60_000);');
    const run = await f.shell(
      `{ '${process.execPath}' unblock.cjs & sleep 1; shacomp -c --mode stored rnd || echo failed >&2; kill $!; } |
       { sleep 3; cat; }`,
    );
    expect(run.stderr).toBe('');
    const back = await f.run(['-d'], { input: run.stdout });
    expect(back.stdout.equals(f.read('rnd'))).toBe(true);
  });
});

describe.runIf(full)('/dev/full', () => {
  it('as standard output fails every report', async () => {
    const f = folder();
    f.write('a', sampleText(500));
    await f.run(['a']);
    for (const report of REPORTS)
      expect(await f.shell(`shacomp ${report} > /dev/full`), report).toMatchObject({
        code: 1,
        stderr: 'shacomp: standard output: no space left on device\n',
      });
  });

  it('as an output fails, and is what the message is about', async () => {
    const f = folder();
    f.write('a', sampleText(500));
    const message = (name: string) => ({ code: 1, stderr: `shacomp: ${name}: no space left on device\n` });
    expect(await f.run(['a', '-o', '/dev/full'])).toMatchObject(message('/dev/full'));
    expect(await f.shell('shacomp -c a a a > /dev/full')).toMatchObject(message('standard output'));
    expect(await f.shell('shacomp < a > /dev/full')).toMatchObject(message('standard output'));
  });

  it('as standard error changes nothing of the work', async () => {
    const f = folder();
    f.write('a', sampleText(500));
    expect((await f.shell('shacomp -v a 2> /dev/full')).code).toBe(0);
    expect((await f.shell('shacomp -v a 2> /dev/full')).code).toBe(1);
  });
});

// elsewhere Node.js does not let it be seen
describe.runIf(linux)('descriptors that are closed', () => {
  it('standard output fails reports and data', async () => {
    const f = folder();
    f.write('a', sampleText(500));
    await f.run(['a']);
    for (const words of ['-c a', '-dc a.sha', ...REPORTS])
      for (const command of [`shacomp ${words} >&-`, `(env shacomp ${words}) >&-`])
        expect(await f.shell(command), command).toMatchObject({
          code: 1,
          stderr: 'shacomp: standard output: is closed\n',
        });
  });

  it('standard input is an error, not an empty file; where it is not read, it does not matter', async () => {
    const f = folder();
    for (const words of ['', '-d', '-t', '-l', '-c -', '- -o b'])
      expect(await f.shell(`shacomp ${words} <&-`), words).toMatchObject({
        code: 1,
        stderr: 'shacomp: standard input: is closed\n',
      });
    expect(f.list()).toEqual([]);
    f.write('a', sampleText(500));
    expect((await f.shell('shacomp a <&- >&-')).code).toBe(0);
  });

  it('are told from /dev/null, however it was opened', async () => {
    const f = folder();
    f.write('a', sampleText(500));
    expect((await f.shell('shacomp < /dev/null > /dev/null')).code).toBe(0);
    // Node.js opens it for reading and writing, as it does in place of what is closed
    expect(await f.runWith(['-c', 'a'], ['ignore', 'ignore', 'ignore'])).toBe(0);
    expect(await f.runWith(['-V'], ['ignore', 'ignore', 'ignore'])).toBe(0);
  });
});

describe.runIf(posix)('standard input of other kinds', () => {
  it('a folder is an error, not an empty file', async () => {
    const f = folder();
    expect(await f.shell('shacomp < .')).toMatchObject({
      code: 1,
      stderr: 'shacomp: standard input: illegal operation on a directory\n',
    });
  });

  it('a file is read from where it stands', async () => {
    const f = folder();
    f.write('a', 'first\nsecond\n');
    const run = await f.shell('{ read line; shacomp; } < a');
    expect((await f.run(['-d'], { input: run.stdout })).stdout.toString()).toMatch(/second\n$/);
  });
});
