/**
 * @file The command line: finds the command, reads its options, runs it, and turns errors into an exit code.
 */
import { isatty } from 'node:tty';
import { Command, CommanderError, Option } from 'commander';
import { ENVIRONMENT } from '../node/env.js';
import { version } from '../node/version.js';
import { gpuMessages } from '../node/webgpu.js';
import { losslessWords } from './arguments.js';
import { COMMANDS } from './commands.js';
import { STDERR, writeMessage } from './io/descriptors.js';
import { cleanUp, endBySignal, handleSignals, SignalInterrupt } from './io/signals.js';
import { EXAMPLES, EXIT_CODES, OPERANDS } from './manual.js';
import { type CommandSpec, type Flags, OPTIONS, type OptionSpec } from './options.js';
import { table } from './terminal/format.js';
import {
  EXIT,
  exitCode,
  fail,
  LEVEL,
  note,
  reportError,
  setVerbosity,
  UserError,
} from './terminal/messages.js';
import { printableLines } from './terminal/printable.js';
import { finishResults, writeResult } from './terminal/results.js';

const MORE_HELP = `
Commands (without one, files are compressed):
${table(
  COMMANDS.filter(({ name }) => name !== '').map(({ name, summary }) => [`  ${name}`, summary]),
  [0, 1],
)}
  help COMMAND says more about each.

${OPERANDS.join('\n')}

Exit codes: ${EXIT_CODES.map((row) => row.join(' ')).join(', ')}.

Environment:
${table(
  ENVIRONMENT.map(({ name, meaning }) => [`  ${name}`, meaning]),
  [0, 1],
)}

Examples:
${table(
  EXAMPLES.map(([line, meaning]) => [`  ${line}`, meaning]),
  [0, 1],
)}`;

/** Runs the command line. Sets the exit code; never throws. */
export async function main(argv: string[]): Promise<void> {
  handleSignals();
  // what a terminal does not show is lost; of a pipe, Node.js would make one that does not block
  if (isatty(STDERR)) process.stderr.on('error', () => {});
  const unexpected = (error: unknown) => {
    cleanUp();
    reportError(error);
    process.exit(EXIT.error);
  };
  process.on('uncaughtException', unexpected);
  process.on('unhandledRejection', unexpected);
  try {
    await run(argv);
    finishResults();
  } catch (error) {
    // its work is saved and said
    if (error instanceof SignalInterrupt) return endBySignal(error.signal);
    cleanUp();
    reportError(error);
  }
  process.exitCode = exitCode();
}

async function run(argv: string[]): Promise<void> {
  let words = losslessWords(argv);
  // "help COMMAND" is "COMMAND --help"
  if (words[0] === 'help') words = [...words.slice(1, 2), '--help'];
  const named = COMMANDS.find(({ name }) => name !== '' && name === words[0]);
  if (argv[0] === 'help' && !named && words.length > 1)
    throw new UserError(`there is no command "${words[0]}"; see shacomp --help`);
  const help: string[] = [];
  const options = words.includes('--') ? words.slice(0, words.indexOf('--')) : words;
  // commander takes "-12" for -1 and -2
  const level = options.find((word) => /^-(?:0|\d\d+)$/.test(word));
  if (level)
    throw new UserError(`there is no level ${level.slice(1)}, they go from -1 to -9; a file is ./${level}`);
  const command = build(named ?? COMMANDS[0], (text) => help.push(text));
  try {
    await command.parseAsync(named ? words.slice(1) : words, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // commander has said what is wrong, or made the text of the help or the version
    if (error.exitCode !== 0) fail();
    await writeResult(Buffer.from(help.join('')));
  }
}

/** The parser of one command. @param show takes the help and the version */
export function build(spec: CommandSpec, show: (text: string) => void = () => {}): Command {
  const command = new Command(['shacomp', spec.name].join(' ').trim())
    .description(
      spec.name === '' ? 'Compresses files with a recurrent neural network.' : sentence(spec.summary),
    )
    .helpOption('-h, --help', 'print this help')
    .exitOverride()
    .configureHelp({ helpWidth: 100 })
    .configureOutput({
      writeOut: show,
      writeErr: (text) => writeMessage(printableLines(text)),
      outputError(text, write) {
        const message = text
          .replace(' is invalid. ', ' is invalid: ')
          .replace(/^error: /, '')
          .trim()
          .replace(/\.$/, '')
          .replaceAll(/\s*\n\s*/g, ' ');
        write(`shacomp: ${message}; see ${command.name()} --help\n`);
      },
    });
  if (spec.operands !== '') command.argument(spec.operands);
  command.usage(`[options] ${spec.operands}`.trim());
  if (spec.name === '') {
    command.version(`shacomp ${version}`, '-V, --version', 'print the version');
    command.addHelpText('after', MORE_HELP);
  }
  let verbosity: number = LEVEL.normal;
  for (const name of spec.options) {
    const from: OptionSpec = OPTIONS[name];
    const option = new Option(from.flags, from.description);
    if (from.choices) option.choices(from.choices);
    if (from.hidden) option.hideHelp();
    if (from.parse) option.argParser(from.parse);
    if (from.default !== undefined) option.default(from.default);
    command.addOption(option);
    command.on(`option:${option.name()}`, () => {
      verbosity += from.verbosity ?? 0;
      for (const [key, value] of Object.entries(from.sets ?? {})) command.setOptionValue(key, value);
    });
  }
  return command.action(async () => {
    setVerbosity(verbosity);
    gpuMessages.fallback = note;
    await spec.run(command.args, { ...command.opts<Flags>(), verbosity });
  });
}

const sentence = (text: string) => `${text[0].toUpperCase()}${text.slice(1)}.`;
