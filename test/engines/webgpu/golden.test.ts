/** SHACOMP_TEST_GPU=all: it takes the software adapter most of a minute. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { lendMixing } from '../../../src/engines/list.js';
import { webgpuPredictor } from '../../../src/engines/webgpu/engine.js';
import { decompress } from '../../../src/index.js';
import { selectEngine } from '../../../src/node/engines.js';
import { testGpu } from '../../helpers/webgpu.js';

const fixtures = join(import.meta.dirname, '../../../fixtures');
const gpu = process.env.SHACOMP_TEST_GPU === 'all' ? await testGpu() : undefined;

it.skipIf(!gpu)(
  'the WebGPU engine decodes, or refuses, every golden file as the WebAssembly engine does',
  async () => {
    const cpu = await selectEngine('wasm');
    const device = await webgpuPredictor(gpu!);
    const engine = lendMixing(device, cpu);
    const model = readFileSync(join(fixtures, 'tiny.sharnn'));
    let decoded = 0;
    for (const name of readdirSync(join(fixtures, 'sha')).filter((file) => file.endsWith('.sha'))) {
      const file = readFileSync(join(fixtures, 'sha', name));
      const [got, expected] = await Promise.all(
        [engine, cpu].map((on) =>
          decompress(file, { model, engine: on }).then(
            (data) => Buffer.from(data).toString('hex'),
            ({ code }) => code,
          ),
        ),
      );
      expect([name, got]).toEqual([name, expected]);
      if (!expected.startsWith('ERR_')) decoded++;
    }
    expect(decoded).toBeGreaterThan(10);
    device.close();
  },
);
