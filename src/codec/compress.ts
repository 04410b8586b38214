/** @file Compression: the one implementation under the functions, the streams and the command line. */
import { ShacompError } from '../errors.js';
import type { Model } from '../model/model.js';
import { checkMemory } from './block/memory.js';
import { type Bytes, concat, Gathering, requireBytes } from './bytes.js';
import { ByteReader, type FlushableSource } from './container/byte-reader.js';
import { checksum } from './container/checksum.js';
import {
  blockHeader,
  blockTrailer,
  endRecord,
  lengthRecord,
  memberHeader,
  modelRecord,
} from './container/container.js';
import { Breath, inPieces } from './event-loop.js';
import { type CompressOptions, checkCompressOptions } from './options.js';
import type { Platform } from './platform.js';
import { Networks } from './session.js';
import { BlockEncoder, planFor } from './strategy/choose.js';
import { levelSettings, modelFor } from './strategy/levels.js';

/** Compresses a source of chunks to a `.sha` file, chunk by chunk, one chunk per block. */
export function compressChunks(
  source: FlushableSource,
  options: CompressOptions = {},
  platform: Platform,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  return encodeBlocks(source, options, platform, () => 0);
}

/** @param held bytes that the caller keeps of what was given out, for the memory limit */
async function* encodeBlocks(
  source: FlushableSource,
  options: CompressOptions,
  platform: Platform,
  held: () => number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  checkCompressOptions(options);
  const level = levelSettings(options.level);
  const { blockSize = level.blockSize, size, onProgress, signal } = options;
  const plan = planFor(level, options.mode ?? 'auto', options.streams);
  const modelSource = modelFor(options);
  const reader = new ByteReader(source, { signal, flushes: true });
  const networks = new Networks(options, platform);
  const breath = new Breath(signal);
  const encoder = new BlockEncoder(plan, networks, breath, (bytes) =>
    checkMemory(
      bytes + held(),
      options.memoryLimit,
      'raise the limit, or use a lower level or smaller blocks',
    ),
  );
  let model: Model | undefined;
  let modelWritten = false;
  let sum = 0;
  let bytesOut = 0;
  const parts: Uint8Array[] = [memberHeader()];
  if (size !== undefined && size > blockSize) parts.push(lengthRecord(size));

  try {
    for (let blocks = 0; ; ) {
      await breath.take();
      const block = await reader.read(blockSize, encoder.allow);
      const last = await reader.atEnd();
      if (size !== undefined && (last ? reader.offset !== size : reader.offset > size))
        throw new ShacompError(
          'ERR_OPTIONS',
          `the input does not have the ${size} bytes that were announced: it may have changed meanwhile`,
        );
      // a mark with nothing before it asks for nothing
      if (reader.takeMark() && block.length === 0) continue;
      if (block.length === 0) {
        parts.push(endRecord(blocks > 0));
      } else {
        blocks++;
        await inPieces(breath, block.length, (from, to) => {
          sum = checksum(block.subarray(from, to), sum);
        });
        const { length } = block;
        const start = reader.offset - length;
        if (modelSource !== undefined) model ??= await platform.loadModel(modelSource);
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
  data: Bytes,
  options: CompressOptions = {},
  platform: Platform,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = requireBytes('data', data);
  checkCompressOptions(options);
  const gathered = new Gathering();
  const whole = { size: bytes.length, ...options };
  const blocks = encodeBlocks([bytes], whole, platform, () => 2 * gathered.length);
  for await (const chunk of blocks) gathered.add(chunk);
  return gathered.join(new Breath(options.signal));
}
