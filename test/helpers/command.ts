/**
 * @file Runs a command of the command line in this process, so that parts of it can be replaced or watched.
 */
import { vi } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.js';
import { build } from '../../src/cli/main.js';
import type { Flags } from '../../src/cli/options.js';

const hoisted = vi.hoisted(() => ({
  printed: '',
  results: 0,
  disk: undefined as ((bytes: Uint8Array) => Uint8Array) | undefined,
}));

/** What was printed, and what the disk does to what is written to files. */
export const system = hoisted;

vi.mock('../../src/cli/io/descriptors.js', async (original) => ({
  ...(await original<typeof import('../../src/cli/io/descriptors.js')>()),
  writeMessage(text: string) {
    hoisted.printed += text;
  },
}));

vi.mock('../../src/node/write-fully.js', async (original) => {
  const real = await original<typeof import('../../src/node/write-fully.js')>();
  return {
    ...real,
    async writeFully(fd: number, bytes: Uint8Array) {
      if (fd === 1) hoisted.results += bytes.length;
      else await real.writeFully(fd, hoisted.disk ? hoisted.disk(bytes) : bytes);
    },
  };
});

const specOf = (name: string) => COMMANDS.find((command) => command.name === name)!;

/** What a line such as ['--rm', 'a.txt'] says: the operands, and the flags with their defaults. */
export async function parse(words: string[], command = ''): Promise<{ operands: string[]; flags: Flags }> {
  let found: { operands: string[]; flags: Flags } | undefined;
  const spec = {
    ...specOf(command),
    run: async (operands: string[], flags: Flags) => {
      found = { operands, flags };
    },
  };
  await build(spec).parseAsync(words, { from: 'user' });
  return found!;
}

/**
 * Runs a line; gives what it printed on standard error. Errors of single files are in there, others are
 * thrown.
 */
export async function runHere(words: string[], command = ''): Promise<string> {
  Object.assign(system, { printed: '', results: 0 });
  await build(specOf(command)).parseAsync(words, { from: 'user' });
  return system.printed;
}
