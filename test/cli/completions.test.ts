import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { completions } from '../../src/cli/commands/completions.js';
import { COMMANDS } from '../../src/cli/commands.js';
import { manPage } from '../../src/cli/manual.js';
import { OPTIONS, type OptionSpec } from '../../src/cli/options.js';

const folder = mkdtempSync(join(tmpdir(), 'shacomp-shells-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const runs = (shell: string) => spawnSync(shell, ['-c', 'exit 0']).status === 0;
const script = (shell: string) => {
  const file = join(folder, `completions.${shell}`);
  writeFileSync(file, completions(shell, COMMANDS));
  return file;
};

/** What bash offers for the last of some words. */
function offered(...words: string[]): string[] {
  const set = `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}`;
  return execFileSync(
    'bash',
    ['-c', `source ${script('bash')}; ${set}; _shacomp; printf '%s\\n' "\${COMPREPLY[@]}"`],
    { cwd: folder, encoding: 'utf8' },
  )
    .split('\n')
    .filter(Boolean);
}

describe.skipIf(!runs('bash'))('completions for bash', () => {
  it('offer commands as the first word', () => {
    expect(offered('shacomp', 'de')).toEqual(['decompress']);
    expect(offered('shacomp', '')).toEqual(
      expect.arrayContaining(COMMANDS.map(({ name }) => name).filter(Boolean)),
    );
  });

  it.each(COMMANDS.filter(({ name }) => name !== '').map((spec) => [spec.name, spec] as const))(
    'offer the options of %s, all of them and no other',
    (name, spec) => {
      const flags = spec.options
        .map((option): OptionSpec => OPTIONS[option])
        .filter(({ hidden }) => !hidden)
        .flatMap((option) => option.flags.replace(/ <.*/, '').split(', '));
      expect(offered('shacomp', name, '-').sort()).toEqual([...flags, '-h', '--help'].sort());
    },
  );

  it('offer the values that an option takes, and shells', () => {
    expect(offered('shacomp', '--engine', '')).toEqual([
      'auto',
      'native',
      'wasm',
      'reference',
      'webgpu',
      'tfjs',
    ]);
    expect(offered('shacomp', 'train', '-p', 'li')).toEqual(['lite']);
    expect(offered('shacomp', 'completions', '')).toEqual(['bash', 'zsh', 'fish']);
    expect(offered('shacomp', 'help', 'tr')).toEqual(['train']);
  });

  it('leave names of files to the shell', () => {
    expect(offered('shacomp', 'compress', 'b')).toEqual([]);
    expect(offered('shacomp', '-o', 'c')).toEqual([]);
  });
});

describe.each(['zsh', 'fish'])('completions for %s', (shell) => {
  it.skipIf(!runs(shell))('are read without an error', () => {
    expect(spawnSync(shell, ['-n', script(shell)], { encoding: 'utf8' })).toMatchObject({
      status: 0,
      stderr: '',
    });
  });

  it('have every command and every option that is shown', () => {
    const text = completions(shell, COMMANDS);
    for (const { name, options } of COMMANDS) {
      expect(text).toContain(name);
      for (const option of options.map((o): OptionSpec => OPTIONS[o])) {
        if (option.hidden) continue;
        const long = /--([a-z-]+)/.exec(option.flags)![1];
        expect(text).toMatch(shell === 'fish' ? `-l ${long} ` : `--${long}`);
      }
    }
  });
});

it('an option takes the same values in every command: bash tells them by its name alone', () => {
  const values = new Map<string, string>();
  for (const option of Object.values<OptionSpec>(OPTIONS))
    for (const flag of option.flags.replace(/ <.*/, '').split(', ')) {
      const value = `${option.flags.includes('<')} ${option.choices}`;
      expect([flag, values.get(flag) ?? value]).toEqual([flag, value]);
      values.set(flag, value);
    }
});

describe('the man page', () => {
  const file = new URL('../../man/shacomp.1', import.meta.url);

  it('is the one that the options make (node scripts/cli-docs.mjs)', () => {
    expect(readFileSync(file, 'utf8')).toBe(manPage());
  });

  it.skipIf(spawnSync('groff', ['--version']).status !== 0)('is read by groff without a warning', () => {
    const { stderr, stdout } = spawnSync('groff', ['-man', '-ww', '-Tutf8', file.pathname], {
      encoding: 'utf8',
    });
    expect(stderr).toBe('');
    // bold is a letter printed twice
    expect(stdout.replaceAll(/.[\b]/g, '')).toContain('EXIT STATUS');
  });
});
