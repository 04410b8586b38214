import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { softwareGpuEnvironment } from './test/helpers/software-gpu.js';

// Node 20 has relaxed SIMD behind a flag, which later versions do not know.
const relaxed = Number(process.versions.node.split('.')[0]) < 21 ? ['--experimental-wasm-relaxed-simd'] : [];

// the processes that run the tests inherit it
Object.assign(process.env, softwareGpuEnvironment());

export default defineConfig({
  test: {
    execArgv: relaxed,
    include: ['test/**/*.test.ts'],
    // no test depends on what was measured on the machine, or leaves something there
    env: { XDG_CACHE_HOME: '/dev/null/cache' },
    globalSetup: ['test/helpers/build.ts'],
    // the default leaves a core free, which is half of a small machine
    maxWorkers: availableParallelism(),
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
