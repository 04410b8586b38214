/** @file A network on a device: its state, its command lists, and how results come back. */
import { SYMBOLS } from '../../model/architecture.js';
import type { IntegerModel } from '../../model/sharnn.js';
import { type Device, MAP_READ, USAGE } from './device.js';
import {
  type KernelName,
  type NormName,
  type ProductKernel,
  type ProductName,
  ROWS_OF,
  TILES,
  WEIGHTED_WORDS,
} from './kernels.js';
import { type BufferName, CHUNK, type PartPlan } from './layout.js';
import {
  bindGroup,
  type ModelBuffers,
  modelBuffers,
  shapeWords,
  uniformWords,
  uploaded,
  withinMemory,
} from './model-buffers.js';

/** Bytes between two entries of the uniform `at`: no device wants more. */
const AT_STRIDE = 256;
/** Rows from which tiles pay. */
const TILED_ROWS = 8;
/** Submits whose results are awaited at the same time. */
const IN_FLIGHT = 2;

const { STORAGE, UNIFORM, COPY_DST, COPY_SRC } = USAGE;

/** Buffers of which every layer has its own. */
const OF_LAYERS: readonly BufferName[] = ['cell', 'hidden8', 'memory'];

/** Whether it is called a layer's or the network's own, the buffer that a binding of that name stands for. */
type Buffers = Partial<Record<string, GPUBuffer>>;

/** Some streams of a network, whose buffers the device can have. */
export class NetworkPart {
  private position = 0;
  private turn = 0;
  private readonly all: GPUBuffer[] = [];
  private readonly own: Buffers = {};
  private readonly layers: Buffers[];
  private readonly staging: GPUBuffer[] = [];
  private readonly run: GPUBuffer;
  private readonly uniforms: GPUBindGroup;
  private readonly groups = new Map<string, GPUBindGroup>();

  /** @throws ShacompError ERR_MEMORY_LIMIT */
  static async open(device: Device, model: IntegerModel, plan: PartPlan): Promise<NetworkPart> {
    const weights = await modelBuffers(device, model);
    const what = `a network of ${plan.streams} streams (${Math.ceil(plan.total / 2 ** 20)} MiB)`;
    return withinMemory(device, what, () => new NetworkPart(device, model, weights, plan));
  }

  private constructor(
    private readonly on: Device,
    private readonly model: IntegerModel,
    weights: ModelBuffers,
    private readonly plan: PartPlan,
  ) {
    const { device } = on;
    const { bytes, streams, steps, capacity } = plan;
    const buffer = (size: number, usage: number = STORAGE) => this.kept(device.createBuffer({ size, usage }));
    for (const name of Object.keys(bytes) as BufferName[])
      if (!OF_LAYERS.includes(name) && name !== 'staging')
        this.own[name] = buffer(bytes[name], STORAGE | COPY_DST | COPY_SRC);
    for (let i = 0; i < IN_FLIGHT; i++)
      this.staging.push(buffer(bytes.staging / IN_FLIGHT, MAP_READ | COPY_DST));
    this.layers = model.layers.map((layer, l) => ({
      ...weights.layers[l],
      cell: buffer(bytes.cell),
      hidden8: buffer(bytes.hidden8),
      ...(layer.attention && { memory: buffer(bytes.memory) }),
      ...(l === 0 && { inputGates: weights.gates }),
    }));
    this.layers.push(weights.output as unknown as Buffers);

    const at = new Uint32Array((steps * AT_STRIDE) / 4);
    for (let t = 0; t < steps; t++)
      at.set(uniformWords('at', { step: t, row: t * streams }), (t * AT_STRIDE) / 4);
    const shape = this.kept(uploaded(device, shapeWords(model, streams, capacity, steps), UNIFORM));
    this.run = this.kept(uploaded(device, this.runWords(1), UNIFORM));
    const steady = this.kept(uploaded(device, at, UNIFORM));
    this.uniforms = bindGroup(device, on.uniforms, [shape, this.run, steady, on.tanh], { 2: 16 });
  }

  get streams(): number {
    return this.plan.streams;
  }

  /** Most steps of one {@link submit}. */
  get steps(): number {
    return this.plan.steps;
  }

  reset(): void {
    this.position = 0;
  }

