/**
 * @file What the engine uses of TensorFlow.js, so that nothing of it needs to be installed: any of its
 * packages' namespaces fits.
 */

export interface Tensor {
  readonly shape: readonly number[];
  /** float32, as all that are read */
  dataSync(): Float32Array;
  dispose(): void;
}

/** As https://js.tensorflow.org/api/4.22.0 has them. */
export interface TensorFlow {
  tensor(values: Float32Array | Int32Array, shape: number[], type: 'float32' | 'int32'): Tensor;
  zeros(shape: number[]): Tensor;
  add(a: Tensor, b: Tensor): Tensor;
  sub(a: Tensor, b: Tensor): Tensor;
  mul(a: Tensor, b: Tensor): Tensor;
  floor(x: Tensor): Tensor;
  clipByValue(x: Tensor, low: number, high: number): Tensor;
  minimum(a: Tensor, b: Tensor): Tensor;
  cast(x: Tensor, type: 'int32'): Tensor;
  gather(table: Tensor, indices: Tensor): Tensor;
  matMul(a: Tensor, b: Tensor, transposeA?: boolean, transposeB?: boolean): Tensor;
  max(x: Tensor, axis: number, keepDims: boolean): Tensor;
  sum(x: Tensor, axis: number): Tensor;
  concat(tensors: Tensor[], axis: number): Tensor;
  split(x: Tensor, parts: number, axis: number): Tensor[];
  slice(x: Tensor, begin: number[], size: number[]): Tensor;
  pad(x: Tensor, paddings: [number, number][]): Tensor;
  reshape(x: Tensor, shape: number[]): Tensor;
  /** Runs `work` and disposes of the tensors that it made, but for those that it returns or keeps. */
  tidy<Result extends Tensor | Tensor[] | { [name: string]: Tensor }>(work: () => Result): Result;
  keep(x: Tensor): Tensor;
  getBackend(): string;
  ready(): Promise<void>;
  /** The packages for Node tell of a GPU. */
  backend(): { isUsingGpuDevice?: boolean };
  version?: { tfjs?: string };
}
