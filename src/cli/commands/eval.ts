/**
 * @file The command `eval`: what a file costs by the model's predictions, beside what coding it really takes.
 */
import { predictRows } from '../../codec/block/predict.js';
import { Pauses } from '../../codec/event-loop.js';
import {
  exactly,
  levelSettings,
  NETWORK_STREAMS,
  type StreamDensity,
  streamCount,
} from '../../codec/strategy/levels.js';
import { compressChunks, type Engine, inspect, loadModel, type Model, type Network } from '../../index.js';
import { shortId } from '../../model/id.js';
import { CrossEntropy } from '../../trainer/cross-entropy.js';
import { type Input, openInput, STANDARD } from '../io/files.js';
import { codecOptions, displayName, forEachFile, levelOf, operands } from '../io/inputs.js';
import type { Flags } from '../options.js';
import { table } from '../terminal/format.js';
import { printable } from '../terminal/printable.js';
import { Progress } from '../terminal/progress.js';
import { result, resultJson } from '../terminal/results.js';

/** What was measured of one file, or of all. */
interface Evaluation {
  bytes: number;
  /** the model's cross-entropy, in bits */
  modelBits: number;
  /** bits of code with the network alone, or of bytes where blocks are stored */
  codedBits: number;
  /** the whole compressed file, as the level makes it */
  fileBytes: number;
  storedBlocks: number;
}

export async function evaluate(operandFiles: string[], flags: Flags): Promise<void> {
  const files = operands(operandFiles);
  const level = levelOf(flags);
  const settings = levelSettings(level);
  const model = await loadModel(flags.model ?? settings.model);
  const options = { ...(await codecOptions(flags)), model };
  const blockSize = flags.blockSize ?? settings.blockSize;
  const found: ({ file: string } & Evaluation)[] = [];
  await forEachFile(files, flags, async (path) => {
    const bytes = await readAll(await openInput(path));
    const progress = new Progress({
      verb: 'evaluating',
      name: displayName(path),
      total: 3 * bytes.length,
      flag: flags.progress,
    });
    const code = async (mode: Flags['mode'], done: number) => {
      const parts: Uint8Array[] = [];
      for await (const chunk of compressChunks([bytes], {
        ...options,
        level,
        blockSize,
        streams: flags.streams,
        mode,
        size: bytes.length,
        onProgress: ({ bytesIn }) => progress.update(done + bytesIn),
      }))
        parts.push(chunk);
      return Buffer.concat(parts);
    };
    try {
      const modelBits = await modelCost(
        options.engine,
        model,
        bytes,
        { blockSize, density: flags.streams === undefined ? NETWORK_STREAMS : exactly(flags.streams) },
        (done) => progress.update(done),
      );
      const coded = await code('network', bytes.length);
      const file = flags.mode === 'network' ? coded : await code(flags.mode, 2 * bytes.length);
      const evaluation = {
        bytes: bytes.length,
        modelBits,
        codedBits: 0,
        fileBytes: file.length,
        storedBlocks: 0,
      };
      for await (const record of inspect(coded)) {
        if (record.kind !== 'block') continue;
        evaluation.codedBits += 8 * record.codedLength;
        if (record.mode === 'stored') evaluation.storedBlocks++;
      }
      found.push({ file: path === STANDARD ? 'standard input' : path, ...evaluation });
    } finally {
      progress.stop();
    }
  });
  const total = found.reduce(add, { bytes: 0, modelBits: 0, codedBits: 0, fileBytes: 0, storedBlocks: 0 });
  if (flags.json)
    return resultJson({
      model: { name: model.name, id: Buffer.from(model.id).toString('hex') },
      engine: options.engine.name,
      files: found.map((f) => ({ file: f.file, ...measures(f) })),
      total: measures(total),
    });
  if (found.length === 0) return;
  await result(
    `model ${printable(model.name)} (${shortId(model.id)}), bits per byte; blocks of ${blockSize} bytes\n`,
  );
  const rows = [['File', 'Bytes', 'Model', 'Coded', 'Difference', '.sha bytes', '.sha']];
  for (const f of found) rows.push(row(printable(f.file), f));
  if (found.length > 1) rows.push(row('total', total));
  await result(table(rows));
  if (total.storedBlocks > 0)
    await result(
      '\n* blocks that coding would not make smaller are stored: 8 bits per byte, not the model’s',
    );
}

/**
 * Bits the model gives to bytes cut as the codec cuts them, into blocks and streams: the sum of -log2 of the
 * probability of every byte.
 */
export async function modelCost(
  engine: Engine,
  model: Model,
  bytes: Uint8Array,
  { blockSize, density }: { blockSize: number; density: StreamDensity },
  progress: (done: number) => void,
): Promise<number> {
  const sum = new CrossEntropy();
  const pauses = new Pauses();
  let network: Network | undefined;
  try {
    for (let start = 0; start < bytes.length; start += blockSize) {
      const block = bytes.subarray(start, start + blockSize);
      const streams = streamCount(block.length, density);
      if (network?.streams !== streams) {
        network?.close();
        network = engine.open(model, streams);
      }
      network.reset();
      await predictRows({ block, streams, network, pauses }, sum, (done) => {
        progress(start + done);
        return true;
      });
    }
  } finally {
    network?.close();
  }
  return sum.bits;
}

async function readAll(input: Input): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  try {
    // copied: a chunk is only valid until the next one
    for await (const chunk of input.chunks()) parts.push(new Uint8Array(chunk));
  } finally {
    await input.close();
  }
  return Buffer.concat(parts);
}

function add(a: Evaluation, b: Evaluation): Evaluation {
  return {
    bytes: a.bytes + b.bytes,
    modelBits: a.modelBits + b.modelBits,
    codedBits: a.codedBits + b.codedBits,
    fileBytes: a.fileBytes + b.fileBytes,
    storedBlocks: a.storedBlocks + b.storedBlocks,
  };
}

/** Bits per byte, and by how much the code is longer than the model says. */
function measures(e: Evaluation) {
  const perByte = (bits: number) => (e.bytes > 0 ? bits / e.bytes : null);
  return {
    ...e,
    modelBitsPerByte: perByte(e.modelBits),
    codedBitsPerByte: perByte(e.codedBits),
    fileBitsPerByte: perByte(8 * e.fileBytes),
    difference: e.modelBits > 0 ? e.codedBits / e.modelBits - 1 : null,
  };
}

function row(name: string, e: Evaluation): string[] {
  const m = measures(e);
  const bits = (x: number | null) => x?.toFixed(4) ?? '-';
  const difference = m.difference === null ? '-' : `${(100 * m.difference).toFixed(3)}%`;
  return [
    name,
    String(e.bytes),
    bits(m.modelBitsPerByte),
    bits(m.codedBitsPerByte),
    e.storedBlocks > 0 ? `${difference}*` : difference,
    String(e.fileBytes),
    bits(m.fileBitsPerByte),
  ];
}
