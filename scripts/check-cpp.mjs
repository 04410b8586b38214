#!/usr/bin/env node
/**
 * @file Says which C++ files clang-format would change: `npm run check:cpp`, and with `-- --write` formats
 * them.
 *
 * The style is .clang-format. What clang-format makes of it differs between versions, so exactly one is
 * taken; where it is not installed the check says so and succeeds.
 */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { listFiles } from './build-native.mjs';

const VERSION = '19';
const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** The first command that is clang-format of the right version. */
function findFormatter() {
  return [process.env.CLANG_FORMAT, `clang-format-${VERSION}`, 'clang-format']
    .filter(Boolean)
    .find((command) => {
      try {
        const version = execFileSync(command, ['--version'], { encoding: 'utf8', stdio: 'pipe' });
        return version.includes(`version ${VERSION}.`);
      } catch {
        return false;
      }
    });
}

const formatter = findFormatter();
if (!formatter) {
  console.log(`SKIPPED: no clang-format ${VERSION} here; the format of the C++ was not checked`);
} else {
  const files = ['cpp', 'test'].flatMap((folder) => listFiles(path.join(root, folder)));
  const sources = files.filter((file) => /\.(cc|h)$/.test(file));
  const mode = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '--Werror'];
  try {
    execFileSync(formatter, [...mode, ...sources], { stdio: 'inherit' });
    console.log(`${sources.length} C++ files are formatted`);
  } catch {
    console.log('format the C++ by: npm run check:cpp -- --write');
    process.exitCode = 1;
  }
}
