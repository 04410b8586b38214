/**
 * @file The WebGPU engine in Node: npm's `webgpu`, in a process of its own that does nothing else. Where that
 * process or its device ends, the CPU carries on with the same bytes.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { setImmediate as turn } from 'node:timers/promises';
import { decodeSymbol, symbolOdds } from '../codec/block/network-coder.js';
import { checkRun, checkStreams, networkClosed } from '../engines/check.js';
import type { Engine, Network } from '../engines/engine.js';
import { type Description, lendMixing } from '../engines/list.js';
import { type DeviceReport, gpuUnavailable } from '../engines/webgpu/device.js';
import { describeDevice, networkMemory } from '../engines/webgpu/engine.js';
import { type CodingNetwork, streamKernels } from '../engines/webgpu/streams.js';
import { type ErrorCode, ShacompError } from '../errors.js';
import { InTurn } from '../in-turn.js';
import { INITIAL_BYTE, SYMBOLS } from '../model/architecture.js';
import { encodeModel, type IntegerModel, modelImage } from '../model/sharnn.js';
import { RangeDecoder } from '../range-coder.js';

/** What the process is asked. Networks and models go by numbers that the asking side gives them. */
export type ToGpu =
  /** gives the DeviceReport of the adapter, without a device */
  | { ask: 'describe' }
  /** gives the DeviceReport of a device that computes right */
  | { ask: 'start' }
  | { ask: 'model'; model: number; file: Uint8Array }
  | { ask: 'open'; network: number; model: number; streams: number }
  /** gives steps x streams x 256 frequencies */
  | { ask: 'run'; network: number; bytes: Uint8Array; steps: number }
  /** gives steps x streams x 8 probabilities; `rows` are one more than the steps */
  | { ask: 'odds'; network: number; rows: Uint8Array; steps: number }
  | { ask: 'startDecoding'; network: number; codes: readonly Uint8Array[]; symbols: readonly number[] }
  /** gives what `CodingNetwork.decode` gives */
  | { ask: 'decode'; network: number; steps: number }
  /** gives a boolean; of a decoder */
  | { ask: 'ends'; network: number }
  | { ask: 'reset' | 'close'; network: number };

/** Its answer. */
export type FromGpu = { id: number } & (
  | { value: unknown }
  | { error: { code?: ErrorCode; message: string } }
);

const PROCESS = new URL('./webgpu-process.js', import.meta.url);
/** How long the process is kept when nothing is open in it, in ms: the next block may want it. */
const KEPT = 1000;
/** Most frequencies of a portion when the CPU catches up. */
const PORTION = 2 ** 20;

/** A process that has the GPU. It holds Node up only while it is asked something. */
class GpuProcess {
  /** Why it can be asked no more. */
  ended: string | undefined;
  readonly models = new WeakMap<IntegerModel, number>();
  private readonly child: ChildProcess;
  private readonly waiting = new Map<
    number,
    { resolve(value: unknown): void; reject(error: unknown): void }
  >();
  private asked = 0;

  constructor(entry: URL) {
    this.child = fork(entry, {
      serialization: 'advanced',
      execArgv: [],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    this.child.on('message', (answer: FromGpu) => {
      const { resolve, reject } = this.waiting.get(answer.id) ?? {};
      this.waiting.delete(answer.id);
      this.hold();
      if ('value' in answer) resolve?.(answer.value);
      else reject?.(new ShacompError(answer.error.code ?? 'ERR_ENGINE_UNAVAILABLE', answer.error.message));
    });
    this.child.on('exit', (code, signal) =>
      this.end(`its process ended with ${signal ?? `exit code ${code}`}`),
    );
    this.child.on('error', (error) => this.end(`its process does not start: ${error.message}`));
    this.hold();
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** @throws ShacompError of the process; ERR_ENGINE_UNAVAILABLE if it ends */
  ask<T = void>(message: ToGpu): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.ended) return reject(gpuUnavailable(this.ended));
      const id = this.asked++;
      this.waiting.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.hold();
      this.child.send({ id, ...message }, (error) => {
        if (error) this.end(`its process does not answer: ${error.message}`);
      });
    });
  }

  close(): void {
    this.ended ??= 'its process was closed';
    if (this.child.connected) this.child.disconnect();
  }

  private hold(): void {
    const method = this.waiting.size > 0 ? 'ref' : 'unref';
    this.child[method]();
    this.child.channel?.[method]();
  }

  private end(why: string): void {
    this.ended ??= why;
    const waiting = [...this.waiting.values()];
    this.waiting.clear();
    this.hold();
    for (const { reject } of waiting) reject(gpuUnavailable(this.ended));
  }
}

