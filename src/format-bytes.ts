/** @file How sizes read, in messages of the library as in those of the command line. */

/** A size for people: "148.5 KiB". Below 1 KiB the number of bytes. */
export function humanBytes(bytes: number): string {
  if (bytes < 1024) return `${Math.round(bytes)} B`;
  let value = bytes;
  let unit = 'B';
  for (const larger of ['KiB', 'MiB', 'GiB', 'TiB']) {
    // 1023.95 would print as 1024.0
    if (value < 1023.95) break;
    value /= 1024;
    unit = larger;
  }
  return `${value.toFixed(1)} ${unit}`;
}
