/** @file WebGPU for tests: npm's package on a software adapter, where there is one. */

import type { DotKernel } from '../../src/engines/webgpu/arithmetic.js';
import { type WebGpuPredictor, webgpuPredictor } from '../../src/engines/webgpu/engine.js';

export async function testGpu(): Promise<GPU | undefined> {
  try {
    const { create } = (await import('webgpu')) as { create(options: string[]): GPU };
    const gpu = create([]);
    return (await gpu.requestAdapter()) ? gpu : undefined;
  } catch {
    return undefined;
  }
}

export async function testPredictor(dot?: DotKernel): Promise<WebGpuPredictor | undefined> {
  const gpu = await testGpu();
  return gpu && webgpuPredictor(gpu, { dot });
}
