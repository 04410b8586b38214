/** @file The command `compress`. */
import { type CompressOptions, compressChunks, inspect, type Mode } from '../../index.js';
import { shortId } from '../../model/id.js';
import { fileChunks, openOutput, removeInput, STANDARD, standardOutput } from '../io/files.js';
import {
  checkSingleOutput,
  compressOptions,
  displayName,
  forEachFile,
  openWithTarget,
  operands,
} from '../io/inputs.js';
import { Tally, verifiedChunks, verifyCompressed } from '../io/verify.js';
import type { Worklist } from '../io/worklist.js';
import type { Flags } from '../options.js';
import { count, longest, percent, rate } from '../terminal/format.js';
import { detail, note, verbose, warn } from '../terminal/messages.js';
import { printable } from '../terminal/printable.js';
import { inputProgress, Progress } from '../terminal/progress.js';

export async function compressFiles(operandFiles: string[], flags: Flags): Promise<void> {
  const files = operands(operandFiles);
  checkSingleOutput(files, flags);
  const options = await compressOptions(flags, files);
  const width = longest(files.map(displayName));
  const totals = { files: 0, before: 0, after: 0 };
  await forEachFile(
    files,
    flags,
    async (path, run) => {
      const sizes = await compressFile(path, run, flags, options, width);
      if (!sizes) return;
      totals.files++;
      totals.before += sizes.before;
      totals.after += sizes.after;
    },
    (name) => !name.endsWith(flags.suffix),
  );
  if (totals.files > 1) note(summary(count(totals.files, 'file'), totals.before, totals.after, width));
}

type Options = Awaited<ReturnType<typeof compressOptions>>;

async function compressFile(
  path: string,
  run: Worklist,
  flags: Flags,
  options: Options,
  width: number,
): Promise<{ before: number; after: number } | undefined> {
  const opened = await openWithTarget(path, run, flags, {
    compressed: true,
    derive(name) {
      if (!name.endsWith(flags.suffix) || flags.force) return name + flags.suffix;
      return void warn(`already has the suffix ${flags.suffix}; skipped (use -f to compress it again)`, name);
    },
  });
  if (!opened) return undefined;
  const { input, target } = opened;
  const toFile = target.path !== STANDARD;
  const progress = inputProgress('compressing', input, flags);
  try {
    const plain = new Tally();
    const output = toFile ? await openOutput(target.path, target.overwrite) : standardOutput();
    const verify = flags.verify || (flags.rm === true && toFile);
    const removes = flags.rm === true && toFile && input.path !== undefined && input.stats?.isFile() === true;
    const { model, engine, threads, memoryLimit } = options;
    const decoding = { model, engine, threads, memoryLimit };
    let after = 0;
    let seconds = 0;
    try {
      let chunks = compressChunks(plain.through(input.chunks()), {
        ...options,
        size: input.size,
        onProgress: ({ bytesIn }) => progress.update(bytesIn),
      });
      if (verify && !output.readBack) chunks = verifiedChunks(chunks, plain, decoding);
      for await (const chunk of chunks) {
        await output.write(chunk);
        after += chunk.length;
      }
      seconds = progress.seconds;
      await output.finish(input.stats);
      if (verify && output.readBack) {
        progress.stop();
        await verifyOutput(output.readBack(), plain, decoding, input.name, flags);
      }
      await output.commit();
      if (toFile) await run.wrote(target.path, path);
    } catch (error) {
      await output.discard();
      throw error;
    }
    progress.stop();
    if (removes && output.readBack) await removeInput(input.path!, input.stats!);
    else if (await input.changed())
      warn('has changed while it was read; the output holds what was read', path);
    const line = summary(input.name, plain.length, after, width, output.name);
    if (toFile) note(line);
    else detail(line);
    if (verbose())
      await describeRun(options, plain.length, seconds, toFile ? target.path : undefined, verify);
    return { before: plain.length, after };
  } finally {
    progress.stop();
    await input.close();
  }
}

async function verifyOutput(
  written: AsyncGenerator<Uint8Array>,
  plain: Tally,
  options: CompressOptions,
  name: string,
  flags: Flags,
): Promise<void> {
  const progress = new Progress({ verb: 'verifying', name, total: plain.length, flag: flags.progress });
  try {
    await verifyCompressed(written, plain, {
      ...options,
      onProgress: ({ bytesOut }) => progress.update(bytesOut),
    });
  } finally {
    progress.stop();
  }
}

function summary(name: string, before: number, after: number, width: number, target?: string): string {
  const sizes = `${String(before).padStart(6)} => ${String(after).padStart(6)} bytes`;
  const share = percent(after, before).padStart(6);
  return `${name.padEnd(width)} : ${share} (${sizes}${target === undefined ? '' : `, ${target}`})`;
}

async function describeRun(
  { model, engine }: Options,
  length: number,
  seconds: number,
  written: string | undefined,
  verified: boolean,
): Promise<void> {
  const network = model ? `model ${printable(model.name)} (${shortId(model.id)}), ` : '';
  detail(`  ${network}engine ${engine.name} (${engine.detail})`);
  const modes = written === undefined ? '' : `${await describeBlocks(written)}, `;
  detail(`  ${modes}${rate(length, seconds)}, ${verified ? 'verified' : 'not verified'}`);
}

/** "2 blocks network (64 streams), 1 block stored". */
async function describeBlocks(path: string): Promise<string> {
  const modes = new Map<Mode, { blocks: number; streams: number }>();
  for await (const record of inspect(fileChunks(path))) {
    if (record.kind !== 'block') continue;
    const { blocks, streams } = modes.get(record.mode) ?? { blocks: 0, streams: 0 };
    modes.set(record.mode, { blocks: blocks + 1, streams: Math.max(streams, record.streams) });
  }
  const parts = [...modes].map(
    ([mode, { blocks, streams }]) =>
      `${count(blocks, 'block')} ${mode}${streams > 0 ? ` (${count(streams, 'stream')})` : ''}`,
  );
  return parts.join(', ') || 'no blocks';
}
