/** @file Decompression: the one implementation under the functions, the streams and the command line. */
import { ShacompError } from '../errors.js';
import { decodeBlock } from './block/block.js';
import { BlockSource, type ReadBlock } from './block-source.js';
import { type Bytes, Gathering, requireBytes } from './bytes.js';
import { ByteReader, type ByteSource } from './container/byte-reader.js';
import { checksum as ownChecksum } from './container/checksum.js';
import { ContainerReader, type ContainerRecord } from './container/container.js';
import { inPieces, Pauses } from './event-loop.js';
import { inOrder } from './in-order.js';
import { checkDecompressOptions, type DecompressOptions } from './options.js';
import type { JobProgress, Platform } from './platform.js';
import { expand } from './repeats/expand.js';
import { History } from './repeats/history.js';
import { ModelFinder, Networks } from './session.js';
import { Advance, SideBySide } from './side-by-side.js';

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
  const { onProgress, signal } = options;
  const stop = new AbortController();
  const ended = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const reader = new ByteReader(source, { signal: ended });
  const pauses = new Pauses(ended);
  const models = new ModelFinder(options.model, platform);
  const networks = new Networks(options, platform);
  const blocks = new BlockSource(reader, { networks, models, pauses, limits: options, held });
  const blocksAtOnce = new SideBySide(options, platform, () => networks.chosen);
  // the signal does not reach what runs elsewhere
  ended.addEventListener('abort', () => blocksAtOnce.close(ended.reason));
  const checksum = platform.crc32 ?? ownChecksum;
  const advance = new Advance();
  let bytesIn = 0;
  let bytesOut = 0;
  const tell = () =>
    onProgress?.({ bytesIn: bytesIn + advance.payload, bytesOut: bytesOut + advance.symbols });

  /** Decodes a block: side by side with others unless it is the only one. */
  const decode = async (block: ReadBlock): Promise<Uint8Array<ArrayBuffer>> => {
    const { record, mode, model, payload, needs } = block;
    const { length, streams } = record;
    if (!mode) return payload;
    const progress: JobProgress = (symbols, read) => {
      advance.of(record)(symbols, read);
      tell();
    };
    const here = async () => {
      const literals = await networks.block(async () =>
        decodeBlock(payload, length, streams, mode, {
          ...(await networks.tools(mode, streams, model)),
          pauses,
          progress,
        }),
      );
      return { mode: mode.name, streams, bytes: literals };
    };
    const job = { kind: 'decode', bytes: payload, length, streams, mode: mode.name } as const;
    const decoded = block.alone ? await here() : await blocksAtOnce.run(job, model, needs, progress, here);
    return decoded!.bytes as Uint8Array<ArrayBuffer>;
  };

  /** Reads a block, and gives what decodes it; undefined behind the last one. */
  const next = async () => {
    const block = await blocks.next();
    return block && (async () => ({ block, literals: await decode(block) }));
  };

  let history: History | undefined;
  let sum = 0;
  try {
    for await (const { block, literals } of inOrder(next, () => blocksAtOnce.most(blocks.length))) {
      const { copies, expanded, last } = block.record;
      if (block.member) [sum, history] = [0, undefined];
      if (block.window !== undefined) history = new History(block.window);
      const bytes =
        history && copies.length > 0 ? await expand(literals, copies, history, expanded, pauses) : literals;
      await inPieces(pauses, expanded, (from, to) => {
        sum = checksum(bytes.subarray(from, to), sum);
        if (!last) history?.append(bytes.subarray(from, to));
      });
      if (sum !== block.expected)
        throw new ShacompError(
          'ERR_CHECKSUM',
          'the decompressed data is not what was compressed: the file is damaged',
        );
      advance.ended(block.record);
      bytesOut += bytes.length;
      bytesIn = block.end;
      tell();
      yield bytes;
    }
  } finally {
    // what is coded here ends by it, and a source that owes a chunk is not waited for
    stop.abort();
    await blocksAtOnce.close(ended.reason);
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
  return gathered.join(new Pauses(options.signal));
}

/**
 * Reads what a `.sha` file is made of, without decoding it: its records in order, blocks without their
 * payload.
 * @param source all of the file, or chunks of it
 * @throws ShacompError ERR_NOT_SHACOMP, ERR_UNSUPPORTED_VERSION, ERR_TRUNCATED, ERR_CORRUPT, ERR_OPTIONS;
 * whatever the source throws
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
