/** @file The command line's train and quantize, on a tiny network and for a few steps. */
import { describe, expect, it } from 'vitest';
import { eachInFolder } from '../helpers/cli.js';
import { sampleText } from '../helpers/letters-model.js';

const folder = eachInFolder();
const few = ['-p', 'tiny', '--steps', '4', '--batch', '4', '-T', '1'];

describe('train', () => {
  it('makes a model of the text in folders, the same one for the same seed', async () => {
    const f = folder();
    f.write('texts/a', sampleText(40_000));
    f.write('texts/more/b', sampleText(20_000, 2));
    f.write('texts/.git/not', 'x');
    const run = await f.run(['train', 'texts', ...few, '--seed', '3', '-o', 'm.sharnn']);
    expect(run).toMatchObject({ code: 0, signal: null });
    expect(run.stderr).toMatch(/^training on 2 files; Ctrl-C stops and saves\n/);
    expect(run.stderr).toMatch(/^trained 4 steps on 2048 bytes .*; held out: \d\.\d{4} bits per byte$/m);
    expect(run.stderr).toMatch(/^m\.sharnn : 96640 parameters, \d+ bytes \(\d+\.\d KiB\), id [0-9a-f]{16}$/m);
    expect(run.stderr).toMatch(
      /^quantized: \d\.\d{4} bits per byte, \d\.\d{4} before, a loss of -?\d+\.\d\d%$/m,
    );
    expect(f.list()).toEqual(['m.safetensors', 'm.sharnn', 'm.state.safetensors', 'texts']);

    await f.run(['train', 'texts', ...few, '--seed', '3', '-o', 'n.sharnn', '--name', 'm']);
    await f.run(['train', 'texts', ...few, '--seed', '4', '-o', 'o.sharnn', '--name', 'm']);
    expect(f.read('n.sharnn').equals(f.read('m.sharnn'))).toBe(true);
    expect(f.read('o.sharnn').equals(f.read('m.sharnn'))).toBe(false);

    f.write('x', sampleText(3000));
    expect((await f.run(['-m', 'm.sharnn', '--mode', 'network', 'x'])).code).toBe(0);
    expect((await f.run(['-m', 'm.sharnn', '-dc', 'x.sha'])).stdout.equals(f.read('x'))).toBe(true);
  });

  it('reads inputs as often as their weights say', async () => {
    const f = folder();
    f.write('texts/a', sampleText(30_000));
    f.write('b', sampleText(30_000, 2));
    const args = ['train', 'texts', 'b', ...few];
    const hash = async (output: string, ...more: string[]) => {
      expect(await f.run([...args, '--name', 'm', '-o', output, ...more])).toMatchObject({ code: 0 });
      return f.read(output).toString('base64');
    };
    const plain = await hash('m.sharnn');
    expect(await hash('n.sharnn', '--weight', 'texts=1', '--weight', 'b=1')).toBe(plain);
    const onlyA = await hash('o.sharnn', '--weight', 'b=0');
    expect(onlyA).not.toBe(plain);
    expect(await hash('p.sharnn', '--weight', 'b=0', '--weight', 'a=3')).toBe(onlyA);
    const refused = async (weight: string) =>
      (await f.run([...args, '-o', 'q.sharnn', '--weight', weight])).stderr;
    expect(await refused('c=2')).toBe('shacomp: c: has a weight, but is none of the inputs\n');
    expect(await refused('a')).toContain('Give an input and a factor');
    expect(await refused('a=x')).toContain('Give an input and a factor');
  });

  it('grows a smaller network into a larger preset', async () => {
    const f = folder();
    f.write('a', sampleText(30_000));
    await f.run(['train', 'a', ...few, '-o', 'm.sharnn']);
    const args = ['train', 'a', '--from', 'm.safetensors', '--steps', '1', '--batch', '4', '--rate', '1e-9'];
    expect(await f.run([...args, '-p', 'lite', '-o', 'n.sharnn'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('cannot grow into the one to train: its boom factor is 1, not 4'),
    });
  });

  it('goes on from other weights', async () => {
    const f = folder();
    f.write('a', sampleText(30_000));
    await f.run(['train', 'a', ...few, '-o', 'm.sharnn']);
    const args = ['train', 'a', '--steps', '1', '--batch', '4', '--rate', '0.0001'];
    const run = await f.run([...args, '--from', 'm.safetensors', '-o', 'n.sharnn']);
    expect(run).toMatchObject({ code: 0 });
    const heldOut = (stderr: string) => Number(/held out: ([\d.]+)/.exec(stderr)?.[1]);
    const rounded = await f.run([...args, '--from', './m.sharnn', '-o', 'o.sharnn']);
    expect(heldOut(rounded.stderr) / heldOut(run.stderr)).toBeCloseTo(1, 2);
    expect((await f.run([...args, '--from', 'nope', '-o', 'p.sharnn'])).stderr).toContain(
      'no model is called "nope"',
    );
  });

  it.skipIf(process.platform === 'win32')('Ctrl-C saves, --resume goes on', async () => {
    const f = folder();
    f.write('a', sampleText(30_000));
    let said = '';
    const args = ['train', 'a', '-p', 'tiny', '--batch', '4', '-T', '1', '-o', 'm.sharnn'];
    const stopped = await f.run([...args, '--time-limit', '1h'], {
      during: (child) => {
        child.stderr?.on('data', (chunk) => {
          said += chunk;
          if (said.includes('training on') && !child.killed) setTimeout(() => child.kill('SIGINT'), 500);
        });
      },
    });
    expect(stopped).toMatchObject({ code: null, signal: 'SIGINT' });
    expect(stopped.stderr).toMatch(/^stopped at step \d+ after \d:\d\d; the weights are in m\.safetensors$/m);
    expect(stopped.stderr).toContain('--resume');
    expect(f.list()).toEqual(['a', 'm.safetensors', 'm.state.safetensors']);
    const step = Number(/stopped at step (\d+)/.exec(stopped.stderr)?.[1]);

    expect(await f.run([...args, '--steps', '1'])).toMatchObject({
      code: 1,
      stderr: 'shacomp: m.safetensors: already exists; use --resume to go on with it, or -f to begin anew\n',
    });
    expect(await f.run([...args, '--resume', '-p', 'lite', '--steps', '1'])).toMatchObject({
      code: 1,
      stderr:
        'shacomp: m.safetensors: the run to resume trains a network of another shape; leave --preset out\n',
    });
    const resumed = await f.run([...args, '--resume', '--steps', String(step + 2)]);
    expect(resumed).toMatchObject({ code: 0 });
    expect(resumed.stderr).toMatch(new RegExp(`^trained ${step + 2} steps`, 'm'));
    expect(f.list()).toContain('m.sharnn');
  });

  it('says what is missing', async () => {
    const f = folder();
    f.write('a', sampleText(8000));
    f.write('old.sharnn', 'x');
    const cases: [string[], string][] = [
      [['a'], 'name the model to write: -o MODEL.sharnn'],
      [['a', '-o', 'm'], 'm: is not the name of a model: end it in .sharnn'],
      [['-o', 'm.sharnn'], "missing required argument 'files|folders'; see shacomp train --help"],
      [['a', '-o', 'm.sharnn', '--resume'], 'm.state.safetensors: is not there: there is no run to resume'],
      [['a', '-o', 'old.sharnn'], 'old.sharnn: already exists; use -f to overwrite it'],
      [
        ['a', '-o', 'm.sharnn', '-f', '--report', 'a'],
        'a: is an input and would be replaced; name another output',
      ],
    ];
    for (const [args, message] of cases)
      expect(await f.run(['train', ...args])).toMatchObject({ code: 1, stderr: `shacomp: ${message}\n` });
    expect((await f.run(['train', 'a', '-o', 'm.sharnn', '--time-limit', 'soon'])).stderr).toContain(
      'give a time such as',
    );
    const missing = async (...args: string[]) =>
      (await f.run(['train', ...args])).stderr.split('\n').slice(-2);
    expect(await missing('missing', '-o', 'm.sharnn')).toEqual([
      'shacomp: missing: no such file or directory',
      '',
    ]);
    expect(await missing('a', '--from', 'no/x.safetensors', '-o', 'm.sharnn')).toEqual([
      'shacomp: no/x.safetensors: no such file or directory',
      '',
    ]);
    expect(await missing('a', ...few, '-o', 'no/m.sharnn')).toEqual([
      'shacomp: no/m.safetensors: no such file or directory',
      '',
    ]);
  });
});

describe('quantize', () => {
  it('makes a model of a checkpoint, fitted to text, and tells what that costs, by file and by position', async () => {
    const f = folder();
    f.write('a', sampleText(30_000));
    await f.run(['train', 'a', ...few, '-o', 'm.sharnn']);
    const quantize = ['quantize', 'm.safetensors', '-o', 'q.sharnn'];
    expect((await f.run(quantize)).stderr).toBe(
      'shacomp: quantize fits the rounding to text like that the model is for: --calibrate FILE\n',
    );
    const fitted = await f.run([...quantize, '--calibrate', 'a', '--name', 'mine', '--bits', '8', '-v']);
    expect(fitted).toMatchObject({ code: 0 });
    expect(fitted.stderr).toMatch(/^q\.sharnn : .*\n {4}to byte 512: /m);
    expect(fitted.stderr).toMatch(/^quantized: .* a loss of -?\d/m);
    expect((await f.run(['info', 'q.sharnn'])).stdout.toString()).toMatch(/^ {2}model +mine$/m);
    expect((await f.run([...quantize, '--calibrate', 'a'])).stderr).toBe(
      'shacomp: q.sharnn: already exists; use -f to overwrite it\n',
    );
    const two = await f.run([...quantize, '-f', '--calibrate', 'a', '--calibrate', 'm.safetensors']);
    expect(two.stderr).toMatch(/^ {2}a: .* a loss of .*\n {2}m\.safetensors: .*\nquantized: /m);
  });

  it('refuses what is no checkpoint', async () => {
    const f = folder();
    f.write('x.safetensors', 'not one');
    f.write('a', sampleText(30_000));
    const run = await f.run(['quantize', 'x.safetensors', '-o', 'q.sharnn', '--calibrate', 'a']);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/^shacomp: x\.safetensors: not a usable safetensors file: .*\n$/);
    expect(f.list()).toEqual(['a', 'x.safetensors']);
    expect((await f.run(['quantize', '-o', 'q.sharnn'])).stderr).toContain(
      "missing required argument 'checkpoint'",
    );
  });
});