/** The process, as long as something is open in it, and whether to use it at all. */
class GpuHost {
  /** Why the GPU is used no more. */
  failed: string | undefined;
  private process: GpuProcess | undefined;
  private users = 0;
  private end: NodeJS.Timeout | undefined;

  constructor(private readonly entry: URL) {}

  get pid(): number | undefined {
    return this.process?.pid;
  }

  take(): GpuProcess {
    clearTimeout(this.end);
    this.users++;
    if (this.process?.ended) this.process = undefined;
    this.process ??= new GpuProcess(this.entry);
    return this.process;
  }

  give(): void {
    if (--this.users > 0) return;
    this.end = setTimeout(() => this.close(), KEPT).unref();
  }

  close(): void {
    this.process?.close();
    this.process = undefined;
  }
}

export interface WebGpuOptions {
  /** What gets a line if the CPU carries on; default: a warning of the process. */
  onFallback?: (line: string) => void;
  /** The program of the process with the GPU. */
  entry?: URL;
}

export interface WebGpuEngine extends Engine {
  /** Of the process with the GPU, while there is one. */
  readonly pid: number | undefined;
}

/** What the adapter is, without a device. @throws ShacompError ERR_ENGINE_UNAVAILABLE */
export async function describeGpu({ entry = PROCESS }: WebGpuOptions = {}): Promise<Description> {
  const gpu = new GpuProcess(entry);
  try {
    return describeDevice(await gpu.ask<DeviceReport>({ ask: 'describe' }));
  } finally {
    gpu.close();
  }
}

/** Where lines go that tell of a GPU that ended. The command line has its own way. */
export const gpuMessages = {
  fallback: (line: string): void => process.emitWarning(line, 'ShacompWarning'),
};

/**
 * The engine. Its device has computed something right before this resolves.
 * @param lender mixes, and carries on if the GPU ends
 * @throws ShacompError ERR_ENGINE_UNAVAILABLE
 */
export async function webgpuEngine(lender: Engine, options: WebGpuOptions = {}): Promise<WebGpuEngine> {
  const { entry = PROCESS, onFallback = (line) => gpuMessages.fallback(line) } = options;
  const host = new GpuHost(entry);
  let report: DeviceReport;
  try {
    report = await host.take().ask<DeviceReport>({ ask: 'start' });
  } catch (error) {
    host.close();
    throw error;
  } finally {
    host.give();
  }
  const carryOn = (error: Error) =>
    onFallback(
      isFull(error)
        ? `the ${lender.name} engine carries on with what the GPU has no room for: ${error.message}`
        : `the GPU is not used any more, the ${lender.name} engine carries on: ${error.message}`,
    );
  const predictor = {
    name: 'webgpu',
    ...describeDevice(report),
    memory: (architecture: IntegerModel['architecture'], streams: number) =>
      networkMemory(architecture, streams, report),
    streams: streamKernels((network) => network instanceof GuardedNetwork),
    open: (model: IntegerModel, streams: number): Network => {
      modelImage(model); // only models that were parsed
      checkStreams(streams);
      networkMemory(model.architecture, streams, report);
      return new GuardedNetwork(host, lender, model, streams, carryOn);
    },
  };
  return {
    ...lendMixing(predictor, lender),
    get pid() {
      return host.pid;
    },
  };
}

