/** @file The command `compress`. */
import { type CompressOptions, compressChunks, type IntegerModel, inspect, loadModel } from '../index.js';
import { shortId } from '../model/registry.js';
import { fileChunks, openOutput, removeInput, STANDARD, standardOutput } from './files.js';
import { count, percent, rate } from './format.js';
import { checkSingleOutput, codecOptions, forEachFile, openWithTarget, operands } from './inputs.js';
import { detail, note, verbose, warn } from './messages.js';
import type { Flags } from './options.js';
import { Progress } from './progress.js';
import { Tally, verifiedChunks, verifyCompressed } from './verify.js';

export async function compressFiles(operandFiles: string[], flags: Flags): Promise<void> {
  const files = operands(operandFiles);
  checkSingleOutput(files, flags);
  const model = await loadModel(flags.model);
  const options = { ...(await codecOptions(flags)), model, blockSize: flags.blockSize };
  const width = Math.max(...files.map((file) => file.length));
  const totals = { files: 0, before: 0, after: 0 };
  await forEachFile(
    files,
    flags,
    async (path) => {
      const sizes = await compressFile(path, flags, options, width);
      if (!sizes) return;
      totals.files++;
      totals.before += sizes.before;
      totals.after += sizes.after;
    },
    (name) => flags.force === true || !name.endsWith(flags.suffix),
  );
  if (totals.files > 1) note(summary(count(totals.files, 'file'), totals.before, totals.after, width));
}

type Options = CompressOptions & { model: IntegerModel; engine: { name: string; detail: string } };

async function compressFile(
  path: string,
  flags: Flags,
  options: Options,
  width: number,
): Promise<{ before: number; after: number } | undefined> {
  const opened = await openWithTarget(path, flags, {
    compressed: true,
    derive(name) {
      if (!name.endsWith(flags.suffix) || flags.force) return name + flags.suffix;
      return void warn(`already has the suffix ${flags.suffix}; skipped (use -f to compress it again)`, name);
    },
  });
  if (!opened) return undefined;
  const { input, target } = opened;
  const toFile = target.path !== STANDARD;
  const progress = new Progress({
    verb: 'compressing',
    name: input.name,
    total: input.size,
    flag: flags.progress,
  });
  try {
    const plain = new Tally();
    const output = toFile ? await openOutput(target.path, target.overwrite) : standardOutput();
    const verify = flags.verify || (flags.rm === true && toFile);
    const removes = flags.rm === true && toFile && input.path !== undefined && input.stats?.isFile() === true;
    const decoding = { model: options.model, engine: options.engine, memoryLimit: options.memoryLimit };
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
    } catch (error) {
      await output.discard();
      throw error;
    }
    progress.stop();
    if (removes && output.readBack) await removeInput(input.path!, input.stats!);
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
  const share = percent(after, before).padStart(7);
  return `${name.padEnd(width)} :${share} (${sizes}${target === undefined ? '' : `, ${target}`})`;
}

async function describeRun(
  { model, engine }: Options,
  length: number,
  seconds: number,
  written: string | undefined,
  verified: boolean,
): Promise<void> {
  detail(`  model ${model.name} (${shortId(model.id)}), engine ${engine.name} (${engine.detail})`);
  let structure = '';
  if (written !== undefined) {
    const streams: number[] = [];
    let stored = 0;
    for await (const record of inspect(fileChunks(written))) {
      if (record.kind !== 'block') continue;
      if (record.mode === 'stored') stored++;
      else streams.push(record.streams);
    }
    if (streams.length > 0)
      structure += `${count(streams.length, 'block')} of ${streams.length > 1 ? 'up to ' : ''}${count(Math.max(...streams), 'stream')}, `;
    if (stored > 0) structure += `${count(stored, 'stored block')}, `;
  }
  detail(`  ${structure}${rate(length, seconds)}, ${verified ? 'verified' : 'not verified'}`);
}
