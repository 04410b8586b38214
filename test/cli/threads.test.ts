/**
 * @file Threads of the command line: the same files whatever their number, an end that waits for none, holes.
 */
import { statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { eachInFolder } from '../helpers/cli.js';
import { sampleText } from '../helpers/letters-model.js';

const folder = eachInFolder();
const several = availableParallelism() > 1;
const BLOCKS = ['--block-size', '256K'];

it.each([['-1'], ['--mode=network-mixing-fast']])(
  '%s writes and reads the same file with any number',
  async (level) => {
    const text = sampleText(2 * 2 ** 18 + 5000);
    folder().write('a', text);
    for (const threads of [1, 2]) {
      const args = [level, ...BLOCKS, '-T', `${threads}`, 'a', '-o', `a${threads}.sha`];
      expect(await folder().run(args)).toMatchObject({ code: 0 });
      const back = await folder().run(['-d', '-c', '-T', `${3 - threads}`, `a${threads}.sha`]);
      expect(back.code).toBe(0);
      expect(Buffer.compare(back.stdout, text)).toBe(0);
    }
    expect(Buffer.compare(folder().read('a1.sha'), folder().read('a2.sha'))).toBe(0);
  },
);

it.runIf(several && process.platform !== 'win32')(
  'a signal ends a run with threads at once, and nothing is left',
  async () => {
    folder().write('a', sampleText(8 * 2 ** 18));
    const run = await folder().run(['-3', ...BLOCKS, '-T', '2', 'a'], {
      during: async (child) => {
        await wait(1500);
        child.kill('SIGTERM');
      },
    });
    expect(run.signal ?? run.code).not.toBe(0);
    expect(folder().list()).toEqual(['a']);
  },
);

it('zeros are decompressed to a hole or not, as is asked for', async () => {
  folder().write('zeros', new Uint8Array(2 ** 22));
  expect(await folder().run(['zeros'])).toMatchObject({ code: 0 });
  expect(folder().read('zeros.sha').length).toBeLessThan(100);
  expect(await folder().run(['-d', 'zeros.sha', '-o', 'holes'])).toMatchObject({ code: 0 });
  expect(await folder().run(['-d', '--no-sparse', 'zeros.sha', '-o', 'full'])).toMatchObject({ code: 0 });
  for (const name of ['holes', 'full'])
    expect(Buffer.compare(folder().read(name), folder().read('zeros'))).toBe(0);
  expect(statSync(folder().file('holes')).blocks).toBeLessThanOrEqual(statSync(folder().file('full')).blocks);
  expect(statSync(folder().file('holes')).mtimeMs).toBe(statSync(folder().file('full')).mtimeMs);
});
