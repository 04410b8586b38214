/**
 * @file The environment variables: declared once, the same in the program, its help, its report and its page.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ENGINE_NAMES } from '../../src/node/engines.js';
import { ENVIRONMENT, environmentTable } from '../../src/node/env.js';
import { eachInFolder } from '../helpers/cli.js';

const root = resolve(import.meta.dirname, '../..');
const folder = eachInFolder();
const names: readonly string[] = ENVIRONMENT.map(({ name }) => name);

describe('the environment variables', () => {
  it('that the program names anywhere are all declared, and all that are declared are read', () => {
    const found = new Set<string>();
    for (const entry of readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })) {
      if (!entry.name.endsWith('.ts') || entry.name === 'env.ts') continue;
      const text = readFileSync(join(entry.parentPath, entry.name), 'utf8');
      for (const [name] of text.matchAll(/SHACOMP_[A-Z]+|NO_COLOR|XDG_[A-Z_]+/g)) found.add(name);
    }
    expect([...found].sort()).toEqual([...names].sort());
  });

  it('are those of docs/cli.md', () => {
    // `node scripts/cli-docs.mjs` writes it anew
    expect(readFileSync(join(root, 'docs/cli.md'), 'utf8')).toContain(`${environmentTable()}\n\n`);
    const engine = ENVIRONMENT.find((v) => v.name === 'SHACOMP_ENGINE');
    for (const name of ENGINE_NAMES) expect(engine!.more).toContain(`\`${name}\``);
  });

  it('are all in the help, in lines that fit a terminal', async () => {
    const help = (await folder().run(['--help'])).stdout.toString();
    for (const { name, meaning } of ENVIRONMENT) {
      const line = help.split('\n').find((text) => text.trimStart().startsWith(name));
      expect(line).toContain(meaning);
      expect(line!.length).toBeLessThanOrEqual(100);
    }
  });

  it('that are set are in the report of the installation', async () => {
    const f = folder();
    const env = { SHACOMP_ENGINE: 'wasm', SHACOMP_LEVEL: '', SHACOMP_THREADS: '' };
    const report = (await f.run(['info'], { env })).stdout.toString();
    expect(report).toMatch(/\nenvironment\n/);
    expect(report).toMatch(/^ {2}SHACOMP_ENGINE +wasm$/m);
    expect(report).not.toContain('SHACOMP_THREADS');
    const { environment } = JSON.parse((await f.run(['info', '--json'], { env })).stdout.toString());
    expect(Object.keys(environment)).toEqual(names);
    expect(environment).toMatchObject({ SHACOMP_ENGINE: 'wasm', SHACOMP_THREADS: null });
  });
});
