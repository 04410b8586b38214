/** @file The command line and signals: no partial files, an end that the shell sees, progress on request. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { eachInFolder, until } from '../helpers/cli.js';
import { sampleText } from '../helpers/letters-model.js';

const folder = eachInFolder();
const hasBash = ['bash', 'nohup'].every((name) => spawnSync(name, ['--version']).status === 0);
/** Long enough to be interrupted on any machine; what it says does not matter. */
const text = Buffer.alloc(2 ** 24, sampleText(50_000));

describe.skipIf(process.platform === 'win32')('signals', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    '%s removes the partial file and ends the run',
    async (signal) => {
      const f = folder();
      f.write('a', text);
      const run = await f.run(['a'], {
        async during(child) {
          await until(() => f.list().length > 1);
          expect(f.list()[0]).toMatch(/^\.shacomp-.*\.part$/);
          child.kill(signal);
        },
      });
      expect(run).toMatchObject({ code: null, signal, stderr: '' });
      expect(f.list()).toEqual(['a']);
    },
  );

  describe('a hangup that was to be ignored', () => {
    const hangup = 'until ls .*.part > /dev/null 2>&1; do sleep 0.05; done; kill -HUP $!; wait $!';

    it.runIf(process.platform === 'linux')('by the shell is ignored', async () => {
      const f = folder();
      f.write('a', text.subarray(0, 2 ** 19));
      expect((await f.shell(`shacomp a & ${hangup}`)).code).toBe(129);
      expect(f.list()).toEqual(['a']);
      expect((await f.shell(`trap '' HUP; shacomp a & ${hangup}`)).code).toBe(0);
      expect(f.list()).toEqual(['a', 'a.sha']);
    });

    it.runIf(hasBash)('by nohup is ignored', async () => {
      const f = folder();
      f.write('a', text.subarray(0, 2 ** 19));
      f.write('run.sh', `nohup "$@" > log 2>&1 & ${hangup}`);
      expect((await f.shell('bash run.sh shacomp a')).code).toBe(0);
      expect(f.list()).toEqual(['a', 'a.sha', 'log', 'run.sh']);
    });
  });

  it('an interrupted overwrite leaves what was there', async () => {
    const f = folder();
    f.write('a', text);
    f.write('a.sha', 'precious');
    const run = await f.run(['-f', '--rm', 'a'], {
      async during(child) {
        await until(() => f.list().length > 2);
        child.kill('SIGINT');
      },
    });
    expect(run.signal).toBe('SIGINT');
    expect(f.list()).toEqual(['a', 'a.sha']);
    expect(f.read('a.sha').toString()).toBe('precious');
  });

  it('SIGUSR1 asks for one line of progress', async () => {
    const f = folder();
    f.write('a', text);
    let told = '';
    const run = await f.run(['a'], {
      async during(child) {
        child.stderr?.on('data', (chunk) => {
          told += chunk;
        });
        await until(() => f.list().length > 1);
        child.kill('SIGUSR1');
        await until(() => told.includes('\n'));
        child.kill('SIGTERM');
      },
    });
    expect(told).toMatch(/^compressing a: \d+%, .* of 16\.0 MiB, .*\/s.*\n$/);
    expect(run.signal).toBe('SIGTERM');
  });

  it('a second file in line is not begun', async () => {
    const f = folder();
    f.write('a', text);
    f.write('b', 'short');
    const run = await f.run(['a', 'b'], {
      async during(child) {
        await until(() => f.list().length > 2);
        child.kill('SIGINT');
      },
    });
    expect(run.signal).toBe('SIGINT');
    expect(f.list()).toEqual(['a', 'b']);
  });

  it('the reference engine can be interrupted as well', async () => {
    const f = folder();
    f.write('a', sampleText(100_000));
    const run = await f.run(['-e', 'reference', '--mode', 'network', 'a'], {
      async during(child) {
        await until(() => f.list().length > 1);
        child.kill('SIGINT');
      },
    });
    expect(run.signal).toBe('SIGINT');
    expect(f.list()).toEqual(['a']);
  });
});
