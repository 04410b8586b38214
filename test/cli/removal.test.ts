/** @file When an input may go: only after its output was read back from the disk and gave the input again. */
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { runHere, system } from '../helpers/command.js';

// only now: what the helper replaces must not have been imported before it
const { compress, decompress } = await import('../../src/index.js');

/** Whether the encoder codes other bytes. */
const fault = vi.hoisted(() => ({ encoder: false }));

vi.mock('../../src/node/codec.js', async (original) => {
  const real = await original<typeof import('../../src/node/codec.js')>();
  return {
    ...real,
    // every checksum is right, but of a block that was never read
    compressChunks: (source: AsyncIterable<Uint8Array>, options?: object) =>
      real.compressChunks(fault.encoder ? firstByteChanged(source) : source, options),
  };
});

function changed(bytes: Uint8Array): Uint8Array {
  const other = Uint8Array.from(bytes);
  other[other.length - 1] ^= 1;
  return other;
}

async function* firstByteChanged(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) yield changed(chunk);
}

const text = Buffer.from('what is removed must be found again\n'.repeat(200));
let folder: string;
const file = (name: string) => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shacomp-removal-'));
  writeFileSync(file('input'), text);
  vi.stubEnv('SHACOMP_LEVEL', '1');
});
afterEach(() => {
  fault.encoder = false;
  system.disk = undefined;
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** The words of a line; OUT is a file of the folder. */
const words = (line: string) =>
  line
    .split(' ')
    .filter(Boolean)
    .map((word) => (word === 'OUT' ? file(word) : word));

const MISMATCH = 'does not decompress to the input';

describe('with an encoder that codes other bytes', () => {
  beforeEach(() => {
    fault.encoder = true;
  });

  it.each([
    '--rm --no-verify',
    '--no-verify --rm',
    '--rm',
    '--rm --no-verify -f',
    '--rm --no-verify -o OUT',
    '',
  ])('"%s" keeps the input and no output', async (line) => {
    const printed = await runHere([...words(line), file('input')]);
    expect(printed).toContain(MISMATCH);
    expect(readdirSync(folder)).toEqual(['input']);
    expect(readFileSync(file('input'))).toEqual(text);
  });

  it('--no-verify alone does not look: that is what it is for', async () => {
    expect(await runHere(['--no-verify', file('input')])).not.toContain(MISMATCH);
    expect(readdirSync(folder)).toEqual(['input', 'input.sha']);
  });
});

describe('with a disk that keeps other bytes', () => {
  it.each(['--rm --no-verify', '--rm', ''])('"%s" keeps the input of compression', async (line) => {
    system.disk = changed;
    expect(await runHere([...words(line), file('input')])).toContain(MISMATCH);
    expect(readdirSync(folder)).toEqual(['input']);
  });

  it.each(['--rm --no-verify', '--rm', ''])('"%s" keeps the input of decompression', async (line) => {
    writeFileSync(file('copy.sha'), await compress(text, { level: 1 }));
    system.disk = changed;
    expect(await runHere(['-d', ...words(line), file('copy.sha')])).toContain('check the disk');
    expect(readdirSync(folder)).toEqual(['copy.sha', 'input']);
  });
});

describe('an input that changes while it is decompressed', () => {
  beforeEach(async () => {
    writeFileSync(file('copy.sha'), await compress(text, { level: 1 }));
    system.disk = (bytes) => {
      utimesSync(file('copy.sha'), 1e9, 1e9);
      return bytes;
    };
  });

  it('is warned about, and the output holds what was read', async () => {
    expect(await runHere(['-d', '-o', file('OUT'), file('copy.sha')])).toContain(
      'has changed while it was read; the output holds what was read',
    );
    expect(readFileSync(file('OUT'))).toEqual(text);
  });

  it('is not removed by --rm', async () => {
    expect(await runHere(['-d', '--rm', '-o', file('OUT'), file('copy.sha')])).toContain(
      'has changed since it was read; it was not removed',
    );
    expect(existsSync(file('copy.sha'))).toBe(true);
  });
});

describe('--rm', () => {
  it('removes an input whose output was verified, and only then', async () => {
    await runHere(['--rm', '--no-verify', file('input')]);
    expect(readdirSync(folder)).toEqual(['input.sha']);
    expect(Buffer.from(await decompress(readFileSync(file('input.sha'))))).toEqual(text);
    await runHere(['-d', '--rm', '--no-verify', file('input.sha')]);
    expect(readdirSync(folder)).toEqual(['input']);
    expect(readFileSync(file('input'))).toEqual(text);
  });

  it('does not follow a symbolic link, with -o either: the link would go and its file stay', async () => {
    symlinkSync(file('input'), file('link'));
    const printed = await runHere(['--rm', '-o', file('output'), file('link')]);
    expect(printed).toContain('is a symbolic link; skipped');
    expect(readdirSync(folder)).toEqual(['input', 'link']);
    // without --rm nothing is at stake
    await runHere(['-o', file('output'), file('link')]);
    expect(existsSync(file('output'))).toBe(true);
  });

  it('keeps an input that goes to a device, which cannot be read back', async () => {
    await runHere(['--rm', '-o', '/dev/null', file('input')]);
    writeFileSync(file('copy.sha'), await compress(text, { level: 1 }));
    await runHere(['-d', '--rm', '-o', '/dev/null', file('copy.sha')]);
    expect(readdirSync(folder)).toEqual(['copy.sha', 'input']);
  });

  it('keeps what is not compressed: only with -c does -f pass it through', async () => {
    expect(await runHere(['-d', '-f', '--rm', '-o', file('output'), file('input')])).toContain(
      'not in shacomp format',
    );
    expect(readdirSync(folder)).toEqual(['input']);
  });

  it('keeps an input that goes to standard output, which cannot be read back', async () => {
    await runHere(['--rm', '-c', '-f', file('input')]);
    expect(system.results).toBeGreaterThan(0);
    expect(readdirSync(folder)).toEqual(['input']);
  });
});
