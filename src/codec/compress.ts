/** @file Compression: the one implementation under the functions, the streams and the command line. */
import { ShacompError } from '../errors.js';
import type { IntegerModel } from '../model/sharnn.js';
import { checkMemory } from './block/memory.js';
import { concat, Gathering } from './bytes.js';
import { ByteReader, type ByteSource } from './container/byte-reader.js';
import { checksum } from './container/checksum.js';
import {
  blockHeader,
  blockTrailer,
  endRecord,
  lengthRecord,
  memberHeader,
  modelRecord,
} from './container/container.js';
import { Breath } from './event-loop.js';
import { type CompressOptions, checkCompressOptions } from './options.js';
import type { Platform } from './platform.js';
import { Networks } from './session.js';
import { BlockEncoder, planFor } from './strategy/choose.js';
import { levelSettings } from './strategy/levels.js';

/** Compresses a source of chunks to a `.sha` file, chunk by chunk, one chunk per block. */
export function compressChunks(
  source: ByteSource,
  options: CompressOptions = {},
  platform: Platform,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  return encodeBlocks(source, options, platform, () => 0);
}

/** @param held bytes that the caller keeps of what was given out, for the memory limit */
async function* encodeBlocks(
  source: ByteSource,
  options: CompressOptions,
  platform: Platform,
  held: () => number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  checkCompressOptions(options);
  const level = levelSettings(options.level);
  const { blockSize = level.blockSize, size, onProgress, signal } = options;
  const plan = planFor(level, options.mode ?? 'auto');
  const reader = new ByteReader(source);
  const networks = new Networks(options, platform);
  const breath = new Breath(signal);
  const encoder = new BlockEncoder(plan, networks, breath, (bytes) =>
    checkMemory(
      bytes + held(),
      options.memoryLimit,
      'raise the limit, or use a lower level or smaller blocks',
    ),
  );
  let model: IntegerModel | undefined;
  let modelWritten = false;
  let sum = 0;
  let bytesOut = 0;
  const parts: Uint8Array[] = [memberHeader()];
  if (size !== undefined && size > blockSize) parts.push(lengthRecord(size));

  try {
    for (let first = true; ; first = false) {
      await breath.take();
      const block = await reader.read(blockSize, encoder.allow);
      const last = await reader.atEnd();
      if (size !== undefined && (last ? reader.offset !== size : reader.offset > size))
        throw new ShacompError(
          'ERR_OPTIONS',
          `the input does not have the ${size} bytes that were announced: it may have changed meanwhile`,
        );
      if (block.length === 0 && first) {
        parts.push(endRecord());
      } else {
        await breath.take();
        sum = checksum(block, sum);
        const { length } = block;
        const start = reader.offset - length;
        if (plan.mode?.network) model ??= await platform.loadModel(options.model ?? level.model);
        const coded = await encoder.encode(block, model, (symbols, payload) =>
          onProgress?.({ bytesIn: start + symbols, bytesOut: bytesOut + payload }),
        );
        if (coded) {
          const { mode, streams, payload } = coded;
          if (mode.network && model && !modelWritten) parts.push(modelRecord(model.id));
          modelWritten ||= mode.network;
          parts.push(
            blockHeader({ mode: mode.name, length, codedLength: payload.length, streams, last }),
            payload,
          );
        } else {
          parts.push(blockHeader({ mode: 'stored', length, codedLength: length, streams: 0, last }), block);
        }
        parts.push(blockTrailer(sum));
      }
      await breath.take();
      const chunk = concat(parts.splice(0));
      bytesOut += chunk.length;
      onProgress?.({ bytesIn: reader.offset, bytesOut });
      yield chunk;
      if (last) return;
    }
  } finally {
    networks.close();
    await reader.close();
  }
}

/** Compresses bytes to a `.sha` file. */
export async function compress(
  data: Uint8Array,
  options: CompressOptions = {},
  platform: Platform,
): Promise<Uint8Array> {
  if (!(data instanceof Uint8Array)) throw new ShacompError('ERR_OPTIONS', 'data must be a Uint8Array');
  const gathered = new Gathering();
  const whole = { size: data.length, ...options };
  const blocks = encodeBlocks([data], whole, platform, () => 2 * gathered.length);
  for await (const chunk of blocks) gathered.add(chunk);
  return gathered.join();
}
