/** @file The command line on a terminal: what it asks, shows, and refuses to print. */
import { describe, expect, it } from 'vitest';
import { eachInFolder, hasTerminals } from '../helpers/cli.js';
import { sampleText } from '../helpers/letters-model.js';

const folder = eachInFolder();
const text = sampleText(3000);

// needs `script` of util-linux, which gives commands a pseudo-terminal
describe.skipIf(!hasTerminals)('on a terminal', () => {
  it('compressed bytes are not shown, unless -f insists; text is', async () => {
    const f = folder();
    f.write('a', text);
    for (const command of ['shacomp -c a', 'shacomp a -o -'])
      expect(await f.terminal(command)).toEqual({
        screen:
          'shacomp: a: compressed bytes are not written to a terminal; use -o FILE, or -f to force it\n',
        code: 1,
      });
    expect((await f.terminal('shacomp -cf a')).code).toBe(0);
    await f.run(['a']);
    expect(await f.terminal('shacomp -dc a.sha')).toEqual({ screen: text.toString(), code: 0 });
  });

  it('nothing is read from it', async () => {
    const f = folder();
    expect(await f.terminal('shacomp')).toEqual({
      screen: 'shacomp: no files were given; name some, or see shacomp --help\n',
      code: 1,
    });
    expect((await f.terminal('shacomp -d -')).screen).toContain('standard input: is a terminal');
  });

  it('it is asked before something is overwritten', async () => {
    const f = folder();
    f.write('a', text);
    f.write('a.sha', 'precious');
    const no = await f.terminal('shacomp a', 'n\n');
    expect(no.screen).toContain('shacomp: a.sha: already exists; overwrite it (y/n)? ');
    expect(no.screen).toContain('shacomp: a.sha: not overwritten\n');
    expect(no.code).toBe(2);
    expect(f.read('a.sha').toString()).toBe('precious');
    const yes = await f.terminal('shacomp a', 'y\n');
    expect(yes.code).toBe(0);
    expect(f.read('a.sha').length).toBeGreaterThan(100);
    expect((await f.terminal('shacomp a </dev/null')).screen).toContain('use -f to overwrite it');
  });

  it('Ctrl-C at the question ends the run', async () => {
    const f = folder();
    f.write('a', text);
    f.write('a.sha', 'precious');
    const run = await f.terminal('shacomp a', '\x03');
    expect(run.code).not.toBe(0);
    expect(f.read('a.sha').toString()).toBe('precious');
    expect(f.list()).toEqual(['a', 'a.sha']);
  });

  it('Ctrl-D at the question is a no', async () => {
    const f = folder();
    f.write('a', text);
    f.write('a.sha', 'precious');
    f.write('b', text);
    const run = await f.terminal('shacomp a b', '\x04');
    expect(run.screen).toMatch(/overwrite it \(y\/n\)\? .*\nshacomp: a\.sha: not overwritten\n/);
    expect(run.screen).toContain('b.sha');
    expect(run.code).toBe(2);
    expect(f.read('a.sha').toString()).toBe('precious');
  });

  it('without a cursor, it gets no escape sequences', async () => {
    const f = folder();
    f.write('long-enough.txt', Buffer.alloc(2 ** 19, sampleText(50_000)));
    for (const term of ['dumb', '']) {
      const run = await f.terminal(`TERM=${term} shacomp --no-verify -f long-enough.txt`);
      expect(run.code).toBe(0);
      expect(run.screen).toMatch(/^long-enough\.txt : .*\n$/);
    }
    const asked = await f.terminal('TERM=dumb shacomp --progress --no-verify -f long-enough.txt');
    expect(asked.screen).toContain('compressing long-enough.txt ');
    expect(asked.screen).not.toContain('\x1b');
    f.write('b', text);
    f.write('b.sha', 'precious');
    expect((await f.terminal('TERM=dumb shacomp b', 'n\n')).screen).not.toContain('\x1b');
  });

  it('it sees a progress bar with speed and time left, which goes away', async () => {
    const f = folder();
    f.write('long-enough.txt', sampleText(2 ** 20)); // without repeats, which would be copied
    const run = await f.terminal('shacomp --no-verify long-enough.txt');
    expect(run.code).toBe(0);
    expect(run.screen).toMatch(/compressing long-enough\.txt #*-* \d+% .* of 1\.0 MiB, .*\/s, \d:\d\d left/);
    const quiet = await f.terminal('shacomp -q --no-verify -f long-enough.txt');
    expect(quiet).toEqual({ screen: '', code: 0 });
  });
});
