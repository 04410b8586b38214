/** @file Decompression: the one implementation under the functions, the streams and the command line. */
import { ShacompError } from '../errors.js';
import type { Model } from '../model/model.js';
import { decodeBlock } from './block/block.js';
import { blockMemory, checkMemory } from './block/memory.js';
import { CODED_MODES } from './block/modes.js';
import { type Bytes, Gathering, requireBytes } from './bytes.js';
import { ByteReader, type ByteSource } from './container/byte-reader.js';
import { checksum } from './container/checksum.js';
import { type BlockRecord, ContainerReader, type ContainerRecord } from './container/container.js';
import { Breath, inPieces } from './event-loop.js';
import { checkDecompressOptions, type DecompressOptions } from './options.js';
import type { Platform } from './platform.js';
import { ModelFinder, Networks } from './session.js';

/** Decompresses a source of chunks, block by block: a block is given out once its checksum has matched. */
export function decompressChunks(
  source: ByteSource,
  options: DecompressOptions = {},
  platform: Platform,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  return decodeBlocks(source, options, platform, () => 0);
}

/** @param held bytes that the caller keeps of what was given out, for the memory limit */
async function* decodeBlocks(
  source: ByteSource,
  options: DecompressOptions,
  platform: Platform,
  held: () => number,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  checkDecompressOptions(options);
  const { maxOutputLength = Number.POSITIVE_INFINITY, onProgress, signal } = options;
  const reader = new ByteReader(source, { signal });
  const breath = new Breath(signal);
  const container = new ContainerReader(reader, breath);
  const models = new ModelFinder(options.model, platform);
  const networks = new Networks(options, platform);
  let model: Model | undefined;
  let sum = 0;
  let bytesOut = 0;
  const checkOutput = (length: number) => {
    if (bytesOut + length > maxOutputLength)
      throw new ShacompError(
        'ERR_OUTPUT_TOO_LARGE',
        `decompresses to more than the ${maxOutputLength} bytes allowed: raise maxOutputLength`,
      );
  };

  const decode = async (record: BlockRecord): Promise<Uint8Array<ArrayBuffer>> => {
    const { length, codedLength, streams } = record;
    const mode = CODED_MODES.find((m) => m.name === record.mode);
    checkOutput(length);
    const network = mode?.network && model ? await networks.memory(model, streams) : undefined;
    const mixing = mode?.profile ? await networks.mixing() : undefined;
    const kernels = mode?.network ? await networks.kernels() : undefined;
    checkMemory(
      blockMemory({ length, codedLength, streams, mode, network, mixing, kernels }) + held(),
      options.memoryLimit,
    );
    const start = reader.offset;
    const { payload, checksum: expected } = await container.payload();
    await breath.take();
    let block = payload;
    if (mode) {
      block = await decodeBlock(payload, length, streams, mode, {
        network: mode.network && model ? await networks.open(model, streams) : undefined,
        mixing,
        kernels,
        breath,
        progress: (symbols, used) => onProgress?.({ bytesIn: start + used, bytesOut: bytesOut + symbols }),
      });
    }
    await inPieces(breath, length, (from, to) => {
      sum = checksum(block.subarray(from, to), sum);
    });
    if (sum !== expected)
      throw new ShacompError(
        'ERR_CHECKSUM',
        'the decompressed data is not what was compressed: the file is damaged',
      );
    return block;
  };

  try {
    for (let record = await container.next(); record; record = await container.next()) {
      await breath.take();
      switch (record.kind) {
        case 'member':
          sum = 0;
          break;
        case 'length':
          checkOutput(record.length);
          break;
        case 'model':
          model = await models.find(record.id);
          break;
        case 'block': {
          const block = await decode(record);
          bytesOut += block.length;
          onProgress?.({ bytesIn: reader.offset, bytesOut });
          yield block;
        }
      }
    }
  } finally {
    networks.close();
    await reader.close();
  }
}

/** Decompresses the bytes of a `.sha` file. */
export async function decompress(
  data: Bytes,
  options: DecompressOptions = {},
  platform: Platform,
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = requireBytes('data', data);
  const gathered = new Gathering();
  // twice: what was gathered, and the whole that is made of it in the end
  for await (const block of decodeBlocks([bytes], options, platform, () => 2 * gathered.length))
    gathered.add(block);
  return gathered.join(new Breath(options.signal));
}

/**
 * Reads what a `.sha` file is made of, without decoding it: its records in order, blocks without their payload.
 * @param source all of the file, or chunks of it
 * @throws ShacompError ERR_NOT_SHACOMP, ERR_UNSUPPORTED_VERSION, ERR_TRUNCATED, ERR_CORRUPT, ERR_OPTIONS; whatever the
 * source throws
 */
export async function* inspect(source: ByteSource): AsyncGenerator<ContainerRecord, void, undefined> {
  const reader = new ByteReader(source);
  const container = new ContainerReader(reader);
  try {
    for (let record = await container.next(); record; record = await container.next()) {
      if (record.kind === 'block') await container.skip();
      yield record;
    }
  } finally {
    await reader.close();
  }
}
