/** @file `npm run test:fast`: unit tests alone, for the time between two edits. `npm test` runs all. */
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('.', import.meta.url));

/** Seconds of a processor each, mostly because they compute on every engine, compile, or install. */
const SLOW = [
  'api-docs',
  'codec/block/modes',
  'codec/block/payload-end',
  'codec/event-loop',
  'codec/explain/explain',
  'codec/golden',
  'codec/repeats/repeats',
  'codec/roundtrip',
  'codec/side-by-side',
  'deno',
  'engines/engines',
  'engines/mixing',
  'engines/mixing-conformance',
  'engines/native/faults',
  'engines/native/kernels',
  'engines/native/pipeline',
  'engines/native/threads',
  'engines/presets',
  'engines/streams',
  'engines/tfjs/conformance-cpu',
  'engines/tfjs/conformance-wasm',
  'engines/tfjs/engine',
  'engines/webgpu/conformance',
  'engines/webgpu/golden',
  'engines/webgpu/streams',
  'model/hostile-models',
  'node/webgpu',
  'package',
  'sizes',
  'trainer/gradients',
  'trainer/quantize',
  'trainer/torch-parity',
].map((name) => `test/${name}.test.ts`);

/** Tests that start the command line's program say so by this import. */
const programs = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .filter((name) => readFileSync(join(root, 'test', name), 'utf8').includes('helpers/cli.js'))
  .map((name) => `test/${name}`);

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: [...SLOW, ...programs],
    env: { XDG_CACHE_HOME: '/dev/null/cache' },
    maxWorkers: availableParallelism(),
    // no globalSetup: dist/ is for programs
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
