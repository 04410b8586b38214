/** @file The commands `decompress` and `test`. */
import { MAGIC } from '../../codec/container/format.js';
import { type DecompressOptions, decompressChunks } from '../../index.js';
import { type Input, openInput, openOutput, removeInput, STANDARD, standardOutput } from '../io/files.js';
import {
  checkSingleOutput,
  codecOptions,
  decompression,
  displayName,
  forEachFile,
  openWithTarget,
  operands,
} from '../io/inputs.js';
import { Tally, verifyWritten } from '../io/verify.js';
import type { Worklist } from '../io/worklist.js';
import type { Flags } from '../options.js';
import { longest, rate } from '../terminal/format.js';
import { detail, note, warn } from '../terminal/messages.js';
import { inputProgress } from '../terminal/progress.js';

type Options = DecompressOptions & { engine: { name: string; detail: string } };

export async function decompressFiles(operandFiles: string[], flags: Flags): Promise<void> {
  const files = operands(operandFiles);
  checkSingleOutput(files, flags);
  const options = await codecOptions(flags, () => decompression(files, flags));
  const width = longest(files.map(displayName));
  await forEachFile(
    files,
    flags,
    (path, run) => decompressFile(path, run, flags, options, width),
    (name) => name.endsWith(flags.suffix),
  );
}

async function decompressFile(
  path: string,
  run: Worklist,
  flags: Flags,
  options: Options,
  width: number,
): Promise<void> {
  const opened = await openWithTarget(path, run, flags, {
    compressed: false,
    derive(name) {
      if (name.endsWith(flags.suffix) && !/(^|[/\\])\.[^/\\.]+$/.test(name))
        return name.slice(0, -flags.suffix.length);
      const why = name.endsWith(flags.suffix) ? 'has nothing before' : 'does not end in';
      return void warn(`${why} ${flags.suffix}; skipped (name the output with -o, or use -c)`, name);
    },
  });
  if (!opened) return;
  const { input, target } = opened;
  const toFile = target.path !== STANDARD;
  const progress = inputProgress('decompressing', input, flags);
  try {
    const output = toFile
      ? await openOutput(target.path, target.overwrite, { sparse: flags.sparse })
      : standardOutput();
    const written = new Tally();
    const coded = new Tally();
    try {
      const { head, chunks } = await peek(input, MAGIC.length);
      const foreign = MAGIC.some((byte, i) => head[i] !== byte);
      // as `zcat -f`: what is not compressed passes through
      const blocks =
        foreign && flags.force && flags.stdout
          ? chunks
          : decompressChunks(coded.through(chunks), {
              ...options,
              onProgress: ({ bytesIn }) => progress.update(bytesIn),
            });
      for await (const block of blocks) {
        written.add(block);
        await output.write(block);
      }
      await output.finish(input.stats);
      if (output.readBack && (flags.verify || flags.rm)) await verifyWritten(output.readBack(), written);
      await output.commit();
      if (toFile) await run.wrote(target.path, path);
    } catch (error) {
      await output.discard();
      throw error;
    }
    const { seconds } = progress;
    progress.stop();
    if (flags.rm && output.readBack && input.path !== undefined && input.stats?.isFile())
      await removeInput(input.path, input.stats);
    else if (await input.changed())
      warn('has changed while it was read; the output holds what was read', path);
    const line = `${input.name.padEnd(width)} : ${String(written.length).padStart(6)} bytes`;
    if (toFile) note(`${line} (${output.name})`);
    else detail(line);
    detail(`  engine ${options.engine.name} (${options.engine.detail}), ${rate(written.length, seconds)}`);
  } finally {
    progress.stop();
    await input.close();
  }
}

/** The first bytes of an input, and all of its chunks. */
async function peek(
  input: Input,
  length: number,
): Promise<{ head: Uint8Array; chunks: AsyncGenerator<Uint8Array> }> {
  const source = input.chunks();
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < length) {
    const { done, value } = await source.next();
    if (done) break;
    // copied: a chunk is only valid until the next one
    head = Buffer.concat([head, value]);
  }
  async function* chunks() {
    if (head.length > 0) yield head;
    yield* source;
  }
  return { head, chunks: chunks() };
}

/** Decompresses files to nowhere. */
export async function testFiles(operandFiles: string[], flags: Flags): Promise<void> {
  const files = operands(operandFiles);
  const options = await codecOptions(flags, () => decompression(files, flags));
  const width = longest(files.map(displayName));
  await forEachFile(
    files,
    flags,
    async (path) => {
      const input = await openInput(path);
      const progress = inputProgress('testing', input, flags);
      try {
        const decoded = await new Tally().drain(
          decompressChunks(input.chunks(), {
            ...options,
            onProgress: ({ bytesIn }) => progress.update(bytesIn),
          }),
        );
        const { seconds } = progress;
        progress.stop();
        note(`${displayName(path).padEnd(width)} : ok, ${decoded.length} bytes`);
        detail(
          `  engine ${options.engine.name} (${options.engine.detail}), ${rate(decoded.length, seconds)}`,
        );
      } finally {
        progress.stop();
        await input.close();
      }
    },
    (name) => name.endsWith(flags.suffix),
  );
}
