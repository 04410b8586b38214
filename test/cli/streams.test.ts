/** @file The command line in pipes: standard input and output, several files joined, readers that go away. */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { eachInFolder } from '../helpers/cli.js';
import { sampleText } from '../helpers/letters-model.js';

const folder = eachInFolder();
const text = sampleText(3000);
const posix = process.platform !== 'win32';

describe('standard input and output', () => {
  it('a filter both ways, without files, silently', async () => {
    const f = folder();
    const packed = await f.run([], { input: text });
    expect(packed).toMatchObject({ code: 0, stderr: '' });
    expect(packed.stdout.length).toBeLessThan(text.length);
    const unpacked = await f.run(['-d'], { input: packed.stdout });
    expect(unpacked).toMatchObject({ code: 0, stderr: '' });
    expect(unpacked.stdout.equals(text)).toBe(true);
    expect(f.list()).toEqual([]);
    const details = await f.run(['-v', '--mode', 'network'], { input: text });
    expect(details.stderr).toMatch(/^ {2}auto takes .*\nstandard input : .*bytes\)\n {2}model letters/);
  });

  it('"-" is either, also among files and as the output', async () => {
    const f = folder();
    f.write('a', text);
    expect((await f.run(['-', '-o', 'b.sha'], { input: text })).code).toBe(0);
    const joined = await f.run(['-dc', 'b.sha', '-'], { input: f.read('b.sha') });
    expect(joined.stdout.equals(Buffer.concat([text, text]))).toBe(true);
    const out = await f.run(['a', '-o', '-']);
    expect(out.stdout.equals(f.read('b.sha'))).toBe(true);
    expect((await f.run(['test', '-'], { input: out.stdout })).stderr).toContain('standard input');
    expect(f.list()).toEqual(['a', 'b.sha']);
  });

  it('what is joined decompresses to what was joined', async () => {
    const f = folder();
    f.write('a', text);
    f.write('b', 'second');
    f.write('empty', '');
    const packed = await f.run(['-c', 'a', 'empty', 'b']);
    const unpacked = await f.run(['-d'], { input: packed.stdout });
    expect(unpacked.stdout.toString()).toBe(`${text}second`);
  });

  it('many files are joined without a word of Node.js about listeners', async () => {
    const f = folder();
    const names = Array.from({ length: 12 }, (_, i) => `file${i}`);
    for (const name of names) f.write(name, name);
    const packed = await f.run(['-1', '-q', '-c', ...names]);
    expect(packed).toMatchObject({ code: 0, stderr: '' });
    expect((await f.run(['-d'], { input: packed.stdout })).stdout.toString()).toBe(names.join(''));
  });

  it('the last of -o and -c wins', async () => {
    const f = folder();
    f.write('a', text);
    expect((await f.run(['a', '-o', 'x', '-c'])).stdout.length).toBeGreaterThan(0);
    expect((await f.run(['a', '-c', '-o', 'y'])).stdout.length).toBe(0);
    expect(f.list()).toEqual(['a', 'y']);
  });

  it('damage shows in the exit code; blocks before it have come out', async () => {
    const f = folder();
    const long = sampleText(20_000);
    const packed = (await f.run(['--block-size', '8K'], { input: long })).stdout;
    packed[packed.length - 10] ^= 1;
    const run = await f.run(['-d'], { input: packed });
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^shacomp: standard input: .*damaged/);
    expect(run.stdout.equals(long.subarray(0, 16384))).toBe(true);
  });

  it('-d -f -c passes through what is not compressed; without -f it is an error', async () => {
    const f = folder();
    f.write('plain', text);
    f.write('tiny', 'ab');
    expect((await f.run(['-dcf', 'plain', 'tiny'])).stdout.toString()).toBe(`${text}ab`);
    const run = await f.run(['-dc', 'plain']);
    expect(run).toMatchObject({ code: 1, stderr: 'shacomp: plain: not in shacomp format\n' });
    expect(run.stdout.length).toBe(0);
  });

  it('--no-verify gives the same bytes', async () => {
    const f = folder();
    const [checked, unchecked] = [
      await f.run([], { input: text }),
      await f.run(['--no-verify'], { input: text }),
    ];
    expect(unchecked.stdout.equals(checked.stdout)).toBe(true);
  });

  it('--progress shows it without a terminal, --no-progress and the default do not', async () => {
    const f = folder();
    f.write('a', text);
    expect((await f.run(['-f', '--progress', 'a'])).stderr).toContain('compressing a #');
    expect((await f.run(['-c', '--progress', 'a'])).stderr).toContain('compressing a ');
    expect((await f.run(['-f', 'a'])).stderr).not.toContain('compressing');
    expect((await f.run(['-f', '--progress', '--no-progress', 'a'])).stderr).not.toContain('compressing');
  });
});

describe.runIf(posix)('readers that go away', () => {
  it('end the run quietly, by SIGPIPE', async () => {
    const f = folder();
    f.write('a', sampleText(300_000));
    await f.run(['--no-verify', 'a']);
    const run = await f.run(['-dc', 'a.sha', 'a.sha'], {
      during: (child) => {
        child.stdout?.once('data', () => child.stdout?.destroy());
      },
    });
    expect(run.stderr).toBe('');
    expect(run).toMatchObject({ code: null, signal: 'SIGPIPE' });
  });

  it('a named pipe is read and written as it is', async () => {
    const f = folder();
    execFileSync('mkfifo', [f.file('pipe')]);
    f.write('a', text);
    expect(await f.run(['pipe'])).toMatchObject({
      code: 2,
      stderr: 'shacomp: pipe: is not a regular file; skipped (use -c or -o FILE)\n',
    });
    const [reader, writer] = await Promise.all([f.run(['-dc', 'pipe']), f.run(['a', '-o', 'pipe'])]);
    expect(writer).toMatchObject({ code: 0 });
    expect(reader.stdout.equals(text)).toBe(true);
  });
});
