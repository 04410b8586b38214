/** @file The SHA-RNN's shape: presets, names and shapes of every parameter, and parameter counts. */
import presets from './presets.json' with { type: 'json' };

/** Number of symbols: the network reads and predicts bytes. */
export const SYMBOLS = 256;

/** The byte that stands before the first byte of every stream: a line feed. */
export const INITIAL_BYTE = 0x0a;

/** Shape of one SHA-RNN (Merity 2019, section 3). */
export interface Architecture {
  /** d: width of embedding, LSTM and memory. A multiple of 64, at most 1024. */
  width: number;
  /** Number of blocks. */
  layers: number;
  /** Boom factor: the feed-forward layer is width -> boom*width -> width (the chunks are summed). */
  boom: number;
  /** Number of past positions that attention sees, the current one included. */
  window: number;
  /** Indices of the blocks that have attention, ascending. */
  attention: number[];
}

/** Named here and not by the file, so that the type declarations need no JSON. */
export type PresetName = 'tiny' | 'lite' | 'base' | 'large' | 'paper-single' | 'paper';

export const PRESETS: Readonly<Record<PresetName, Architecture>> = presets;

/** A float parameter: its name in checkpoints and its shape (row-major). */
export interface ParameterSpec {
  name: string;
  shape: number[];
}

/**
 * Every float parameter in checkpoint order. This list is the one definition of names and shapes; the
 * trainer, the safetensors files and the quantizer all follow it. LSTM gate rows are in the order i, f, g, o.
 */
export function parameters(arch: Architecture): ParameterSpec[] {
  const d = arch.width;
  const list: ParameterSpec[] = [{ name: 'embedding.weight', shape: [SYMBOLS, d] }];
  const norm = (name: string) => {
    list.push({ name: `${name}.weight`, shape: [d] }, { name: `${name}.bias`, shape: [d] });
  };
  for (let l = 0; l < arch.layers; l++) {
    const p = `layers.${l}`;
    norm(`${p}.norm_start`);
    list.push(
      { name: `${p}.lstm.weight_ih`, shape: [4 * d, d] },
      { name: `${p}.lstm.weight_hh`, shape: [4 * d, d] },
      { name: `${p}.lstm.bias`, shape: [4 * d] },
    );
    if (arch.attention.includes(l)) {
      norm(`${p}.norm_memory`);
      norm(`${p}.norm_mid`);
      list.push(
        { name: `${p}.attention.query.weight`, shape: [d, d] },
        { name: `${p}.attention.query.bias`, shape: [d] },
      );
      norm(`${p}.attention.norm_query`);
      for (const gate of ['gate_query', 'gate_key', 'gate_value']) {
        list.push({ name: `${p}.attention.${gate}`, shape: [d] });
      }
    }
    norm(`${p}.norm_residual`);
    norm(`${p}.norm_boom`);
    list.push(
      { name: `${p}.boom.weight`, shape: [arch.boom * d, d] },
      { name: `${p}.boom.bias`, shape: [arch.boom * d] },
    );
  }
  norm('norm_final');
  list.push({ name: 'output.bias', shape: [SYMBOLS] });
  return list;
}

/** Number of elements of a shape. */
export const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

/**
 * Parameters used at inference. The LSTM's two biases of other frameworks are one vector here; the softmax is
 * tied to the embedding and counted once; each attention gate is one vector (the paper's over-parameterized
 * value gate collapses to a constant after training).
 */
export function parameterCount(arch: Architecture): number {
  return parameters(arch).reduce((sum, p) => sum + elements(p.shape), 0);
}
