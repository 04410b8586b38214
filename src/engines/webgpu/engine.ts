/** @file The WebGPU engine: networks on a GPU, of Node's or of the browser's WebGPU. It only predicts. */
import { ShacompError } from '../../errors.js';
import { humanBytes } from '../../format-bytes.js';
import { InTurn } from '../../in-turn.js';
import { type Architecture, INITIAL_BYTE, SYMBOLS } from '../../model/architecture.js';
import type { Model } from '../../model/model.js';
import { type IntegerModel, modelImage } from '../../model/sharnn.js';
import { checkRun, checkStreams, networkClosed } from '../check.js';
import type { Engine, Predictor } from '../engine.js';
import { codesRight, computesRight } from '../self-check.js';
import { type Device, type DeviceOptions, type DeviceReport, gpuUnavailable, openDevice } from './device.js';
import { DECODED_STEPS, networkPlan, type PartPlan } from './layout.js';
import { NetworkPart, type Results } from './network.js';
import { allEnd, type CodingNetwork, streamKernels, usedCode } from './streams.js';

export interface WebGpuPredictor extends Predictor {
  open(model: Model, streams: number): CodingNetwork;
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
  const streams = streamKernels((network) => network instanceof WebGpuNetwork);
  try {
    if (!(await computesRight(open)) || !(await codesRight(open, streams)))
      throw gpuUnavailable(`${report.name} computes wrong numbers; another version of its driver may not`);
  } finally {
    shared.give();
  }
  return {
    name: 'webgpu',
    ...describeDevice(report),
    report,
    memory: (architecture, streams) => networkMemory(architecture, streams, report),
    open,
    streams,
    close: () => shared.close(),
  };
}

const kernelsOf = ({ dot, sharing }: DeviceReport) =>
  `${dot === 'plain' ? 'plain products' : dot}${sharing === 'together' ? ' in tiles' : ''}`;

/** What a device is, its kernels and its limits: in one line, and in parts. */
export function describeDevice(report: DeviceReport): Pick<Engine, 'detail' | 'facts'> {
  const { name, device, driver, software, matrices, maxBufferSize, maxStorageBufferBindingSize } = report;
  const unused = matrices.length > 0 ? `; subgroup matrices are there, unused: ${matrices.join(', ')}` : '';
  return {
    detail: [
      `${name}${software ? ' (software: slower than the CPU engines)' : ''}`,
      kernelsOf(report),
      `buffers up to ${humanBytes(maxStorageBufferBindingSize)}`,
    ].join(', '),
    facts: {
      device,
      driver,
      kernels: kernelsOf(report) + unused,
      software,
      limits: { maxStorageBufferBindingSize, maxBufferSize },
    },
  };
}