  /**
   * Starts `steps` steps. Those submitted before are not waited for, except by their readers: at most two at a time.
   * @param bytes steps x S bytes, step-major
   * @returns reads steps x S x 256 frequencies, once they are there
   */
  submit(bytes: Uint8Array, steps: number): (frequencies: Uint32Array) => Promise<void> {
    const { device } = this.on;
    device.queue.writeBuffer(this.own.bytes!, 0, Uint32Array.from(bytes));
    device.queue.writeBuffer(this.run, 0, this.runWords(steps));
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    this.encode(pass, steps);
    pass.end();
    const size = steps * this.streams * SYMBOLS * 4;
    const staging = this.staging[this.turn++ % IN_FLIGHT];
    encoder.copyBufferToBuffer(this.own.frequencies!, 0, staging, 0, size);
    device.queue.submit([encoder.finish()]);
    this.position += steps;
    const mapped = staging.mapAsync(MAP_READ, 0, size);
    // whoever reads hears of it; so does nobody else
    mapped.catch(() => {});
    return async (frequencies) => {
      await mapped;
      frequencies.set(new Uint32Array(staging.getMappedRange(0, size)));
      staging.unmap();
    };
  }

  close(): void {
    for (const buffer of this.all) buffer.destroy();
  }

  private kept(buffer: GPUBuffer): GPUBuffer {
    this.all.push(buffer);
    return buffer;
  }

  /** Where the steps of a submit stand, and how their attention is cut. */
  private runWords(steps: number): Uint32Array<ArrayBuffer> {
    const chunks = Math.ceil(Math.min(this.position + steps, this.model.architecture.window) / CHUNK);
    const length = Math.ceil(chunks / this.plan.parts);
    return uniformWords('run', {
      position: this.position,
      rows: steps * this.streams,
      chunks,
      parts: Math.ceil(chunks / length),
      part_length: length,
    });
  }

  private encode(pass: GPUComputePassEncoder, steps: number): void {
    const { model, streams } = this;
    const { sharing } = this.on.report;
    const { width: d } = model.architecture;
    const rows = steps * streams;
    const [, , chunks, parts] = this.runWords(steps);
    const dispatch = (kernel: KernelName, layer: number, x: number, y = 1, step = 0) => {
      pass.setPipeline(this.on.pipelines[kernel]!);
      pass.setBindGroup(0, this.uniforms, [step * AT_STRIDE]);
      pass.setBindGroup(1, this.group(kernel, layer));
      pass.dispatchWorkgroups(x, y);
    };
    const product = (name: ProductName, layer: number, units: number, count = rows, step = 0) => {
      const way: ProductKernel = sharing === 'alone' ? 'alone' : count >= TILED_ROWS ? 'tiled' : 'few';
      dispatch(
        `${name}/${way}`,
        layer,
        Math.ceil(units / TILES[way].units),
        Math.ceil(count / TILES[way].rows),
        step,
      );
    };
    const norm = (name: NormName, layer: number) =>
      dispatch(`norm/${name}`, layer, Math.ceil(rows / ROWS_OF[sharing]));
    model.layers.forEach(({ attention }, l) => {
      if (l > 0) product('input', l, d);
      for (let t = 0; t < steps; t++) product('recur', l, d, streams, t);
      if (attention) {
        norm('memory', l);
        product('query', l, d / 4);
        norm('query', l);
        dispatch('scores', l, chunks, rows);
        dispatch('weights', l, chunks, rows);
        dispatch('weighted', l, (parts * d) / 4 / WEIGHTED_WORDS, rows);
        norm('attended', l);
      } else {
        norm('boomInput', l);
      }
      product('boom', l, d);
      norm('next', l);
    });
    product('output', model.layers.length, SYMBOLS / 4);
    dispatch('frequencies', model.layers.length, Math.ceil(rows / ROWS_OF[sharing]));
  }

  /** Made once for each kernel and layer. The first layer's gates come from the table of bytes. */
  private group(kernel: KernelName, layer: number): GPUBindGroup {
    const key = `${kernel} ${layer}`;
    const there = this.groups.get(key);
    if (there) return there;
    const of = this.layers[layer];
    const buffers = this.on.kernels[kernel]!.bindings.map(({ name }) =>
      name === 'gates' && of.inputGates ? of.inputGates : (of[name] ?? this.own[name])!,
    );
    const made = bindGroup(this.on.device, this.on.pipelines[kernel]!.getBindGroupLayout(1), buffers);
    this.groups.set(key, made);
    return made;
  }
}
