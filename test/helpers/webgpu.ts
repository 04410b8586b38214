/** @file WebGPU for tests and benchmarks: npm's package, on whatever adapter is there. */

/** A name that compilers do not look up: the package is optional. */
const PACKAGE: string = 'webgpu';
/** Node's package crashes if one is collected while its devices are used. */
const kept: GPU[] = [];

/** Undefined without the package, or without an adapter. */
export async function testGpu(): Promise<GPU | undefined> {
  try {
    const { create } = (await import(PACKAGE)) as { create(options: string[]): GPU };
    const gpu = create([]);
    kept.push(gpu);
    return (await gpu.requestAdapter()) ? gpu : undefined;
  } catch {
    return undefined;
  }
}
