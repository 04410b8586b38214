/** @file How numbers and tables read: sizes, shares, speeds, times. */
import { humanBytes } from '../../format-bytes.js';

/** A size for scripts and for people: "152089 bytes (148.5 KiB)". */
export function bothBytes(bytes: number): string {
  const raw = `${bytes} ${bytes === 1 ? 'byte' : 'bytes'}`;
  return bytes < 1024 ? raw : `${raw} (${humanBytes(bytes)})`;
}

/** `part` as a share of `whole`: "24.31%"; of nothing, "-". */
export function percent(part: number, whole: number): string {
  return whole > 0 ? `${((100 * part) / whole).toFixed(2)}%` : '-';
}

/** Length of the longest of these names, of which there may be very many. */
export function longest(names: readonly string[]): number {
  return names.reduce((most, name) => Math.max(most, name.length), 0);
}

/** Bytes per second: "1.2 MiB/s". */
export function rate(bytes: number, seconds: number): string {
  return seconds > 0 ? `${humanBytes(bytes / seconds)}/s` : '-';
}

/** Seconds as a clock: "0:07", "12:34", "3:04:05". */
export function clock(seconds: number): string {
  const s = Math.max(0, Math.round(seconds));
  const two = (n: number) => String(n).padStart(2, '0');
  const minutes = Math.floor(s / 60);
  return minutes < 60
    ? `${minutes}:${two(s % 60)}`
    : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(s % 60)}`;
}

/** "1 block", "2 blocks". */
export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

/**
 * Lines of a table with aligned columns: the columns named in `left` to the left, the others to the right.
 */
export function table(rows: readonly (readonly string[])[], left: readonly number[] = [0]): string {
  const widths: number[] = [];
  for (const row of rows)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  const line = (row: readonly string[]) =>
    row.map((cell, i) => (left.includes(i) ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}
