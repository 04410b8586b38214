/**
 * @file The command line and names: those that are not UTF-8 are their files' own, and none of them commands
 * a terminal.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { losslessWords } from '../../src/cli/arguments.js';
import { printable, printableJson, printableLines } from '../../src/cli/terminal/printable.js';
import { decodeName, systemName } from '../../src/node/names.js';
import { eachInFolder, type Folder } from '../helpers/cli.js';
import { lettersModel, sampleText } from '../helpers/letters-model.js';

const folder = eachInFolder();
const linux = process.platform === 'linux';

/**
 * `x` and a byte that is no UTF-8, in hexadecimal as {@link names} gives it; and what Node.js makes of it.
 */
const LATIN = Buffer.from('78e9', 'hex');
const REPLACED = 'x\ufffd';
/** The same name as a word of a shell command. */
const WORD = `"$(printf 'x\\351')"`;

const bytePath = (f: Folder, name: Buffer) => Buffer.concat([Buffer.from(`${f.path}/`), name]);
const names = (f: Folder) =>
  readdirSync(f.path, 'buffer')
    .map((name) => name.toString('latin1'))
    .sort();

describe('names as strings', () => {
  it('lose nothing, whatever bytes they are', () => {
    for (const hex of [
      '61',
      'c3a9',
      'e9',
      '78e92e736861',
      'f09f9880',
      'f09f98',
      'eda080',
      'ff80c3',
      'efbfbd',
      'c0af',
    ]) {
      const bytes = Buffer.from(hex, 'hex');
      const back = systemName(decodeName(bytes));
      expect(Buffer.from(back as string).toString('hex')).toBe(hex);
    }
    expect(decodeName(Buffer.from('é😀'))).toBe('é😀');
    expect(systemName('é😀\ufffd')).toBe('é😀\ufffd');
  });

  it('are shown in one line without controls, bytes in hexadecimal', () => {
    expect(printable('a\x1b[31m\n\u202e\x9b')).toBe('a\\x1b[31m\\n\\u202e\\x9b');
    expect(printable(decodeName(LATIN))).toBe('x\\xe9');
    expect(printable('')).toBe("''");
    expect(printable('é😀 \\')).toBe('é😀 \\');
    expect(printableLines('one\ntwo\r')).toBe('one\ntwo\\r');
    const value = { file: 'a\x7f\u202e\x9b\n' };
    expect(printableJson(JSON.stringify(value))).toBe('{"file":"a\\u007f\\u202e\\u009b\\n"}');
    expect(JSON.parse(printableJson(JSON.stringify(value)))).toEqual(value);
  });

  it('whose bytes cannot be known are refused', () => {
    expect(losslessWords(['-d', 'é'])).toEqual(['-d', 'é']);
    // these words are not those of this process
    expect(() => losslessWords(['-d', REPLACED])).toThrow(/is no UTF-8 name/);
  });
});

