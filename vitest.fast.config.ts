/** @file `npm run test:fast`: unit tests alone, for the time between two edits. `npm test` runs all. */
import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const root = fileURLToPath(new URL('.', import.meta.url));

/** A second of a processor each, or more: they compute on every engine, train, compile, or install. */
const SLOW = [
  'api-docs',
  'browser-library',
  'cli/removal',
  'codec/block/modes',
  'codec/block/payload-end',
  'codec/container/corruption',
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
  'engines/wasm/memory',
  'engines/webgpu/conformance',
  'engines/webgpu/golden',
  'engines/webgpu/streams',
  'model/hostile-models',
  'model/packed',
  'node/auto',
  'node/models',
  'node/passing-failures',
  'node/webgpu',
  'package',
  'sizes',
  'trainer/data',
  'trainer/dequantize',
  'trainer/float-reference',
  'trainer/gradients',
  'trainer/quantize',
  'trainer/runs',
  'trainer/torch-parity',
  'trainer/trainer',
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
