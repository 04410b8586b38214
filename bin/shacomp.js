#!/usr/bin/env node
/** @file The command `shacomp`; src/cli/main.ts is where it begins. */
let cli;
try {
  cli = await import('../dist/cli/main.js');
} catch (error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND' || process.env.SHACOMP_DEBUG) throw error;
  process.stderr.write('shacomp: it is not built, or incomplete; run "npm ci" in its folder\n');
  process.exit(1);
}
await cli.main(process.argv.slice(2));
