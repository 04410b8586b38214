/** @file docs/api.md: its examples run as a user's programs do, with the built package under its own name. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CODED_FORMATS } from '../src/codec/container/format.js';
import { ERROR_CODES } from '../src/errors.js';

const root = resolve(import.meta.dirname, '..');
const page = readFileSync(join(root, 'docs/api.md'), 'utf8');

/** By the heading that they stand under. */
const examples = page
  .split(/^## /m)
  .slice(1)
  .flatMap((section) => {
    const heading = section.slice(0, section.indexOf('\n'));
    const blocks = [...section.matchAll(/^```js\n([\s\S]*?)^```$/gm)];
    return blocks.map(([, code], i): [string, string] => [`${heading}, example ${i + 1}`, code]);
  });

/** What an example says it prints: comments behind console.log. */
const promised = (code: string) =>
  [...code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, text]) => text);

const { SHACOMP_MODELS, SHACOMP_ENGINE, ...env } = process.env;

describe('docs/api.md', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'shacomp-examples-'));
    mkdirSync(join(folder, 'node_modules/@types'), { recursive: true });
    symlinkSync(root, join(folder, 'node_modules/shacomp'), 'junction');
    symlinkSync(join(root, 'node_modules/@types/node'), join(folder, 'node_modules/@types/node'), 'junction');
    writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }');
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(examples)('%s prints what it says', (name, code) => {
    const file = join(folder, `${name.replaceAll(/\W+/g, '-')}.mjs`);
    writeFileSync(file, code);
    const printed = execFileSync(process.execPath, [file], { cwd: folder, env, encoding: 'utf8' }).split(
      '\n',
    );
    // the lines in their order; others, which differ from machine to machine, may lie between
    let at = -1;
    for (const line of promised(code)) {
      at = printed.indexOf(line, at + 1);
      expect(`${line}: ${at < 0 ? `not in ${printed.join(' / ')}` : 'printed'}`).toBe(`${line}: printed`);
    }
  });

  it('has examples that keep to the declared types, and a model that hides its weights', () => {
    const files = examples.map(([, code], i) => {
      writeFileSync(join(folder, `example${i}.mts`), code);
      return `example${i}.mts`;
    });
    writeFileSync(
      join(folder, 'opaque.mts'),
      `import { compress, loadModel, type ErrorCode, type Model } from 'shacomp';
       const model: Model = await loadModel();
       // @ts-expect-error
       model.layers;
       // @ts-expect-error
       model.bytes;
       // @ts-expect-error
       await compress(new Uint8Array(1), { model: { name: 'a', architecture: model.architecture, id: model.id } });
       const packed: Uint8Array<ArrayBuffer> = await compress(new Uint8Array(1), { model });
       const code: ErrorCode = 'ERR_CORRUPT';
       // @ts-expect-error
       const none: ErrorCode = 'ERR_NONE';
       export { code, none, packed };`,
    );
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
    const tsc = join(root, 'node_modules/typescript/bin/tsc');
    const run = () =>
      execFileSync(process.execPath, [tsc, ...options, ...files, 'opaque.mts'], {
        cwd: folder,
        encoding: 'utf8',
        stdio: 'pipe',
      });
    let errors = '';
    try {
      run();
    } catch (error) {
      errors = (error as { stdout: string }).stdout;
    }
    expect(errors).toBe('');
  });

  it('runs something of every function that the package exports', async () => {
    const code = examples.map(([, text]) => text).join('\n');
    for (const entry of [await import('../src/index.js'), await import('../src/train.js')])
      for (const [name, value] of Object.entries(entry))
        if (typeof value === 'function' && name !== 'parameterCount') expect(code).toMatch(`${name}`);
  });

  it('has every error code with its meaning, and every mode', () => {
    for (const [code, meaning] of Object.entries(ERROR_CODES))
      expect(page).toContain(`| \`${code}\` | ${meaning} |`);
    const declarations = readFileSync(join(root, 'dist/errors.d.ts'), 'utf8');
    for (const [code, meaning] of Object.entries(ERROR_CODES))
      expect(declarations).toMatch(new RegExp(`${code}: ['"]${meaning}['"]`));
    for (const { name } of CODED_FORMATS) expect(page).toContain(`\`${name}\``);
  });
});
