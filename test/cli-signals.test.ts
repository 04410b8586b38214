/** @file The command line and signals: no partial files, an end that the shell sees, progress on request. */
import { describe, expect, it } from 'vitest';
import { eachInFolder, until } from './helpers/cli.js';
import { sampleText } from './helpers/letters-model.js';

const folder = eachInFolder();
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
