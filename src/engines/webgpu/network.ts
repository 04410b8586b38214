/** @file A network on a device: its state, its command lists, and how results come back. */
import { SYMBOLS } from '../../model/architecture.js';
import type { IntegerModel } from '../../model/sharnn.js';
import { type Device, MAP_READ, USAGE } from './device.js';
import {
  CODED_ROWS,
  CODER,
  type KernelName,
  type NormName,
  type ProductKernel,
  type ProductName,
  ROWS_OF,
  TILES,
  WEIGHTED_WORDS,
} from './kernels.js';
import { type BufferName, CHUNK, CODER_WORDS, DECODED_STEPS, type PartPlan } from './layout.js';
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

/** Where frequencies go, or probabilities of bits. */
export type Results = Uint32Array | Uint16Array;

/** Some streams of a network, whose buffers the device can have. */
export class NetworkPart {
  private position = 0;
  private turn = 0;
  /** what `run` says on the device */
  private runs: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  private readonly all: GPUBuffer[] = [];
  private readonly own: Buffers = {};
  private readonly layers: Buffers[];
  private readonly staging: GPUBuffer[] = [];
  private readonly run: GPUBuffer;
  private readonly uniforms: GPUBindGroup;
  /** for decoding, where every step's rows are the first ones */
  private readonly uniformsOfSteps: GPUBindGroup;
  private readonly groups = new Map<string, GPUBindGroup>();

