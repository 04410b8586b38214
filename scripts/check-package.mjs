#!/usr/bin/env node
/**
 * @file Packs the package as npm would publish it and has it judged: publint (what package.json says is there
 * and is what it says) and Are The Types Wrong (declarations are found from ESM and by bundlers; this package
 * is ESM alone). Needs a build, and no network.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'shacomp-pack-'));
const shell = process.platform === 'win32';
/** @throws if it fails, after it has said why */
const run = (command, args) => execFileSync(command, args, { cwd: root, stdio: 'inherit', shell });

try {
  const listed = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
    cwd: root,
    encoding: 'utf8',
    shell,
  });
  const file = join(folder, JSON.parse(listed)[0].filename);
  run('npx', ['--no-install', 'publint', 'run', '--strict', file]);
  run('npx', ['--no-install', 'attw', '--profile', 'esm-only', '--no-emoji', file]);
} catch (error) {
  console.error(`the package is not fit to be published: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
