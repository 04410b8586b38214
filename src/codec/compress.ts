/** @file Compression: the one implementation under the functions, the streams and the command line. */
import type { Model } from '../model/model.js';
import { checkMemory } from './block/memory.js';
import { type Bytes, Gathering, requireBytes } from './bytes.js';
import { ByteReader, type FlushableSource } from './container/byte-reader.js';
import { checksum as ownChecksum } from './container/checksum.js';
import { BlockCutter } from './cutter.js';
import { Pauses } from './event-loop.js';
import { inOrder } from './in-order.js';
import { MemberWriter, type Part } from './member-writer.js';
import { type CompressOptions, checkCompressOptions, windowOf } from './options.js';
import type { JobProgress, Platform } from './platform.js';
import { LEAST_COPY, type LeastCopy, RepeatFinder, type SplitBlock } from './repeats/finder.js';
import { MarkTable } from './repeats/gear.js';
import { History } from './repeats/history.js';
import { Networks } from './session.js';
import { Advance, SideBySide } from './side-by-side.js';
import { BlockEncoder, type Plan, planFor } from './strategy/choose.js';
import { levelSettings, modelFor, streamCount } from './strategy/levels.js';

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
  const stop = new AbortController();
  const ended = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const reader = new ByteReader(source, { signal: ended, flushes: true });
  const networks = new Networks(options, platform);
  const blocksAtOnce = new SideBySide(options, platform, () => networks.chosen);
  // the signal does not reach what runs elsewhere
  ended.addEventListener('abort', () => blocksAtOnce.close(ended.reason));
  const pauses = new Pauses(ended);
  const window = windowOf(options);
  const finder = new RepeatFinder(window, blockSize, leastCopy(plan));
  const allow = (bytes: number) =>
    checkMemory(
      bytes + finder.memory + held(),
      options.memoryLimit,
      'raise the limit, or use a lower level, smaller blocks or a smaller window',
    );
  const encoder = new BlockEncoder(plan, networks, pauses, allow);
  const cutter = new BlockCutter(reader, finder, {
    size,
    pauses,
    checksum: platform.crc32 ?? ownChecksum,
    allow: (bytes) => allow(bytes + blocksAtOnce.taken),
  });
  const advance = new Advance();
  let model: Model | undefined;
  let demand = 0;
  let bytesIn = 0;
  let bytesOut = 0;
  let blocks = 0;
  const tell = () =>
    onProgress?.({ bytesIn: bytesIn + advance.symbols, bytesOut: bytesOut + advance.payload });

  /** Blocks at the same time: as many as there is memory for, each with the bytes that were read for it. */
  const atOnce = () => {
    const { limit } = blocksAtOnce;
    if (limit === Number.POSITIVE_INFINITY) return blocksAtOnce.most(blockSize);
    const left = limit - History.memory(window) - MarkTable.memory(window) - held();
    const fit = Math.floor(left / (demand + blockSize));
    return fit < 2 ? 1 : Math.min(fit, blocksAtOnce.most(blockSize));
  };

  /** Codes a block: side by side with others unless it is the only one. */
  const code = async (block: SplitBlock, alone: boolean): Promise<Part['coded']> => {
    const { literals } = block;
    const progress: JobProgress = (symbols, payload) => {
      advance.of(block)(symbols, payload);
      tell();
    };
    const here = async () => {
      const coded = await networks.block(() => encoder.encode(literals, model, progress));
      return coded && { mode: coded.mode.name, streams: coded.streams, bytes: coded.payload };
    };
    // another block may still run here, whose worker has failed
    if (alone || atOnce() === 1) return blocksAtOnce.here(here);
    const { level, mode, streams } = options;
    const job = { kind: 'encode', bytes: literals, level, mode, streams } as const;
    const needs = {
      job: demand,
      beside: finder.memory + held(),
      device:
        plan.mode !== undefined && (await networks.onDevice(plan.mode, blockStreams(plan, literals.length))),
    };
    return blocksAtOnce.run(job, model, needs, progress, here);
  };

  /** Reads a block, and gives what codes it; undefined behind the end. */
  const next = async (): Promise<(() => Promise<Part>) | undefined> => {
    const cut = await cutter.next();
    if (!cut) return undefined;
    const { block, last } = cut;
    if (!block) return async () => cut;
    if (modelSource !== undefined) model ??= await platform.loadModel(modelSource);
    demand ||= await encoder.demand(blockSize, model);
    const alone = last && blocks === 0;
    blocks++;
    return async () => ({ ...cut, coded: await code(block, alone) });
  };

  const writer = new MemberWriter(window, size !== undefined && size > blockSize ? size : undefined);
  try {
    for await (const part of inOrder(next, atOnce)) {
      writer.add(part, model);
      if (part.block) {
        advance.ended(part.block);
        bytesIn += part.block.length;
      }
      await pauses.take();
      const chunk = writer.take();
      bytesOut += chunk.length;
      tell();
      yield chunk;
    }
  } finally {
    // what is coded here ends by it, and a source that owes a chunk is not waited for
    stop.abort();
    await blocksAtOnce.close(ended.reason);
    networks.close();
    await reader.close();
  }
}

/** Streams of a block that has as many as it may. */
const blockStreams = ({ mode, streams }: Plan, length: number) =>
  streamCount(length, streams, mode?.maxStreams);

/** Shortest copies for what blocks are coded with. */
function leastCopy({ mode, plain = mode }: Plan): LeastCopy {
  if (!mode) return LEAST_COPY.stored;
  const fast = !mode.network && mode.profile === 'fast' && plain?.profile === 'fast';
  return fast ? LEAST_COPY.fast : LEAST_COPY.full;
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
  return gathered.join(new Pauses(options.signal));
}
