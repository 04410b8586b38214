/** @file A model on a device: uploaded once, shared by the networks that run it. */

import { ShacompError } from '../../errors.js';
import { SYMBOLS } from '../../model/architecture.js';
import type { IntegerModel } from '../../model/sharnn.js';
import { rootOfWidth } from './constants.js';
import { type Device, USAGE } from './device.js';
import { TILES, UNIFORMS } from './kernels.js';
import { CHUNK, layerNumbers, layerWeights, outputNumbers } from './layout.js';

/** Buffers of one layer, or of the softmax layer. */
interface Weights {
  weights: GPUBuffer;
  numbers: GPUBuffer;
}

export interface ModelBuffers {
  layers: readonly Weights[];
  output: Weights;
  /** int32[256][4d]: what every byte adds to the first layer's gates */
  gates: GPUBuffer;
}

const { STORAGE, UNIFORM, COPY_DST } = USAGE;

/** A buffer with these bytes, whose number is a multiple of four. */
export function uploaded(
  device: GPUDevice,
  bytes: ArrayBufferView<ArrayBuffer>,
  usage: number = STORAGE,
): GPUBuffer {
  const buffer = device.createBuffer({ size: bytes.byteLength, usage: usage | COPY_DST });
  device.queue.writeBuffer(buffer, 0, bytes);
  return buffer;
}

/** Words of a uniform buffer, by the names of `UNIFORMS`, padded as uniforms must be. */
export function uniformWords<Name extends keyof typeof UNIFORMS>(
  name: Name,
  values: Record<(typeof UNIFORMS)[Name][number], number>,
): Uint32Array<ArrayBuffer> {
  const names: readonly string[] = UNIFORMS[name];
  const words = new Uint32Array(Math.ceil(names.length / 4) * 4);
  names.forEach((word, i) => {
    words[i] = (values as Record<string, number>)[word];
  });
  return words;
}

/** What `shape` says of a network. */
export function shapeWords(model: IntegerModel, streams: number, capacity: number, steps: number) {
  const { width, boom, window } = model.architecture;
  const { D, k } = rootOfWidth(width);
  return uniformWords('shape', {
    width,
    boom,
    window,
    streams,
    capacity: Math.max(1, capacity),
    slots: steps + 1,
    chunks_most: Math.ceil(window / CHUNK),
    norm_factor: D,
    norm_shift: k,
    sum_shift: window <= 512 ? 0 : Math.ceil(Math.log2(window / 512)),
  });
}

/**
 * Runs `make`; memory that the device refuses is an error, which it otherwise does not throw.
 * @param discard gives back what was made of it
 * @throws ShacompError ERR_MEMORY_LIMIT
 */
export async function withinMemory<T>(
  { device, report }: Device,
  what: string,
  make: () => T,
  discard: (made: T) => void,
): Promise<T> {
  device.pushErrorScope('out-of-memory');
  const made = make();
  const error = await device.popErrorScope();
  if (!error) return made;
  discard(made);
  throw new ShacompError('ERR_MEMORY_LIMIT', `${report.name} has no room for ${what}`);
}

const known = new WeakMap<GPUDevice, WeakMap<IntegerModel, Promise<ModelBuffers>>>();

/** The model's buffers on that device. @throws ShacompError ERR_MEMORY_LIMIT */
export function modelBuffers(device: Device, model: IntegerModel): Promise<ModelBuffers> {
  const models = known.get(device.device) ?? new WeakMap<IntegerModel, Promise<ModelBuffers>>();
  known.set(device.device, models);
  const there = models.get(model);
  if (there) return there;
  const made = withinMemory(
    device,
    `the weights of ${model.name}`,
    () => upload(device, model),
    ({ layers, output, gates }) => {
      for (const { weights, numbers } of [...layers, output]) {
        weights.destroy();
        numbers.destroy();
      }
      gates.destroy();
    },
  );
  models.set(model, made);
  // there may be room the next time
  made.catch(() => models.delete(model));
  return made;
}

function upload({ device, pipelines, uniforms, tanh, report }: Device, model: IntegerModel): ModelBuffers {
  const { architecture } = model;
  const d = architecture.width;
  const layers = model.layers.map((layer, l) => ({
    weights: uploaded(device, layerWeights(layer)),
    numbers: uploaded(
      device,
      layerNumbers(layer, l === 0, model.layers[l + 1]?.startScale ?? model.outputScale, architecture),
    ),
  }));
  const output = {
    weights: uploaded(device, new Int8Array(model.output.weight)),
    numbers: uploaded(device, outputNumbers(model)),
  };
  const gates = device.createBuffer({ size: SYMBOLS * 4 * d * 4, usage: STORAGE });

  const input = uploaded(device, new Int8Array(model.input));
  const words = [
    shapeWords(model, 1, 0, 1),
    uniformWords('run', { position: 0, rows: SYMBOLS, chunks: 0, parts: 0, part_length: 0 }),
    uniformWords('at', { step: 0, row: 0 }),
  ].map((values) => uploaded(device, values, UNIFORM));
  const way = report.sharing === 'alone' ? 'alone' : 'tiled';
  const pipeline = pipelines[`input/${way}`]!;
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup(device, uniforms, [...words, tanh]), [0]);
  const storage = [layers[0].weights, layers[0].numbers, input, gates];
  pass.setBindGroup(1, bindGroup(device, pipeline.getBindGroupLayout(1), storage));
  pass.dispatchWorkgroups(d / TILES[way].units, SYMBOLS / TILES[way].rows);
  pass.end();
  device.queue.submit([encoder.finish()]);
  for (const buffer of [input, ...words]) buffer.destroy();
  return { layers, output, gates };
}

/**
 * Buffers in the order of their bindings. @param sizes of what is visible at an offset, where that is not the
 * whole buffer
 */
export const bindGroup = (
  device: GPUDevice,
  layout: GPUBindGroupLayout,
  buffers: readonly GPUBuffer[],
  sizes: Readonly<Record<number, number>> = {},
): GPUBindGroup =>
  device.createBindGroup({
    layout,
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer, size: sizes[binding] } })),
  });