class WebGpuNetwork implements CodingNetwork {
  private readonly parts: Promise<{ device: Device; parts: NetworkPart[] }>;
  private closed = false;
  /** of a decoder: what the next step is fed, and the decoders' words, for each part */
  private fed: Uint8Array[] = [];
  private coders: Uint32Array[] = [];
  private readonly inTurn = new InTurn();

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
    this.inTurn
      .do(async () => {
        for (const part of (await this.parts).parts) part.reset();
      })
      .catch(() => {});
  }

  step(bytes: Uint8Array, frequencies: Uint32Array): Promise<void> {
    return this.run(bytes, 1, frequencies);
  }

  run(bytes: Uint8Array, steps: number, frequencies: Uint32Array): Promise<void> {
    if (this.closed) throw networkClosed();
    checkRun(this.streams, bytes, steps, frequencies);
    return this.inTurn.do(() => this.guarded((parts) => this.runParts(parts, bytes, steps, 0, frequencies)));
  }

  odds(rows: Uint8Array, steps: number, odds: Uint16Array): Promise<void> {
    if (this.closed) throw networkClosed();
    return this.inTurn.do(() => this.guarded((parts) => this.runParts(parts, rows, steps, 1, odds)));
  }

  startDecoding(codes: readonly Uint8Array[], symbols: readonly number[]): Promise<void> {
    if (this.closed) throw networkClosed();
    return this.inTurn.do(() =>
      this.guarded(async (parts) => {
        let first = 0;
        this.fed = [];
        this.coders = [];
        for (const part of parts) {
          const end = first + part.streams;
          await part.startDecoding(codes.slice(first, end), symbols.slice(first, end));
          this.fed.push(new Uint8Array(part.streams).fill(INITIAL_BYTE));
          first = end;
        }
      }),
    );
  }

  decode(steps: number): Promise<{ rows: Uint8Array; used: number }> {
    if (this.closed) throw networkClosed();
    const { streams } = this;
    return this.inTurn.do(() =>
      this.guarded(async (parts) => {
        const rows = new Uint8Array(steps * streams);
        let first = 0;
        for (const [i, part] of parts.entries()) {
          for (let t = 0; t < steps; t += DECODED_STEPS) {
            const count = Math.min(DECODED_STEPS, steps - t);
            const decoded = await part.decode(this.fed[i], count);
            for (let k = 0; k < count; k++) {
              const row = decoded.rows.subarray(k * part.streams, (k + 1) * part.streams);
              rows.set(row, (t + k) * streams + first);
              this.fed[i] = row;
            }
            this.coders[i] = decoded.coders;
          }
          first += part.streams;
        }
        return { rows, used: this.coders.reduce((sum, coders) => sum + usedCode(coders), 0) };
      }),
    );
  }

  ends(): Promise<boolean> {
    return this.inTurn.do(async () => this.coders.every(allEnd));
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.inTurn
      .do(async () => {
        const { parts } = await this.parts;
        for (const part of parts) part.close();
        this.shared.give();
      })
      .catch(() => {});
  }

  /** @throws ShacompError ERR_ENGINE_UNAVAILABLE if the device fails, ERR_MEMORY_LIMIT */
  private async guarded<T>(work: (parts: NetworkPart[]) => Promise<T>): Promise<T> {
    const { device, parts } = await this.parts;
    try {
      return await work(parts);
    } catch (error) {
      if (error instanceof ShacompError) throw error;
      const why = device.lost() ?? (error as Error).message.split('\n')[0];
      throw gpuUnavailable(`${device.report.name} failed: ${why}`, error);
    }
  }

  private async runParts(
    parts: NetworkPart[],
    rows: Uint8Array,
    steps: number,
    more: number,
    results: Results,
  ): Promise<void> {
    let first = 0;
    for (const part of parts) {
      await this.runPart(part, first, rows, steps, more, results);
      first += part.streams;
    }
  }

  /**
   * Streams `first` and so on: those of a part, which has steps of its own.
   * @param more rows behind those of the steps: 1 for probabilities, 0 for frequencies
   */
  private async runPart(
    part: NetworkPart,
    first: number,
    rows: Uint8Array,
    steps: number,
    more: number,
    results: Results,
  ): Promise<void> {
    const { streams } = this;
    const whole = part.streams === streams;
    /** numbers of a row's result */
    const size = results instanceof Uint16Array ? 8 : SYMBOLS;
    const own = results.slice(0, whole ? 0 : part.steps * part.streams * size);
    let reading: (() => Promise<void>) | undefined;
    for (let t = 0; t < steps; t += part.steps) {
      const count = Math.min(part.steps, steps - t);
      const input = new Uint8Array((count + more) * part.streams);
      for (let k = 0; k < count + more; k++) {
        const at = (t + k) * streams + first;
        input.set(rows.subarray(at, at + part.streams), k * part.streams);
      }
      const read = more > 0 ? part.submitOdds(input, count) : part.submit(input, count);
      await reading?.();
      reading = async () => {
        const length = count * part.streams * size;
        const at = (t * streams + first) * size;
        if (whole) return read(results.subarray(at, at + length));
        await read(own.subarray(0, length));
        for (let k = 0; k < count; k++)
          results.set(
            own.subarray(k * part.streams * size, (k + 1) * part.streams * size),
            at + k * streams * size,
          );
      };
    }
    await reading?.();
  }
}