let counter = 0;

/** Decodes a block on the CPU: where the GPU has decoded some of it already, from its start. */
class BlockDecoder {
  /** steps that the GPU has done */
  skipped = 0;
  private readonly coders: RangeDecoder[];
  private done = 0;
  private row: Uint8Array;

  constructor(
    codes: readonly Uint8Array[],
    private readonly symbols: readonly number[],
  ) {
    this.coders = codes.map((code) => new RangeDecoder(code));
    this.row = new Uint8Array(codes.length).fill(INITIAL_BYTE);
  }

  async decode(network: Network, steps: number): Promise<{ rows: Uint8Array; used: number }> {
    const streams = this.coders.length;
    const again = this.skipped;
    this.skipped = 0;
    if (again > 0) await this.decode(network, again);
    const rows = new Uint8Array(steps * streams);
    const frequencies = new Uint32Array(streams * SYMBOLS);
    for (let t = 0; t < steps; t++, this.done++) {
      await network.step(this.row, frequencies);
      this.row = rows.subarray(t * streams, (t + 1) * streams).fill(INITIAL_BYTE);
      this.coders.forEach((coder, k) => {
        if (this.done < this.symbols[k]) this.row[k] = decodeSymbol(coder, frequencies, k * SYMBOLS);
      });
      await turn();
    }
    const damaged = this.coders.some((coder) => coder.damaged);
    const used = this.coders.reduce((sum, { position }) => sum + position, 0);
    return { rows, used: damaged ? Number.POSITIVE_INFINITY : used };
  }

  async ends(network: Network): Promise<boolean> {
    await this.decode(network, 0);
    return this.coders.every((coder) => coder.ends());
  }
}

/** Whether one network finds no room, which does not mean that others find none. */
const isFull = (error: Error): boolean => error instanceof ShacompError && error.code === 'ERR_MEMORY_LIMIT';

/** A network in the process; on a CPU engine, from where it was, if that fails. */
class GuardedNetwork implements CodingNetwork {
  private readonly id = counter++;
  private gpu: GpuProcess | undefined;
  private opened: Promise<void>;
  private spare: Network | undefined;
  private closed = false;
  /** what was fed since the start or the last reset */
  private history: Uint8Array[] = [];
  /** what is decoded, from the cold state */
  private decoder: BlockDecoder | undefined;
  private readonly inTurn = new InTurn();

  constructor(
    private readonly host: GpuHost,
    private readonly lender: Engine,
    private readonly model: IntegerModel,
    readonly streams: number,
    private readonly carryOn: (error: Error) => void,
  ) {
    this.opened = host.failed ? Promise.resolve() : this.open();
    this.opened.catch(() => {});
    if (host.failed) this.spare = lender.open(model, streams);
  }

  reset(): void {
    if (this.closed) throw networkClosed();
    this.inTurn
      .do(async () => {
        this.history = [];
        this.decoder = undefined;
        if (this.spare) this.spare.reset();
        else await this.gpu?.ask({ ask: 'reset', network: this.id });
      })
      .catch(() => {});
  }

  step(bytes: Uint8Array, frequencies: Uint32Array): Promise<void> {
    return this.run(bytes, 1, frequencies);
  }

  run(bytes: Uint8Array, steps: number, frequencies: Uint32Array): Promise<void> {
    if (this.closed) throw networkClosed();
    checkRun(this.streams, bytes, steps, frequencies);
    const input = bytes.slice(0, steps * this.streams);
    return this.attempt(
      async (gpu) => {
        frequencies.set(await gpu.ask<Uint32Array>({ ask: 'run', network: this.id, bytes: input, steps }));
        this.history.push(input);
      },
      async (spare) => spare.run(input, steps, frequencies),
    );
  }

