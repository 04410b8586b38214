/** @file The command line's reports: info, list, test, eval, bench and help. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.js';
import { eachInFolder } from '../helpers/cli.js';
import { lettersModel, sampleText } from '../helpers/letters-model.js';

const folder = eachInFolder();
const text = sampleText(5000);
const network = ['--mode', 'network'];

describe('info', () => {
  it('without files tells of the installation', async () => {
    const f = folder();
    const run = await f.run(['info']);
    expect(run).toMatchObject({ code: 0, stderr: '' });
    const out = run.stdout.toString();
    expect(out).toMatch(/^shacomp \d+\.\d+\.\d+, Node\.js v/);
    for (const engine of ['native', 'wasm', 'reference', 'webgpu', 'tfjs'])
      expect(out).toMatch(new RegExp(`^ {2}${engine} +\\S`, 'm'));
    const { size } = statSync(join(f.models, 'lite.sharnn'));
    const line = `^ {2}lite +[0-9a-f]{16} +0\\.10 M parameters {2}${size} bytes \\([\\d.]+ KiB\\) {2}/`;
    expect(out).toMatch(new RegExp(line, 'm'));
    const facts = JSON.parse((await f.run(['info', '--json'])).stdout.toString());
    expect(facts.engines.map((e: { name: string }) => e.name)).toEqual([
      'native',
      'wasm',
      'reference',
      'webgpu',
      'tfjs',
    ]);
    expect(facts.models[0]).toMatchObject({ name: 'lite', bytes: size, parameters: 96640 });
  });

  it('of a compressed file, for people and for programs', async () => {
    const f = folder();
    f.write('a', text);
    await f.run([...network, 'a']);
    const size = f.read('a.sha').length;
    const out = (await f.run(['info', 'a.sha'])).stdout.toString();
    expect(out).toMatch(/^a\.sha\n/);
    expect(out).toContain('original    5000 bytes (4.9 KiB)');
    expect(out).toMatch(/^ {2}blocks +1 network$/m);
    expect(out).toMatch(/^ {2}model +lite \([0-9a-f]{16}\)$/m);
    const [facts] = JSON.parse((await f.run(['info', '--json', 'a.sha'])).stdout.toString());
    expect(facts).toMatchObject({
      kind: 'compressed',
      file: 'a.sha',
      compressedBytes: size,
      originalBytes: 5000,
      members: 1,
      model: { name: 'lite' },
      blocks: [{ mode: 'network', originalBytes: 5000, streams: 1 }],
    });
    expect(facts.memory).toBeGreaterThan(10_000);
    expect((await f.run(['info', '-v', 'a.sha'])).stdout.toString()).toMatch(/block 1 {2}at \d+ {2}network/);
  });

  it('of a model, by any name', async () => {
    const f = folder();
    f.write('m.sharnn', lettersModel().bytes);
    f.write('m.bin', lettersModel().bytes);
    for (const name of ['m.sharnn', 'm.bin']) {
      const out = (await f.run(['info', name])).stdout.toString();
      expect(out).toMatch(/^ {2}model +letters$/m);
      expect(out).toMatch(/^ {2}parameters +96640$/m);
    }
    const id = Buffer.from(lettersModel().id).toString('hex');
    expect(JSON.parse((await f.run(['info', '--json', 'm.sharnn'])).stdout.toString())[0].id).toBe(id);
  });

  it('of something else is an error', async () => {
    const f = folder();
    f.write('x', text);
    f.write('x.sharnn', text);
    expect((await f.run(['info', 'x'])).stderr).toBe('shacomp: x: neither a shacomp file nor a model\n');
    expect((await f.run(['info', 'x.sharnn'])).stderr).toMatch(/^shacomp: x\.sharnn: not a usable model: /);
  });
});

describe('-l', () => {
  it('lists files, one per line, and their sum', async () => {
    const f = folder();
    f.write('a', text);
    f.write('b', '');
    await f.run([...network, 'a', 'b']);
    const lines = (await f.run(['-l', 'a.sha', 'b.sha'])).stdout.toString().trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^Blocks +Compressed +Original +Ratio +Model +File$/);
    expect(lines[1]).toMatch(/^ +1 +\d+ +.* 5000 +4\.9 KiB +\d\d\.\d\d% +lite +a\.sha$/);
    expect(lines[2]).toMatch(/^ +0 +6 +6 B +0 +0 B +- +- +b\.sha$/);
    expect(lines[3]).toMatch(/2 files$/);
    expect(JSON.parse((await f.run(['-l', '--json', 'a.sha'])).stdout.toString())).toHaveLength(1);
    f.write('c', text);
    expect(await f.run(['-l', 'c'])).toMatchObject({
      code: 1,
      stderr: 'shacomp: c: not in shacomp format\n',
    });
  });

  it('and info read joined members, also from standard input', async () => {
    const f = folder();
    f.write('a', text);
    const { stdout } = await f.run(['-c', 'a', 'a']);
    const [facts] = JSON.parse((await f.run(['info', '--json', '-'], { input: stdout })).stdout.toString());
    expect(facts).toMatchObject({ members: 2, originalBytes: 10_000, compressedBytes: stdout.length });
  });
});

describe('test', () => {
  it('says of each file whether it decompresses, and writes nothing', async () => {
    const f = folder();
    f.write('a', text);
    await f.run([...network, 'a']);
    const bad = f.read('a.sha');
    bad[bad.length >> 1] ^= 1;
    f.write('bad.sha', bad);
    const run = await f.run(['test', 'a.sha', 'bad.sha']);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^a\.sha +: ok, 5000 bytes\nshacomp: bad\.sha: .*damaged.*\n$/);
    expect(await f.run(['-t', 'a.sha'])).toMatchObject({ code: 0 });
    expect(f.list()).toEqual(['a', 'a.sha', 'bad.sha']);
  });
});

describe('eval', () => {
  it('prints the cost by predictions and the coded size, which agree within 0.1 %', async () => {
    const f = folder();
    const long = sampleText(60_000);
    f.write('a', long);
    f.write('b', text);
    f.write('empty', '');
    const run = await f.run(['eval', '--json', 'a', 'b', 'empty']);
    expect(run).toMatchObject({ code: 0, stderr: '' });
    const { files, total, model } = JSON.parse(run.stdout.toString());
    expect(model.name).toBe('letters');
    const [a, b, empty] = files;
    expect(a.bytes).toBe(60_000);
    expect(Math.abs(a.difference)).toBeLessThan(0.001);
    expect(a.modelBitsPerByte).toBeGreaterThan(2);
    expect(a.modelBitsPerByte).toBeLessThan(6);
    expect(empty).toMatchObject({ bytes: 0, modelBitsPerByte: null });
    expect(total.modelBits).toBeCloseTo(a.modelBits + b.modelBits, 3);
    // what it says of the file is what compressing makes of it
    await f.run(['a']);
    expect(a.fileBytes).toBe(f.read('a.sha').length);

    const table = (await f.run(['eval', '--mode', 'network', 'a', 'b'])).stdout.toString();
    expect(table).toMatch(/^model letters \([0-9a-f]{16}\), bits per byte/);
    expect(table).toMatch(/^File +Bytes +Model +Coded +Difference +\.sha bytes +\.sha$/m);
    expect(table).toMatch(new RegExp(`^a +60000 +${a.modelBitsPerByte.toFixed(4)} +`, 'm'));
    expect(table).toMatch(/^total +65000 /m);
  });

  it('marks blocks that are stored', async () => {
    const f = folder();
    f.write(
      'noise',
      Buffer.from(Array.from({ length: 3000 }, (_, i) => (Math.imul(i, 2654435761) >>> 9) & 255)),
    );
    const out = (await f.run(['eval', 'noise'])).stdout.toString();
    expect(out).toMatch(/^noise +3000 .*\d%\* /m);
    expect(out).toContain('* blocks that coding would not make smaller are stored');
  });
});

describe('bench', () => {
  it('compares with other compressors, all round trips checked', async () => {
    const f = folder();
    f.write('a', text);
    f.write('b', text);
    const run = await f.run([
      'bench',
      '--json',
      '--time',
      '0.01s',
      '--only',
      'shacomp,gzip,brotli',
      'a',
      'b',
    ]);
    expect(run).toMatchObject({ code: 0, stderr: '' });
    const { compressors, files, total } = JSON.parse(run.stdout.toString());
    expect(compressors.map((c: { name: string }) => c.name)).toEqual(['shacomp', 'gzip', 'brotli']);
    expect(files.map((x: { file: string }) => x.file)).toEqual(['a', 'b']);
    await f.run(['a']);
    const [shacomp] = files[0].measurements;
    expect(shacomp).toMatchObject({
      compressor: 'shacomp',
      bytes: 5000,
      compressedBytes: f.read('a.sha').length,
    });
    expect(shacomp.bitsPerByte).toBeCloseTo((8 * shacomp.compressedBytes) / 5000);
    expect(total[0].compressedBytes).toBe(2 * shacomp.compressedBytes);

    const table = await f.run(['bench', '-v', '--time', '0.01s', '--only', 'shacomp,gzip', 'a']);
    const out = table.stdout.toString();
    expect(out).toMatch(
      /^a, 5000 bytes \(4\.9 KiB\)\n {2}compressor +bytes +ratio +bits\/byte +compress +decompress\n/,
    );
    expect(out).toMatch(/^ {2}gzip +\d+ +\d\.\d{3} +\d\.\d{3} +.*\/s +.*\/s$/m);
    expect(table.stderr).toMatch(/^shacomp: level 1, engine .*\ngzip: level 9\n$/);
  });

  it('has a row for a coder without a model with --all, where that is installed', async () => {
    const f = folder();
    f.write('a', text);
    const run = await f.run(['bench', '--all', '--time', '0.01s', '--only', 'gzip,arithmetic-coding', 'a']);
    expect(run).toMatchObject({ code: 0, stderr: '' });
    expect(run.stdout.toString()).toMatch(/^ {2}arithmetic-coding +\d+ +\d\.\d{3} /m);
  });

  it('says which compressors there are', async () => {
    const f = folder();
    f.write('a', text);
    expect((await f.run(['bench', '--only', 'abacus', 'a'])).stderr).toMatch(
      /^shacomp: no compressor called abacus here; there are shacomp, gzip, brotli/,
    );
    expect((await f.run(['bench'])).stderr).toBe(
      "shacomp: missing required argument 'files'; see shacomp bench --help\n",
    );
  });
});

describe('help', () => {
  it('is there for every command, and names every option of it', async () => {
    const f = folder();
    const main = (await f.run(['--help'])).stdout.toString();
    for (const { name } of COMMANDS.filter((c) => c.name !== '')) {
      expect(main).toMatch(new RegExp(`^ {2}${name} `, 'm'));
      const [help, same] = [await f.run([name, '--help']), await f.run(['help', name])];
      expect(help).toMatchObject({ code: 0, stderr: '' });
      expect(same.stdout.equals(help.stdout)).toBe(true);
      expect(help.stdout.toString()).toContain(`Usage: shacomp ${name} [options]`);
    }
  });

  it('and the version is that of the package', async () => {
    const file = fileURLToPath(new URL('../../package.json', import.meta.url));
    const { version } = JSON.parse(readFileSync(file, 'utf8'));
    expect((await folder().run(['-V'])).stdout.toString()).toBe(`shacomp ${version}\n`);
  });

  it('docs/cli.md has the options that the program has', async () => {
    const { commandReference } = await import('../../src/cli/manual.js');
    const page = readFileSync(fileURLToPath(new URL('../../docs/cli.md', import.meta.url)), 'utf8');
    // `node scripts/cli-docs.mjs` writes it anew
    expect(page).toContain(commandReference());
  });
});