  /** @throws ShacompError ERR_MEMORY_LIMIT */
  static async open(device: Device, model: IntegerModel, plan: PartPlan): Promise<NetworkPart> {
    const weights = await modelBuffers(device, model);
    const what = `a network of ${plan.streams} streams (${Math.ceil(plan.total / 2 ** 20)} MiB)`;
    return withinMemory(
      device,
      what,
      () => new NetworkPart(device, model, weights, plan),
      (part) => part.close(),
    );
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

    const at = (count: number, rowsOfStep: number) => {
      const words = new Uint32Array((count * AT_STRIDE) / 4);
      for (let t = 0; t < count; t++)
        words.set(uniformWords('at', { step: t, row: t * rowsOfStep }), (t * AT_STRIDE) / 4);
      return this.kept(uploaded(device, words, UNIFORM));
    };
    const shape = this.kept(uploaded(device, shapeWords(model, streams, capacity, steps), UNIFORM));
    this.run = this.kept(uploaded(device, this.runWords(1), UNIFORM));
    const group = (entries: GPUBuffer) =>
      bindGroup(device, on.uniforms, [shape, this.run, entries, on.tanh], { 2: 16 });
    this.uniforms = group(at(steps, streams));
    this.uniformsOfSteps = group(at(DECODED_STEPS, 0));
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
   * Starts `steps` steps. Those submitted before are not waited for, except by their readers: at most two at
   * a time.
   * @param bytes steps x S bytes, step-major
   * @returns reads steps x S x 256 frequencies, once they are there
   */
  submit(bytes: Uint8Array, steps: number): (frequencies: Results) => Promise<void> {
    const read = this.start(bytes, steps, (pass) => this.encode(pass, steps, steps * this.streams), [
      ['frequencies', 0, steps * this.streams * SYMBOLS],
    ]);
    return async (frequencies) => read((words) => frequencies.set(words));
  }

  /**
   * As {@link submit}, for a coder on the host.
   * @param bytes (steps + 1) x S bytes: a step's input, and what is coded with its frequencies, the next
   * one's
   * @returns reads steps x S x 8 probabilities of the bits, the highest first, as `probability` of the codec
   * gives them
   */
  submitOdds(bytes: Uint8Array, steps: number): (odds: Results) => Promise<void> {
    const rows = steps * this.streams;
    const coded = (pass: GPUComputePassEncoder) => {
      this.encode(pass, steps, rows);
      this.dispatch(pass, 'odds', this.model.layers.length, Math.ceil(rows / CODED_ROWS));
    };
    const read = this.start(bytes, steps, coded, [['odds', 0, rows * 4]]);
    return async (odds) =>
      read((words) => {
        for (let i = 0; i < words.length; i++) {
          odds[2 * i] = words[i] & 0xffff;
          odds[2 * i + 1] = words[i] >>> 16;
        }
      });
  }

  /**
   * Begins to decode, from the cold state.
   * @param codes of all streams
   * @param symbols bytes of each stream
   * @throws ShacompError ERR_MEMORY_LIMIT
   */
  async startDecoding(codes: readonly Uint8Array[], symbols: readonly number[]): Promise<void> {
    const { device } = this.on;
    this.position = 0;
    this.own.codes?.destroy();
    for (const key of this.groups.keys()) if (key.startsWith('decode ')) this.groups.delete(key);
    const total = codes.reduce((sum, { length }) => sum + length, 0);
    const all = new Uint8Array(Math.ceil((total + 4) / 4) * 4);
    const coders = new Uint32Array(codes.length * CODER_WORDS);
    let begin = 0;
    codes.forEach((code, k) => {
      all.set(code, begin);
      const window = [0, 1, 2, 3].reduce((word, i) => word * 256 + (code[i] ?? 0), 0);
      const damaged = window === 2 ** 32 - 1;
      const values = {
        position: 4,
        window,
        range: 2 ** 32 - 1,
        code: damaged ? 0 : window,
        damaged: Number(damaged),
      };
      const words = { ...values, begin, length: code.length, symbols: symbols[k] };
      coders.set(
        CODER.map((name) => words[name]),
        k * CODER_WORDS,
      );
      begin += code.length;
    });
    this.own.codes = await withinMemory(
      this.on,
      'the codes of a block',
      () => uploaded(device, all),
      (codes) => codes.destroy(),
    );
    device.queue.writeBuffer(this.own.coders!, 0, coders);
  }

  /**
   * Decodes `steps` bytes of every stream, at most `DECODED_STEPS`.
   * @param first S bytes: what the first step is fed
   * @returns steps x S bytes, and the decoders' words
   */
  async decode(first: Uint8Array, steps: number): Promise<{ rows: Uint8Array; coders: Uint32Array }> {
    const { streams } = this;
    const decoded = (pass: GPUComputePassEncoder) => {
      for (let t = 0; t < steps; t++) {
        this.encode(pass, 1, streams, this.uniformsOfSteps, t);
        const groups = Math.ceil(streams / CODED_ROWS);
        this.dispatch(pass, 'decode', this.model.layers.length, groups, 1, t, this.uniformsOfSteps);
      }
    };
    const read = this.start(
      first,
      steps,
      decoded,
      [
        ['bytes', streams, steps * streams],
        ['coders', 0, streams * CODER_WORDS],
      ],
      streams,
    );
    const rows = new Uint8Array(steps * streams);
    const coders = new Uint32Array(streams * CODER_WORDS);
    await read((words) => {
      rows.set(words.subarray(0, rows.length));
      coders.set(words.subarray(rows.length));
    });
    return { rows, coders };
  }

  /**
   * Submits what `record` records, and copies of what it leaves: words of buffers, from a word on.
   * @returns reads the copies, one behind the other
   */
  private start(
    bytes: Uint8Array,
    steps: number,
    record: (pass: GPUComputePassEncoder) => void,
    results: readonly (readonly [BufferName, number, number])[],
    rows = steps * this.streams,
  ): (use: (words: Uint32Array) => void) => Promise<void> {
    const { device } = this.on;
    device.queue.writeBuffer(this.own.bytes!, 0, Uint32Array.from(bytes));
    this.runs = this.runWords(steps, rows);
    device.queue.writeBuffer(this.run, 0, this.runs);
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    record(pass);
    pass.end();
    const staging = this.staging[this.turn++ % IN_FLIGHT];
    let size = 0;
    for (const [name, word, count] of results) {
      encoder.copyBufferToBuffer(this.own[name]!, word * 4, staging, size, count * 4);
      size += count * 4;
    }
    device.queue.submit([encoder.finish()]);
    this.position += steps;
    const mapped = staging.mapAsync(MAP_READ, 0, size);
    // the error goes to whoever reads, and to nobody else
    mapped.catch(() => {});
    return async (use) => {
      await mapped;
      use(new Uint32Array(staging.getMappedRange(0, size)));
      staging.unmap();
    };
  }

  close(): void {
    for (const buffer of this.all) buffer.destroy();
    this.own.codes?.destroy();
  }

  private kept(buffer: GPUBuffer): GPUBuffer {
    this.all.push(buffer);
    return buffer;
  }

  /** Where the steps of a submit stand, and how their attention is cut. */
  private runWords(steps: number, rows = steps * this.streams): Uint32Array<ArrayBuffer> {
    const chunks = Math.ceil(Math.min(this.position + steps, this.model.architecture.window) / CHUNK);
    const length = Math.ceil(chunks / this.plan.parts);
    return uniformWords('run', {
      position: this.position,
      rows,
      chunks,
      parts: Math.ceil(chunks / length),
      part_length: length,
    });
  }

  private dispatch(
    pass: GPUComputePassEncoder,
    kernel: KernelName,
    layer: number,
    x: number,
    y = 1,
    step = 0,
    uniforms = this.uniforms,
  ): void {
    pass.setPipeline(this.on.pipelines[kernel]!);
    pass.setBindGroup(0, uniforms, [step * AT_STRIDE]);
    pass.setBindGroup(1, this.group(kernel, layer));
    pass.dispatchWorkgroups(x, y);
  }

  /** Records `steps` steps, the first of which is step `from` of the submit. */
  private encode(
    pass: GPUComputePassEncoder,
    steps: number,
    rows: number,
    uniforms = this.uniforms,
    from = 0,
  ): void {
    const { model, streams } = this;
    const { sharing } = this.on.report;
    const { width: d } = model.architecture;
    const [, , chunks, parts] = this.runs;
    const dispatch = (kernel: KernelName, layer: number, x: number, y = 1, step = 0) =>
      this.dispatch(pass, kernel, layer, x, y, from + step, uniforms);
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
