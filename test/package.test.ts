import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nativeAddonPath } from '../src/engines/native/addon.js';

const root = path.dirname(import.meta.dirname);
const TEXT =
  'The package is installed as a user would install it, and a sentence comes back as it was.\n'.repeat(20);

describe('the published package', () => {
  let folder: string;
  let listed: { files: { path: string }[]; size: number; filename: string };

  /** Runs the installed program in the user's folder. */
  const shacomp = (args: string[], env: Record<string, string> = {}) =>
    execFileSync(path.join(folder, 'node_modules/.bin/shacomp'), args, {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });

  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'shacomp-package-'));
    const npm = (...args: string[]) =>
      execFileSync('npm', args, { cwd: folder, encoding: 'utf8', stdio: 'pipe' });
    [listed] = JSON.parse(npm('pack', root, '--ignore-scripts', '--json'));
    writeFileSync(path.join(folder, 'package.json'), '{ "name": "user", "private": true }');
    npm('install', `./${listed.filename}`, '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund');
    writeFileSync(path.join(folder, 'text'), TEXT);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('has nothing that runs or compiles at install time', () => {
    const { scripts } = JSON.parse(
      readFileSync(path.join(folder, 'node_modules/shacomp/package.json'), 'utf8'),
    );
    for (const name of ['preinstall', 'install', 'postinstall']) expect(scripts).not.toHaveProperty(name);
    expect(listed.files.map((f) => f.path)).not.toContain('binding.gyp');
  });

  it('contains the program, the WebAssembly engine and the default model, and stays small', () => {
    const paths = listed.files.map((f) => f.path);
    expect(paths).toEqual(
      expect.arrayContaining([
        'bin/shacomp.js',
        'dist/index.js',
        'dist/index.d.ts',
        'dist/engines/wasm/shacomp.wasm',
        'dist/engines/wasm/shacomp.relaxed.wasm',
        'dist/train.js',
        'dist/train.d.ts',
        'man/shacomp.1',
        'models/lite.sharnn',
        'models/base.sharnn',
      ]),
    );
    expect(
      paths.filter((p) => /^(test|src|cpp|fixtures|training|build|scripts)\/|safetensors$/.test(p)),
    ).toEqual([]);
    // the models are 8.7 MB, a platform's addon compresses to some 300 KB
    expect(listed.size).toBeLessThan(10e6);
  });

  it.each(['wasm', 'auto'])('compresses and decompresses with the %s engine', (engine) => {
    shacomp(['compress', '-f', 'text'], { SHACOMP_ENGINE: engine });
    expect(readFileSync(path.join(folder, 'text.sha')).length).toBeLessThan(TEXT.length / 4);
    const decoded = shacomp(['decompress', '-c', 'text.sha'], { SHACOMP_ENGINE: engine });
    expect(decoded.toString()).toBe(TEXT);
  });

  it('runs the native engine from its prebuild where this machine built one', (context) => {
    const name = path.relative(root, nativeAddonPath());
    if (!existsSync(path.join(root, name))) context.skip('no native addon was built here');
    expect(listed.files.map((f) => f.path)).toContain(name);
    shacomp(['compress', '-f', 'text'], { SHACOMP_ENGINE: 'native' });
    expect(shacomp(['-dc', 'text.sha'], { SHACOMP_ENGINE: 'native' }).toString()).toBe(TEXT);
  });

  it('works as a library, with types', () => {
    writeFileSync(
      path.join(folder, 'use.mjs'),
      `import { compress, decompress } from 'shacomp';
       const text = new TextEncoder().encode('a library call, a library call');
       const back = await decompress(await compress(text));
       process.stdout.write(new TextDecoder().decode(back));`,
    );
    expect(execFileSync('node', ['use.mjs'], { cwd: folder }).toString()).toBe(
      'a library call, a library call',
    );
  });
});
