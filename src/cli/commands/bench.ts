/** @file The command `bench`: size and speed beside other compressors, on the user's own files. */
import { readFile } from 'node:fs/promises';
import { DEFAULT_LEVEL } from '../../codec/strategy/levels.js';
import { systemName } from '../../node/names.js';
import { arithmeticCoding, type Compressor, compressors } from '../io/compressors.js';
import { writeMessage } from '../io/descriptors.js';
import { compressOptions, forEachFile } from '../io/inputs.js';
import type { Flags } from '../options.js';
import { bothBytes, count, rate, table } from '../terminal/format.js';
import { detail, note, reportError, UserError } from '../terminal/messages.js';
import { printable } from '../terminal/printable.js';
import { hasCursor, showsProgress } from '../terminal/progress.js';
import { result, resultJson } from '../terminal/results.js';

/** What one compressor made of one file. */
interface Measurement {
  compressor: string;
  bytes: number;
  compressedBytes: number;
  /** seconds, of the best run */
  compressSeconds: number;
  decompressSeconds: number;
}

export async function bench(files: string[], flags: Flags): Promise<void> {
  if (files.length === 0) throw new UserError('bench needs files to measure');
  const options = await compressOptions(flags);
  const { engine, model } = options;
  const how = flags.mode ?? `level ${options.level ?? DEFAULT_LEVEL}`;
  const settings = `${how}, ${model ? `model ${printable(model.name)}, ` : ''}engine ${engine.name} (${engine.detail})`;
  const all = await compressors(options, settings);
  if (flags.all) {
    const baseline = await arithmeticCoding();
    if (baseline) all.push(baseline);
    else note('arithmetic-coding is left out: it is not installed here (npm install arithmetic-coding)');
  }
  const unknown = flags.only?.filter((name) => !all.some((c) => c.name === name)) ?? [];
  if (unknown.length > 0)
    throw new UserError(
      `no compressor called ${unknown.join(', ')} here; there are ${all.map((c) => c.name).join(', ')}`,
    );
  const chosen = all.filter((c) => flags.only?.includes(c.name) ?? true);
  const measured: { file: string; measurements: Measurement[] }[] = [];
  if (!flags.json)
    for (const c of chosen)
      detail(`${c.name}: ${c.settings}${c.program ? ' (times include starting it)' : ''}`);

  await forEachFile(files, flags, async (path) => {
    const data = await readFile(systemName(path));
    if (data.length === 0) throw new UserError('is empty: there is nothing to measure');
    const measurements: Measurement[] = [];
    for (const compressor of chosen) {
      tell(`${printable(path)}: ${compressor.name} ...`, flags);
      try {
        measurements.push(await measure(compressor, data, flags.time));
      } catch (error) {
        tell('', flags);
        reportError(error, `${path}: ${compressor.name}`);
      }
    }
    tell('', flags);
    measured.push({ file: path, measurements });
    if (!flags.json)
      await print(`${printable(path)}, ${bothBytes(data.length)}`, measurements, measured.length > 1);
  });

  const totals = chosen.map((c) =>
    sum(
      c.name,
      measured.map((m) => m.measurements.find((x) => x.compressor === c.name)),
    ),
  );
  const complete = totals.filter((total) => total !== undefined);
  if (flags.json) {
    await resultJson({
      compressors: chosen.map(({ name, settings, program }) => ({ name, settings, program })),
      files: measured.map(({ file, measurements }) => ({ file, measurements: measurements.map(derived) })),
      total: complete.map(derived),
    });
  } else if (measured.length > 1 && complete.length > 0) {
    await print(`${count(measured.length, 'file')}, ${bothBytes(complete[0].bytes)}`, complete, true);
  }
}

/**
 * Compresses and decompresses for at least `least` seconds each, keeps the best times, and compares the
 * bytes.
 */
async function measure(compressor: Compressor, data: Uint8Array, least: number): Promise<Measurement> {
  const [compressed, compressSeconds] = await best(() => compressor.compress(data), least);
  const [restored, decompressSeconds] = await best(() => compressor.decompress(compressed), least);
  if (Buffer.compare(restored, data) !== 0) throw new UserError('gave other bytes back than it was given');
  return {
    compressor: compressor.name,
    bytes: data.length,
    compressedBytes: compressed.length,
    compressSeconds,
    decompressSeconds,
  };
}

async function best<T>(run: () => Promise<T>, least: number): Promise<[T, number]> {
  const begin = performance.now();
  let fastest = Number.POSITIVE_INFINITY;
  for (;;) {
    const start = performance.now();
    const value = await run();
    const end = performance.now();
    fastest = Math.min(fastest, (end - start) / 1000);
    if (end - begin >= 1000 * least) return [value, fastest];
  }
}

/** All files together; undefined if one could not be measured. */
function sum(compressor: string, list: (Measurement | undefined)[]): Measurement | undefined {
  const total = { compressor, bytes: 0, compressedBytes: 0, compressSeconds: 0, decompressSeconds: 0 };
  for (const m of list) {
    if (!m) return undefined;
    total.bytes += m.bytes;
    total.compressedBytes += m.compressedBytes;
    total.compressSeconds += m.compressSeconds;
    total.decompressSeconds += m.decompressSeconds;
  }
  return list.length > 0 ? total : undefined;
}

const derived = (m: Measurement) => ({
  ...m,
  ratio: m.bytes / m.compressedBytes,
  bitsPerByte: (8 * m.compressedBytes) / m.bytes,
});

async function print(title: string, measurements: Measurement[], separate: boolean): Promise<void> {
  const rows = measurements.map((m) => [
    `  ${m.compressor}`,
    String(m.compressedBytes),
    (m.bytes / m.compressedBytes).toFixed(3),
    ((8 * m.compressedBytes) / m.bytes).toFixed(3),
    rate(m.bytes, m.compressSeconds),
    rate(m.bytes, m.decompressSeconds),
  ]);
  const head = ['  compressor', 'bytes', 'ratio', 'bits/byte', 'compress', 'decompress'];
  await result(`${separate ? '\n' : ''}${title}\n${table([head, ...rows])}`);
}

/** Says what is being measured, on a line that the next one replaces. */
function tell(text: string, flags: Flags): void {
  if (hasCursor() && showsProgress(flags.progress)) writeMessage(`\r\x1b[K${text}`);
}
