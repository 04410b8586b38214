/** @file The tables of docs/cli.md, made of the declarations that the parser is made of. */
import { COMMANDS, type CommandSpec } from './commands.js';
import { OPTIONS, type OptionSpec } from './options.js';

/** Every command with its options, in Markdown. */
export function commandReference(): string {
  return COMMANDS.filter(({ name }) => name !== '')
    .map(section)
    .join('\n\n');
}

function section({ name, operands, summary, options }: CommandSpec): string {
  const rows = options.map((option) => row(OPTIONS[option]));
  return [
    `### shacomp ${name} ${operands.replaceAll('|', ' or ')}`,
    '',
    `${summary[0].toUpperCase()}${summary.slice(1)}.`,
    '',
    '| option | meaning |',
    '|---|---|',
    ...rows.filter((text) => text !== undefined),
  ].join('\n');
}

function row({ flags, description, choices, hidden, default: value }: OptionSpec): string | undefined {
  if (hidden) return undefined;
  const notes = [
    ...(choices ? [`one of ${choices.join(', ')}`] : []),
    ...(value === undefined ? [] : [`default: ${value}`]),
  ];
  const text = notes.length > 0 ? `${description} (${notes.join('; ')})` : description;
  return `| \`${flags}\` | ${text.replaceAll('|', '\\|')} |`;
}
