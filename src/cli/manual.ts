/** @file The tables of docs/cli.md and the man page, made of the declarations that the parser is made of. */
import { ENVIRONMENT } from '../node/env.js';
import { COMMANDS } from './commands.js';
import { type CommandSpec, OPTIONS, type OptionSpec } from './options.js';

/** What the help and the man page say of operands. */
export const OPERANDS = [
  'Without files, standard input is compressed or decompressed to standard output; "-" stands for either.',
  "A file whose name is a command's is given as ./NAME.",
] as const;

export const EXIT_CODES = [
  ['0', 'all is well'],
  ['1', 'an error'],
  ['2', 'something was skipped or changed while it was read'],
] as const;

export const EXAMPLES = [
  ['shacomp book.txt', 'writes book.txt.sha'],
  ['shacomp -d book.txt.sha', 'writes book.txt'],
  ['tar c src | shacomp > src.tar.sha', ''],
  ['shacomp bench *.txt', 'compares with other compressors'],
] as const;

/** Every command with its options, in Markdown. */
export function commandReference(): string {
  return COMMANDS.filter(({ name }) => name !== '')
    .map(section)
    .join('\n\n');
}

function section({ name, operands, summary, options }: CommandSpec): string {
  const rows = options.map((option) => row(OPTIONS[option])).filter((text) => text !== undefined);
  return [
    `### shacomp ${name} ${operands.replaceAll('|', ' or ')}`.trim(),
    '',
    `${summary[0].toUpperCase()}${summary.slice(1)}.`,
    ...(rows.length > 0 ? ['', '| option | meaning |', '|---|---|', ...rows] : []),
  ].join('\n');
}

function row(option: OptionSpec): string | undefined {
  if (option.hidden) return undefined;
  return `| \`${option.flags}\` | ${meaning(option).replaceAll('|', '\\|')} |`;
}

function meaning({ description, choices, default: value }: OptionSpec): string {
  const notes = [
    ...(choices ? [`one of ${choices.join(', ')}`] : []),
    ...(value === undefined ? [] : [`default: ${value}`]),
  ];
  return notes.length > 0 ? `${description} (${notes.join('; ')})` : description;
}

/** The page of `man shacomp`, in the man macros of roff. */
export function manPage(): string {
  const [main, ...commands] = COMMANDS;
  const entry = (tag: string, text: string) => ['.TP', `.B ${roff(tag)}`, roff(text)];
  const options = (spec: CommandSpec) =>
    spec.options
      .map((name): OptionSpec => OPTIONS[name])
      .filter(({ hidden }) => !hidden)
      .flatMap((option) => entry(option.flags, meaning(option)));
  return [
    '.\\" Made of the options by scripts/cli-docs.mjs',
    '.TH SHACOMP 1 "" shacomp "User Commands"',
    '.SH NAME',
    'shacomp \\- compress files with a recurrent neural network',
    '.SH SYNOPSIS',
    ...[main, ...commands].flatMap(({ name, operands }, i) => [
      ...(i > 0 ? ['.br'] : []),
      `.B ${roff(`shacomp ${name}`.trim())}`,
      roff(`[options] ${operands}`.trim()),
    ]),
    '.SH DESCRIPTION',
    roff('The first word may be a command; without one, files are compressed, or what -d, -t or -l say.'),
    ...OPERANDS.map(roff),
    '.SH OPTIONS',
    ...options(main),
    '.SH COMMANDS',
    ...commands.flatMap((spec) => [
      `.SS ${roff(`${spec.name} ${spec.operands}`.trim())}`,
      roff(`${spec.summary[0].toUpperCase()}${spec.summary.slice(1)}.`),
      ...options(spec),
    ]),
    '.SH "EXIT STATUS"',
    ...EXIT_CODES.flatMap(([code, text]) => entry(code, text)),
    '.SH ENVIRONMENT',
    ...ENVIRONMENT.flatMap(({ name, meaning }) => entry(name, meaning)),
    '.SH EXAMPLES',
    ...EXAMPLES.flatMap(([line, text]) => entry(line, text)),
    '',
  ].join('\n');
}

/** Text for roff: backslashes, minus signs and quotes as they are, and no line that begins a request. */
const roff = (text: string): string =>
  text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('’', '\\(cq').replace(/^[.']/, '\\&$&');
