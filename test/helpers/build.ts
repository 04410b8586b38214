/**
 * @file Runs before all tests: builds dist/ if it is older than src/, because the command line is tested as
 * built.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Time of the latest change below a folder; 0 if it is not there. */
function latest(folder: string): number {
  let time = 0;
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true }))
      if (entry.isFile()) time = Math.max(time, statSync(join(entry.parentPath, entry.name)).mtimeMs);
  } catch {
    // not built yet
  }
  return time;
}

export default function build(): void {
  if (latest(join(root, 'dist')) > latest(join(root, 'src'))) return;
  const { status, stdout, stderr } = spawnSync('npm', ['run', '--silent', 'build:ts'], {
    cwd: root,
    encoding: 'utf8',
    shell: process.platform === 'win32',
  });
  if (status === 0) return;
  // errors of types do not hinder: `npm run typecheck` finds them
  if (!existsSync(join(root, 'dist/cli/main.js')))
    throw new Error(`cannot build dist/ for the tests of the command line:\n${stdout}${stderr}`);
  console.warn(`dist/ was built with errors:\n${stdout}${stderr}`);
}