  odds(rows: Uint8Array, steps: number, odds: Uint16Array): Promise<void> {
    const { streams } = this;
    return this.attempt(
      async (gpu) => {
        odds.set(await gpu.ask<Uint16Array>({ ask: 'odds', network: this.id, rows, steps }));
        this.history.push(rows.slice(0, steps * streams));
      },
      async (spare) => {
        const frequencies = new Uint32Array(streams * SYMBOLS);
        for (let t = 0; t < steps; t++) {
          await spare.step(rows.subarray(t * streams), frequencies);
          for (let k = 0; k < streams; k++) {
            const at = (t * streams + k) * 8;
            symbolOdds(rows[(t + 1) * streams + k], frequencies, k * SYMBOLS, odds.subarray(at, at + 8));
          }
          await turn();
        }
      },
    );
  }

  startDecoding(codes: readonly Uint8Array[], symbols: readonly number[]): Promise<void> {
    return this.attempt(
      async (gpu) => {
        this.history = [];
        this.decoder = new BlockDecoder(codes, symbols);
        await gpu.ask({ ask: 'startDecoding', network: this.id, codes, symbols });
      },
      async (spare) => {
        spare.reset();
        this.decoder = new BlockDecoder(codes, symbols);
      },
    );
  }

  decode(steps: number): Promise<{ rows: Uint8Array; used: number }> {
    return this.attempt(
      async (gpu) => {
        const decoded = await gpu.ask<{ rows: Uint8Array; used: number }>({
          ask: 'decode',
          network: this.id,
          steps,
        });
        this.decoder!.skipped += steps;
        return decoded;
      },
      (spare) => this.decoder!.decode(spare, steps),
    );
  }

  ends(): Promise<boolean> {
    return this.attempt(
      (gpu) => gpu.ask<boolean>({ ask: 'ends', network: this.id }),
      (spare) => this.decoder!.ends(spare),
    );
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.inTurn
      .do(async () => {
        this.spare?.close();
        await this.leave();
      })
      .catch(() => {});
  }

  /**
   * Does something in turn: on the GPU, or if that fails on the CPU, which then goes on with all that comes.
   */
  private attempt<T>(
    onGpu: (gpu: GpuProcess) => Promise<T>,
    onCpu: (spare: Network) => Promise<T>,
  ): Promise<T> {
    if (this.closed) throw networkClosed();
    return this.inTurn.do(async () => {
      if (!this.spare) {
        try {
          await this.opened;
          return await onGpu(this.gpu!);
        } catch (error) {
          await this.catchUp(error as Error);
        }
      }
      return onCpu(this.spare!);
    });
  }

  private async open(): Promise<void> {
    const gpu = this.host.take();
    this.gpu = gpu;
    let model = gpu.models.get(this.model);
    if (model === undefined) {
      model = counter++;
      gpu.models.set(this.model, model);
      await gpu.ask({ ask: 'model', model, file: encodeModel(this.model) });
    }
    await gpu.ask({ ask: 'open', network: this.id, model, streams: this.streams });
  }

  private async leave(): Promise<void> {
    const { gpu } = this;
    this.gpu = undefined;
    if (!gpu) return;
    if (!gpu.ended) await gpu.ask({ ask: 'close', network: this.id }).catch(() => {});
    this.host.give();
  }

  /** Brings a network of the CPU to where this one was. */
  private async catchUp(error: Error): Promise<void> {
    if (!isFull(error)) this.host.failed ??= error.message;
    this.carryOn(error);
    await this.leave();
    const { streams } = this;
    const spare = this.lender.open(this.model, streams);
    const most = Math.max(1, Math.floor(PORTION / (streams * SYMBOLS)));
    const unread = new Uint32Array(most * streams * SYMBOLS);
    for (const bytes of this.history)
      for (let at = 0; at < bytes.length; at += most * streams) {
        const portion = bytes.subarray(at, at + most * streams);
        await spare.run(portion, portion.length / streams, unread);
        await turn();
      }
    this.history = [];
    this.spare = spare;
  }
}
