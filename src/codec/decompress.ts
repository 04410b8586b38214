/** @file Decompression: the one implementation under the functions, the streams and the command line. */
import { ShacompError } from '../errors.js';
import type { Model } from '../model/model.js';
import { decodeBlock } from './block/block.js';
import { checkMemory } from './block/memory.js';
import { CODED_MODES } from './block/modes.js';
import { type Bytes, Gathering, requireBytes } from './bytes.js';
import { ByteReader, type ByteSource } from './container/byte-reader.js';
import { checksum as ownChecksum } from './container/checksum.js';
import { type BlockRecord, ContainerReader, type ContainerRecord } from './container/container.js';
import { inPieces, Pauses } from './event-loop.js';
import { inOrder } from './in-order.js';
import { checkDecompressOptions, type DecompressOptions } from './options.js';
import type { JobProgress, Platform } from './platform.js';
import { expand } from './repeats/expand.js';
import { History, historyMemory } from './repeats/history.js';
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
  const { maxOutputLength = Number.POSITIVE_INFINITY, onProgress, signal } = options;
  const stop = new AbortController();
  const ended = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const reader = new ByteReader(source, { signal: ended });
  const pauses = new Pauses(ended);
  const container = new ContainerReader(reader, pauses);
  const models = new ModelFinder(options.model, platform);
  const networks = new Networks(options, platform);
  const blocksAtOnce = new SideBySide(options, platform, () => networks.chosen);
  // the signal does not reach what runs elsewhere
  ended.addEventListener('abort', () => blocksAtOnce.close());
  const checksum = platform.crc32 ?? ownChecksum;
  const advance = new Advance();
  let model: Model | undefined;
  /**
   * Of the member that is read: its window, original bytes so far, and whether it has more than one block.
   */
  let window = 0;
  let seen = 0;
  let several = false;
  /** Original bytes of all blocks that were read. */
  let promised = 0;
  let longest = 0;
  let bytesIn = 0;
  let bytesOut = 0;
  const checkOutput = (length: number) => {
    if (promised + length > maxOutputLength)
      throw new ShacompError(
        'ERR_OUTPUT_TOO_LARGE',
        `decompresses to more than the ${maxOutputLength} bytes allowed: raise maxOutputLength`,
      );
  };
  const tell = () =>
    onProgress?.({ bytesIn: bytesIn + advance.payload, bytesOut: bytesOut + advance.symbols });

  /** Reads the payload of a block, and gives what decodes it. */
  const begin = async (record: BlockRecord): Promise<() => Promise<Part>> => {
    const { length, expanded, codedLength, streams } = record;
    const mode = CODED_MODES.find((m) => m.name === record.mode);
    checkOutput(expanded);
    const kept = window > 0 ? historyMemory(window, seen + expanded) : 0;
    const needs = {
      job: await networks.demand({ length, expanded, codedLength, streams, mode }, model),
      beside: kept + held(),
      device: mode !== undefined && (await networks.onDevice(mode, streams)),
    };
    checkMemory(needs.job + needs.beside, options.memoryLimit);
    promised += expanded;
    seen += expanded;
    longest = length;
    const { payload, checksum: expected } = await container.payload();
    await pauses.take();
    const alone = record.last && !several;
    several = true;
    const end = reader.offset;
    const used = model;
    return async () => {
      if (!mode) return { record, literals: payload, expected, end };
      const progress: JobProgress = (symbols, read) => {
        advance.of(record)(symbols, read);
        tell();
      };
      const here = async () => {
        const literals = await networks.block(async () =>
          decodeBlock(payload, length, streams, mode, {
            ...(await networks.tools(mode, streams, used)),
            pauses,
            progress,
          }),
        );
        return { mode: mode.name, streams, bytes: literals };
      };
      const job = { kind: 'decode', bytes: payload, length, streams, mode: mode.name } as const;
      const decoded = alone
        ? await here()
        : await blocksAtOnce.run(job, mode.network ? used : undefined, needs, progress, here);
      return { record, literals: decoded!.bytes as Uint8Array<ArrayBuffer>, expected, end };
    };
  };

  /** Reads up to the next block, and gives what decodes it; undefined at the end. */
  const next = async (): Promise<(() => Promise<Part>) | undefined> => {
    const part: Part = {};
    for (let record = await container.next(); record; record = await container.next()) {
      await pauses.take();
      switch (record.kind) {
        case 'member':
          part.member = true;
          part.window = undefined;
          [window, seen, several] = [0, 0, false];
          break;
        case 'window':
          checkMemory(History.memory(record.window) + held(), options.memoryLimit);
          window = record.window;
          part.window = window;
          break;
        case 'length':
          checkOutput(record.length);
          break;
        case 'model':
          model = await models.find(record.id);
          break;
        case 'block': {
          const decode = await begin(record);
          return async () => ({ ...part, ...(await decode()) });
        }
      }
    }
    return undefined;
  };

  let history: History | undefined;
  let sum = 0;
  try {
    for await (const part of inOrder(next, () => blocksAtOnce.most(longest))) {
      if (part.member) [sum, history] = [0, undefined];
      if (part.window !== undefined) history = new History(part.window);
      const { copies, expanded, last } = part.record!;
      let block = part.literals!;
      if (history && copies.length > 0) block = await expand(block, copies, history, expanded, pauses);
      await inPieces(pauses, expanded, (from, to) => {
        sum = checksum(block.subarray(from, to), sum);
        if (!last) history?.append(block.subarray(from, to));
      });
      if (sum !== part.expected)
        throw new ShacompError(
          'ERR_CHECKSUM',
          'the decompressed data is not what was compressed: the file is damaged',
        );
      advance.ended(part.record!);
      bytesOut += block.length;
      bytesIn = part.end!;
      tell();
      yield block;
    }
  } finally {
    blocksAtOnce.close();
    networks.close();
    // a source that owes a chunk is not waited for
    stop.abort();
    await reader.close();
  }
}

/** A block on its way, with what stands before it. */
interface Part {
  member?: boolean;
  window?: number;
  record?: BlockRecord;
  /** what the block codes */
  literals?: Uint8Array<ArrayBuffer>;
  /** checksum of all original bytes up to its end */
  expected?: number;
  /** where it ends in the file */
  end?: number;
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
