/** @file Runs a command of the command line in this process, so that parts of it can be replaced or watched. */
import { vi } from 'vitest';
import { COMMANDS } from '../../src/cli/commands.js';
import { build } from '../../src/cli/main.js';
import type { Flags } from '../../src/cli/options.js';

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

/** Runs a line; gives what it printed on standard error. Errors of single files are in there, others are thrown. */
export async function runHere(words: string[], command = ''): Promise<string> {
  let printed = '';
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    printed += text.toString();
    return true;
  });
  try {
    const spec = specOf(command);
    await build(spec).parseAsync(words, { from: 'user' });
    return printed;
  } finally {
    spy.mockRestore();
  }
}
