/** @file What the command line says when something is wrong, and how much it says at all. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { eachInFolder } from './helpers/cli.js';
import { sampleText } from './helpers/letters-model.js';

const folder = eachInFolder();
const text = sampleText(2000);
const posix = process.platform !== 'win32';

describe('errors', () => {
  it.runIf(posix && process.getuid?.() !== 0)('of the system are named', async () => {
    const f = folder();
    chmodSync(f.write('a', text), 0);
    expect(await f.run(['a'])).toMatchObject({ code: 1, stderr: 'shacomp: a: permission denied\n' });
  });

  it('of damaged, short and foreign files: one line, no file, exit code 1', async () => {
    const f = folder();
    f.write('a', text);
    await f.run(['a']);
    const good = f.read('a.sha');
    const cases: [string, Uint8Array, RegExp][] = [
      ['foreign.sha', Buffer.from('hello, world'), /not in shacomp format/],
      ['empty.sha', Buffer.alloc(0), /ends too early/],
      ['short.sha', good.subarray(0, 100), /ends too early/],
      ['long.sha', Buffer.concat([good, Buffer.from('tail')]), /not shacomp data/],
      ['new.sha', Buffer.concat([good.subarray(0, 4), Buffer.of(99), good.subarray(5)]), /version 99/],
    ];
    for (const [name, bytes, message] of cases) {
      f.write(name, bytes);
      const run = await f.run(['-d', name]);
      expect(run.code).toBe(1);
      expect(run.stderr).toMatch(new RegExp(`^shacomp: ${name}: .*${message.source}.*\n$`));
      expect(existsSync(f.file(name.slice(0, -4)))).toBe(false);
    }
    expect(f.list().filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('of models', async () => {
    const f = folder();
    f.write('a', text);
    expect((await f.run(['--mode', 'network', '-m', 'nope', 'a'])).stderr).toMatch(
      /^shacomp: no model is called "nope" \(installed: lite, other.*\n$/,
    );
    expect((await f.run(['--mode', 'network', '-m', './nope.sharnn', 'a'])).stderr).toBe(
      'shacomp: ./nope.sharnn: no such model file\n',
    );
    expect((await f.run(['--mode', 'network', '-m', 'other', 'a'])).code).toBe(0);
    expect((await f.run(['-d', 'a.sha', '-o', 'b'])).code).toBe(0);
    const elsewhere = await f.run(['-d', 'a.sha', '-o', 'c'], { env: { SHACOMP_MODELS: f.path } });
    expect(elsewhere.code).toBe(1);
    expect(elsewhere.stderr).toMatch(/^shacomp: a\.sha: needs the model [0-9a-f]{16}.*see --model FILE\n$/);
    const given = await f.run(['-d', 'a.sha', '-o', 'c', '-m', `${f.models}/other.sharnn`], {
      env: { SHACOMP_MODELS: f.path },
    });
    expect(given.code).toBe(0);
    expect(f.read('c').equals(text)).toBe(true);
  });

  it('of a model that is installed but damaged: they say so', async () => {
    const f = folder();
    f.write('a', text);
    await f.run(['--mode', 'network', 'a']);
    const model = readFileSync(`${f.models}/lite.sharnn`);
    model[model.length >> 1] ^= 1;
    writeFileSync(`${f.models}/lite.sharnn`, model);
    const run = await f.run(['-d', 'a.sha', '-o', 'b']);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^shacomp: a\.sha: needs the model .*lite\.sharnn: .*damaged.*\n$/);
    expect((await f.run(['--mode', 'network', 'a', '-o', 'c'])).stderr).toMatch(
      /^shacomp: .*lite\.sharnn: .*damaged.*\n$/,
    );
  });

  it('of usage', async () => {
    const f = folder();
    const cases: [string[], string][] = [
      [['--nowhere'], "unknown option '--nowhere'; see shacomp --help"],
      [['test', '--rm'], "unknown option '--rm'; see shacomp test --help"],
      [
        ['-T', 'x'],
        "option '-T, --threads <n>' argument 'x' is invalid: give an integer from 0 to 1024; see shacomp --help",
      ],
      [
        ['-M', '12X'],
        "option '-M, --memory <size>' argument '12X' is invalid: give a number of bytes such as 65536, 64K, 16M or 2G; see shacomp --help",
      ],
      [
        ['--block-size', '1', 'a'],
        "option '--block-size <size>' argument '1' is invalid: give a size from 8K to 64M; see shacomp --help",
      ],
      [
        ['--block-size', '65M', 'a'],
        "option '--block-size <size>' argument '65M' is invalid: give a size from 8K to 64M; see shacomp --help",
      ],
      [
        ['a', '-o', ''],
        "option '-o, --output <file>' argument '' is invalid: give a name; see shacomp --help",
      ],
      [
        ['--output-dir=', 'a'],
        "option '--output-dir <folder>' argument '' is invalid: give a name; see shacomp --help",
      ],
      [
        ['-m', '', 'a'],
        "option '-m, --model <name>' argument '' is invalid: give a name; see shacomp --help",
      ],
      [[''], "'': no such file or directory"],
      [['-10', 'a'], 'there is no level 10, they go from -1 to -9; a file is ./-10'],
      [['eval', '-0', 'a'], 'there is no level 0, they go from -1 to -9; a file is ./-0'],
      [
        ['--level', '10', 'a'],
        "option '--level <n>' argument '10' is invalid: give an integer from 1 to 9; see shacomp --help",
      ],
      [['help', 'nope'], 'there is no command "nope"; see shacomp --help'],
    ];
    for (const [args, message] of cases)
      expect(await f.run(args)).toMatchObject({ code: 1, stderr: `shacomp: ${message}\n` });
    expect((await f.run(['-e', 'abacus', 'a'])).stderr).toContain('Allowed choices are auto, native');
    expect((await f.run(['a'], { env: { SHACOMP_ENGINE: 'abacus' } })).stderr).toContain(
      'there is no engine',
    );
  });

  it('--level is -1 to -9 by another name, and the last of them wins', async () => {
    const f = folder();
    f.write('a', text);
    const size = async (...words: string[]) => (await f.run([...words, '-c', 'a'])).stdout.toString('hex');
    const nine = await size('-9');
    expect(await size('--level', '9')).toBe(nine);
    expect(await size('--level=1', '-9')).toBe(nine);
    expect(await size('-1', '--level=9')).toBe(nine);
    expect(await size('-9', '--level', '1')).not.toBe(nine);
  });

  it('have a stack trace only with SHACOMP_DEBUG', async () => {
    const f = folder();
    expect((await f.run(['missing'])).stderr).toBe('shacomp: missing: no such file or directory\n');
    const run = await f.run(['missing'], { env: { SHACOMP_DEBUG: '1' } });
    expect(run.stderr).toMatch(/\n {4}at /);
  });

  it('-q leaves errors only, -qq nothing, -v adds details; exit codes stay', async () => {
    const f = folder();
    f.write('a', text);
    f.write('d/b', text);
    expect(await f.run(['-q', 'a', 'd'])).toMatchObject({ code: 2, stderr: '' });
    expect(await f.run(['-q', 'a'])).toMatchObject({ code: 1 });
    expect(await f.run(['-qq', 'a'])).toMatchObject({ code: 1, stderr: '' });
    const run = await f.run(['-fv', '-e', 'wasm', '--mode', 'network', 'a']);
    expect(run.stderr).toMatch(/\n {2}model letters \([0-9a-f]{16}\), engine wasm \(.*\)\n/);
    expect(run.stderr).toMatch(/\n {2}1 block network \(1 stream\), .*\/s, verified\n$/);
    expect((await f.run(['-fv', '--no-verify', 'a'])).stderr).toContain('not verified');
  });
});