// elsewhere file systems do not take such names, or the system does not tell them
describe.runIf(linux)('a name that is not UTF-8', () => {
  it('is compressed, removed and brought back, and no other file is touched', async () => {
    const f = folder();
    writeFileSync(bytePath(f, LATIN), 'AAAA wanted');
    f.write(REPLACED, 'BBBB not named');
    expect(await f.shell(`shacomp --rm ${WORD}`)).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^x\\xe9 : .*, x\\xe9\.sha\)\n$/),
    });
    const other = Buffer.from(REPLACED).toString('latin1');
    expect(names(f)).toEqual(['x\xe9.sha', other]);
    for (const words of ['-t', '-l', 'info', 'eval', 'bench --time 0.001s --only gzip'])
      expect((await f.shell(`shacomp ${words} ${WORD}.sha`)).code, words).toBe(0);
    expect((await f.shell(`shacomp -d --rm ${WORD}.sha`)).code).toBe(0);
    expect(names(f)).toEqual(['x\xe9', other]);
    expect(readFileSync(bytePath(f, LATIN)).toString()).toBe('AAAA wanted');
    expect(f.read(REPLACED).toString()).toBe('BBBB not named');
  });

  it('is not found where only the other file is', async () => {
    const f = folder();
    f.write(REPLACED, 'not named');
    expect(await f.shell(`shacomp --rm ${WORD}`)).toMatchObject({
      code: 1,
      stderr: 'shacomp: x\\xe9: no such file or directory\n',
    });
    // and this one, by its own name, is
    expect((await f.run(['--rm', REPLACED])).code).toBe(0);
    expect(f.list()).toEqual([`${REPLACED}.sha`]);
  });

  it('names an output, a folder of a walk, and text to train on', async () => {
    const f = folder();
    f.write('a', sampleText(500));
    expect((await f.shell(`shacomp a -o ${WORD}`)).code).toBe(0);
    expect((await f.shell(`shacomp a --output=${WORD}y`)).code).toBe(0);
    expect(names(f)).toEqual(['a', 'x\xe9', 'x\xe9y']);
    mkdirSync(bytePath(f, Buffer.concat([LATIN, LATIN])));
    writeFileSync(Buffer.concat([bytePath(f, LATIN), LATIN, Buffer.from('/'), LATIN]), sampleText(5000));
    expect((await f.shell(`shacomp -r .`)).stderr).toContain('x\\xe9x\\xe9/x\\xe9 : ');
    expect(
      existsSync(Buffer.concat([bytePath(f, LATIN), LATIN, Buffer.from('/'), LATIN, Buffer.from('.sha')])),
    ).toBe(true);
    const train = await f.shell(`shacomp train -p tiny --steps 2 --batch 2 ${WORD}${WORD} -o ${WORD}.sharnn`);
    expect(train).toMatchObject({ code: 0 });
    expect(names(f)).toContain('x\xe9.sharnn');
    expect(names(f)).toContain('x\xe9.safetensors');
  });

  it('names a model, by its path and where it is installed', async () => {
    const f = folder();
    f.write('a', sampleText(500));
    const elsewhere = Buffer.concat([LATIN, Buffer.from('.sharnn')]);
    writeFileSync(bytePath(f, elsewhere), lettersModel(2).bytes);
    f.write(`${REPLACED}.sharnn`, 'no model');
    for (const name of [`./${WORD}.sharnn`, WORD]) {
      const run = await f.shell(`SHACOMP_MODELS=. shacomp -f --mode network -m ${name} a`);
      expect(run).toMatchObject({ code: 0, stderr: expect.stringMatching(/^a : /) });
    }
    expect((await f.shell(`SHACOMP_MODELS=. shacomp -l a.sha`)).stdout.toString()).toContain('x\\xe9');
  });

  it('cannot be that of a folder of models: it is refused', async () => {
    const f = folder();
    f.write('a', sampleText(500));
    expect(await f.shell(`SHACOMP_MODELS=${WORD} shacomp a`)).toMatchObject({
      code: 1,
      stderr: 'shacomp: SHACOMP_MODELS: is not UTF-8; give the folders other names\n',
    });
  });
});

describe.runIf(process.platform !== 'win32')('control characters', () => {
  const evil = 'a\x1b[31m\x07\nb\u009b';
  const shown = 'a\\x1b[31m\\x07\\nb\\x9b';

  it('of names do not get out, in messages and in reports', async () => {
    const f = folder();
    f.write(evil, sampleText(500));
    // every control but the ends of lines
    const controls = /[^\P{Cc}\n]/u;
    for (const words of [
      [evil],
      [evil],
      ['-v', '-f', '--progress', evil],
      ['-l', `${evil}.sha`],
      ['-lv', `${evil}.sha`],
      ['-t', `${evil}.sha`],
      ['info', `${evil}.sha`],
      ['eval', evil],
      ['bench', '--time', '0.001s', '--only', 'gzip', evil],
      ['-m', evil, evil],
      ['-d', evil],
      ['--json', '-l', `${evil}.sha`],
      [`--${evil}`],
      ['--mode', evil],
    ]) {
      const run = await f.run(words);
      const said = run.stdout.toString() + run.stderr;
      expect(said, words.join(' ')).not.toMatch(controls);
      if (!words.includes('--json') && !words.includes('-m')) expect(said).toContain(shown.slice(0, 8));
    }
    const [{ file }] = JSON.parse((await f.run(['-l', '--json', `${evil}.sha`])).stdout.toString());
    expect(file).toBe(`${evil}.sha`);
  });

  it('of the names of models do not either', async () => {
    const f = folder();
    f.write('a', sampleText(5000));
    writeFileSync(`${f.models}/z\x1b[31m.sharnn`, lettersModel().bytes);
    const run = await f.run(['info']);
    expect(run.stdout.toString()).toContain('z\\x1b[31m');
    expect(run.stdout.toString()).not.toContain('\x1b');
  });
});
