/** @file The WebGPU engine: networks on a GPU, of Node's or of the browser's WebGPU. It only predicts. */
import { ShacompError } from '../../errors.js';
import { humanBytes } from '../../format-bytes.js';
import { type Architecture, SYMBOLS } from '../../model/architecture.js';
import { type IntegerModel, modelImage } from '../../model/sharnn.js';
import { checkRun, checkStreams, networkClosed } from '../check.js';
import type { Network, Predictor } from '../engine.js';
import { type Device, type DeviceOptions, type DeviceReport, gpuUnavailable, openDevice } from './device.js';
import { networkPlan, type PartPlan } from './layout.js';
import { NetworkPart } from './network.js';
import { computesRight } from './self-check.js';

export interface WebGpuPredictor extends Predictor {
  readonly report: DeviceReport;
  /** Gives the device back. Networks that are open fail. */
  close(): void;
}

/** How long a device is kept in which nothing is open: the next block may want it. In ms. */
const KEPT = 1000;

/** The device, as long as something is open in it. */
class SharedDevice {
  private device: Promise<Device> | undefined;
  private users = 0;
  private end: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly gpu: GPU,
    private readonly options: DeviceOptions,
  ) {}

  /** @throws ShacompError ERR_ENGINE_UNAVAILABLE */
  async take(): Promise<Device> {
    clearTimeout(this.end);
    this.users++;
    try {
      if ((await this.device)?.lost()) this.device = undefined;
      this.device ??= openDevice(this.gpu, this.options);
      return await this.device;
    } catch (error) {
      this.device = undefined;
      this.give();
      throw error;
    }
  }

  give(): void {
    if (--this.users > 0) return;
    this.end = setTimeout(() => this.close(), KEPT);
    (this.end as { unref?(): void }).unref?.();
  }

  close(): void {
    clearTimeout(this.end);
    const { device } = this;
    this.device = undefined;
    device?.then(
      ({ device }) => device.destroy(),
      () => {},
    );
  }
}

/** @throws ShacompError ERR_OPTIONS, ERR_MEMORY_LIMIT */
function plannedParts(architecture: Architecture, streams: number, report: DeviceReport): PartPlan[] {
  checkStreams(streams);
  const parts = networkPlan(architecture, streams, report);
  if (parts) return parts;
  throw new ShacompError('ERR_MEMORY_LIMIT', `${report.name} has no buffers as large as one stream needs`);
}

/** Bytes that a network takes on such a device. @throws ShacompError ERR_OPTIONS, ERR_MEMORY_LIMIT */
export const networkMemory = (architecture: Architecture, streams: number, report: DeviceReport): number =>
  plannedParts(architecture, streams, report).reduce((sum, { total }) => sum + total, 0);

/**
 * The WebGPU engine: predicts, and is lent a mixing coder.
 * @param gpu `navigator.gpu`, or what Node's package gives
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE without an adapter
 */
export async function webgpuPredictor(gpu: GPU, options: DeviceOptions = {}): Promise<WebGpuPredictor> {
  const shared = new SharedDevice(gpu, options);
  const { report } = await shared.take();
  const plan = (architecture: Architecture, streams: number) => plannedParts(architecture, streams, report);
  const open = (model: IntegerModel, streams: number) => {
    modelImage(model); // only models that were parsed
    return new WebGpuNetwork(shared, model, streams, plan(model.architecture, streams));
  };
  try {
    if (!(await computesRight(open)))
      throw gpuUnavailable(`${report.name} computes wrong numbers; another version of its driver may not`);
  } finally {
    shared.give();
  }
  return {
    name: 'webgpu',
    detail: describeDevice(report),
    report,
    memory: (architecture, streams) => networkMemory(architecture, streams, report),
    open,
    close: () => shared.close(),
  };
}

/** What a device is, its kernels and its limits, in one line. */
export const describeDevice = ({ name, software, dot, sharing, maxStorageBufferBindingSize }: DeviceReport) =>
  [
    `${name}${software ? ' (software: slower than the CPU engines)' : ''}`,
    `${dot === 'plain' ? 'plain products' : dot}${sharing === 'together' ? ' in tiles' : ''}`,
    `buffers up to ${humanBytes(maxStorageBufferBindingSize)}`,
  ].join(', ');

class WebGpuNetwork implements Network {
  private readonly parts: Promise<{ device: Device; parts: NetworkPart[] }>;
  private closed = false;
  /** what was asked last: requests are done one after the other */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly shared: SharedDevice,
    model: IntegerModel,
    readonly streams: number,
    plans: readonly PartPlan[],
  ) {
    this.parts = shared.take().then(async (device) => {
      const parts: NetworkPart[] = [];
      try {
        for (const plan of plans) parts.push(await NetworkPart.open(device, model, plan));
        return { device, parts };
      } catch (error) {
        for (const part of parts) part.close();
        shared.give();
        throw error;
      }
    });
    // told to whoever runs it
    this.parts.catch(() => {});
  }

  reset(): void {
    if (this.closed) throw networkClosed();
    this.later(async () => {
      for (const part of (await this.parts).parts) part.reset();
    }).catch(() => {});
  }

  step(bytes: Uint8Array, frequencies: Uint32Array): Promise<void> {
    return this.run(bytes, 1, frequencies);
  }

  run(bytes: Uint8Array, steps: number, frequencies: Uint32Array): Promise<void> {
    if (this.closed) throw networkClosed();
    checkRun(this.streams, bytes, steps, frequencies);
    return this.later(() => this.runSteps(bytes, steps, frequencies));
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.later(async () => {
      const { parts } = await this.parts;
      for (const part of parts) part.close();
      this.shared.give();
    }).catch(() => {});
  }

  private later<T>(work: () => Promise<T>): Promise<T> {
    const done = this.last.then(work, work);
    this.last = done;
    return done;
  }

  private async runSteps(bytes: Uint8Array, steps: number, frequencies: Uint32Array): Promise<void> {
    const { device, parts } = await this.parts;
    try {
      let first = 0;
      for (const part of parts) {
        await this.runPart(part, first, bytes, steps, frequencies);
        first += part.streams;
      }
    } catch (error) {
      const why = device.lost() ?? (error as Error).message.split('\n')[0];
      throw gpuUnavailable(`${device.report.name} failed: ${why}`, error);
    }
  }

  /** Streams `first` and so on: those of a part, which has steps of its own. */
  private async runPart(
    part: NetworkPart,
    first: number,
    bytes: Uint8Array,
    steps: number,
    frequencies: Uint32Array,
  ): Promise<void> {
    const { streams } = this;
    const whole = part.streams === streams;
    const rows = new Uint32Array(whole ? 0 : part.steps * part.streams * SYMBOLS);
    let reading: (() => Promise<void>) | undefined;
    for (let t = 0; t < steps; t += part.steps) {
      const count = Math.min(part.steps, steps - t);
      const input = new Uint8Array(count * part.streams);
      for (let k = 0; k < count; k++) {
        const at = (t + k) * streams + first;
        input.set(bytes.subarray(at, at + part.streams), k * part.streams);
      }
      const read = part.submit(input, count);
      await reading?.();
      reading = async () => {
        const length = count * part.streams * SYMBOLS;
        const at = (t * streams + first) * SYMBOLS;
        if (whole) return read(frequencies.subarray(at, at + length));
        await read(rows.subarray(0, length));
        for (let k = 0; k < count; k++)
          frequencies.set(
            rows.subarray(k * part.streams * SYMBOLS, (k + 1) * part.streams * SYMBOLS),
            at + k * streams * SYMBOLS,
          );
      };
    }
    await reading?.();
  }
}
