/** @file A device of the platform's WebGPU, with the kernels compiled for it. */
import { engineUnavailable } from '../check.js';
import type { DotKernel } from './arithmetic.js';
import { tanhCubics } from './constants.js';
import { type Kernel, type KernelName, kernels, type Sharing, UNIFORMS } from './kernels.js';

/** Values of the specification: Node has no globals for them. */
export const USAGE = { MAP_READ: 1, COPY_SRC: 4, COPY_DST: 8, UNIFORM: 64, STORAGE: 128 } as const;
export const MAP_READ = 1;
const COMPUTE_STAGE = 4;

/** As {@link engineUnavailable}. */
export const gpuUnavailable = (why: string, cause?: unknown) => engineUnavailable('WebGPU', why, cause);

/** What a device is, for people and for choosing. */
export interface DeviceReport {
  /** vendor, architecture and description, as far as the platform tells them */
  name: string;
  /** vendor, architecture and the device's own name */
  device: string;
  /** as the driver calls itself; empty where it does not */
  driver: string;
  /** a processor that plays a GPU, not worth choosing */
  software: boolean;
  dot: DotKernel;
  sharing: Sharing;
  maxStorageBufferBindingSize: number;
  maxBufferSize: number;
  /** subgroup matrices of int8 with int32 sums that the adapter lists, "16x16x32" */
  matrices: readonly string[];
}

/** A device, its pipelines and what makes bind groups. */
export interface Device {
  readonly device: GPUDevice;
  /** What it came from: without a reference from here both are collected, and Node's package then crashes. */
  readonly origin: readonly unknown[];
  readonly report: DeviceReport;
  readonly pipelines: Readonly<Partial<Record<KernelName, GPUComputePipeline>>>;
  readonly uniforms: GPUBindGroupLayout;
  readonly tanh: GPUBuffer;
  readonly kernels: Readonly<Partial<Record<KernelName, Kernel>>>;
  /** Why it can no longer be used; undefined while it can. */
  readonly lost: () => string | undefined;
}

/** How a device is asked for. */
export interface DeviceOptions {
  /** default: the fastest that the platform has */
  dot?: DotKernel;
  /** default: `together`, on software adapters `alone` */
  sharing?: Sharing;
  /** Bytes of the largest buffer of a network; default: what the adapter allows. */
  largestBuffer?: number;
}

/** What adapters may say of themselves beyond the types of the platform. */
interface MoreInfo {
  isFallbackAdapter?: boolean;
  subgroupMatrixConfigs?: Iterable<{
    componentType: string;
    resultComponentType: string;
    M: number;
    N: number;
    K: number;
  }>;
}

const NAMELESS = 'a device that does not say its name';

function reportOf(
  gpu: GPU,
  adapter: GPUAdapter,
  { dot, sharing, largestBuffer = Number.POSITIVE_INFINITY }: DeviceOptions,
): DeviceReport {
  const info = adapter.info as GPUAdapterInfo & MoreInfo;
  const words = [info.vendor, info.architecture, info.description].filter((word) => word);
  const software =
    info.isFallbackAdapter === true || /swiftshader|llvmpipe|lavapipe|basic render/i.test(words.join(' '));
  const has = gpu.wgslLanguageFeatures?.has('packed_4x8_integer_dot_product') ?? false;
  return {
    name: words.join(' ') || NAMELESS,
    device: [info.vendor, info.architecture, info.device].filter(Boolean).join(' ') || NAMELESS,
    driver: info.description,
    software,
    sharing: sharing ?? (software ? 'alone' : 'together'),
    dot: dot ?? (has ? 'dot4I8Packed' : 'plain'),
    maxStorageBufferBindingSize: Math.min(adapter.limits.maxStorageBufferBindingSize, largestBuffer),
    maxBufferSize: Math.min(adapter.limits.maxBufferSize, largestBuffer),
    matrices: [...(info.subgroupMatrixConfigs ?? [])]
      .filter(
        ({ componentType, resultComponentType }) => componentType === 'i8' && resultComponentType === 'i32',
      )
      .map(({ M, N, K }) => `${M}x${N}x${K}`),
  };
}

/**
 * The adapter that the platform would choose, and what it says of itself. @throws ShacompError
 * ERR_ENGINE_UNAVAILABLE
 */
export async function findAdapter(
  gpu: GPU,
  options: DeviceOptions = {},
): Promise<{ adapter: GPUAdapter; report: DeviceReport }> {
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw gpuUnavailable('there is no graphics adapter that WebGPU can use');
  return { adapter, report: reportOf(gpu, adapter, options) };
}

/**
 * Asks for a device and compiles all kernels for it, at the same time.
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE
 */
export async function openDevice(gpu: GPU, options: DeviceOptions = {}): Promise<Device> {
  const { adapter, report } = await findAdapter(gpu, options);
  const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
  let device: GPUDevice;
  try {
    device = await adapter.requestDevice({ requiredLimits: { maxStorageBufferBindingSize, maxBufferSize } });
  } catch (error) {
    throw gpuUnavailable(`${report.name} gives no device: ${(error as Error).message.split('\n')[0]}`, error);
  }
  let lost: string | undefined;
  device.lost.then(({ reason, message }) => {
    lost = message.split('\n')[0] || reason || 'the device was lost';
  });
  try {
    return { device, origin: [gpu, adapter], report, lost: () => lost, ...(await compile(device, report)) };
  } catch (error) {
    device.destroy();
    throw gpuUnavailable(
      `${report.name} does not compile the kernels: ${(error as Error).message.split('\n')[0]}`,
      error,
    );
  }
}

async function compile(device: GPUDevice, { dot, sharing }: DeviceReport) {
  const uniforms = device.createBindGroupLayout({
    entries: [...Object.keys(UNIFORMS), 'tanh'].map((name, binding) => ({
      binding,
      visibility: COMPUTE_STAGE,
      buffer: { type: 'uniform', hasDynamicOffset: name === 'at' },
    })),
  });
  const all = kernels(dot, sharing);
  const compiled = await Promise.all(
    Object.entries(all).map(async ([name, { bindings, code }]) => {
      const storage = device.createBindGroupLayout({
        entries: bindings.map(({ write }, binding) => ({
          binding,
          visibility: COMPUTE_STAGE,
          buffer: { type: write ? 'storage' : 'read-only-storage' },
        })),
      });
      const pipeline = await device.createComputePipelineAsync({
        label: name,
        layout: device.createPipelineLayout({ bindGroupLayouts: [uniforms, storage] }),
        compute: { module: device.createShaderModule({ label: name, code }), entryPoint: 'main' },
      });
      return [name, pipeline] as const;
    }),
  );
  const tanh = device.createBuffer({ size: 256, usage: USAGE.UNIFORM | USAGE.COPY_DST });
  device.queue.writeBuffer(tanh, 0, tanhCubics());
  return {
    uniforms,
    tanh,
    kernels: all,
    pipelines: Object.fromEntries(compiled) as Device['pipelines'],
  };
}
