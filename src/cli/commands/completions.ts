/**
 * @file The command `completions`: what a shell needs to complete the words of this program, made of their
 * declarations.
 */
import { type CommandSpec, OPTIONS, type OptionSpec } from '../options.js';
import { UserError } from '../terminal/messages.js';
import { result } from '../terminal/results.js';

/** What follows an option: nothing, one of some words, a file, a folder, or what nobody can guess. */
type Value = 'none' | readonly string[] | 'file' | 'folder' | 'text';

interface Completion {
  /** "-o" and "--output", or one of them */
  flags: string[];
  value: Value;
  /** of the value, for people */
  placeholder: string;
  description: string;
}

/** An option as shells see it. */
function completionOf({ flags, choices, description }: OptionSpec): Completion {
  const placeholder = /<(.*)>/.exec(flags)?.[1] ?? '';
  const value: Value = !placeholder
    ? 'none'
    : (choices ??
      (placeholder === 'folder'
        ? 'folder'
        : /^(file|checkpoint|input=n)$|\.sharnn$/.test(placeholder) || flags.startsWith('-m,')
          ? 'file'
          : 'text'));
  return { flags: flags.replace(/ <.*/, '').split(', '), value, placeholder, description };
}

/** The options of a command, hidden ones left out, and --help. */
const optionsOf = ({ name, options }: CommandSpec): Completion[] => [
  ...options
    .map((option): OptionSpec => OPTIONS[option])
    .filter(({ hidden }) => !hidden)
    .map(completionOf),
  completionOf({ flags: '-h, --help', description: 'print this help' }),
  ...(name === '' ? [completionOf({ flags: '-V, --version', description: 'print the version' })] : []),
];

const words = (commands: readonly CommandSpec[]) => commands.map(({ name }) => name).filter(Boolean);

/** For bash 3.2 and later. Where it offers nothing, the shell completes names of files. */
function bash(commands: readonly CommandSpec[]): string {
  const values = new Map<string, Value>();
  for (const { flags, value } of commands.flatMap(optionsOf))
    for (const flag of flags) values.set(flag, value);
  const withValue = [...values].filter(([, value]) => value !== 'none');
  const flagsWhere = (test: (value: Value) => boolean) =>
    withValue.filter(([, value]) => test(value)).map(([flag]) => flag);
  const choices = withValue.flatMap(([flag, value]) =>
    Array.isArray(value)
      ? [`    ${flag}) COMPREPLY=( $(compgen -W "${value.join(' ')}" -- "$cur") ); return ;;`]
      : [],
  );
  const optionWords = (spec: CommandSpec) =>
    optionsOf(spec)
      .flatMap(({ flags }) => flags)
      .join(' ');
  return `# completions of shacomp for bash: eval "$(shacomp completions bash)"
_shacomp() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} options
  COMPREPLY=()
  case $prev in
${choices.join('\n')}
    ${flagsWhere((v) => v === 'folder').join('|')}) COMPREPLY=( $(compgen -d -- "$cur") ); return ;;
    ${flagsWhere((v) => v === 'file' || v === 'text').join('|')}) return ;;
  esac
  case \${COMP_WORDS[1]} in
${commands
  .filter(({ name }) => name !== '')
  .map((spec) => `    ${spec.name}) options="${optionWords(spec)}" ;;`)
  .join('\n')}
    *) options="${optionWords(commands[0])}" ;;
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=( $(compgen -W "$options" -- "$cur") )
  elif [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=( $(compgen -W "${words(commands).join(' ')} help" -- "$cur") )
  elif [[ \${COMP_WORDS[1]} == help ]]; then
    COMPREPLY=( $(compgen -W "${words(commands).join(' ')}" -- "$cur") )
  elif [[ \${COMP_WORDS[1]} == completions ]]; then
    COMPREPLY=( $(compgen -W "${SHELLS.join(' ')}" -- "$cur") )
  fi
}
complete -o default -F _shacomp shacomp
`;
}

function zsh(commands: readonly CommandSpec[]): string {
  const quoted = (text: string) => text.replaceAll("'", "'\\''");
  const inBrackets = (text: string) => quoted(text.replaceAll(/[[\]:\\]/g, '\\$&'));
  const action = (value: Value) =>
    Array.isArray(value)
      ? `(${value.join(' ')})`
      : value === 'file'
        ? '_files'
        : value === 'folder'
          ? '_files -/'
          : ' ';
  const option = ({ flags, value, placeholder, description }: Completion) => {
    const after = value === 'none' ? '' : `:${inBrackets(placeholder)}:${action(value)}`;
    const about = `[${inBrackets(description)}]${after}`;
    return flags.length > 1
      ? `'(${flags.join(' ')})'{${flags.join(',')}}'${about}'`
      : `'${flags[0]}${about}'`;
  };
  const call = (spec: CommandSpec) =>
    ['_arguments -s -S', ...optionsOf(spec).map(option), "'*:file:_files'"].join(' \\\n        ');
  return `#compdef shacomp
# completions of shacomp for zsh: a file _shacomp in a folder of $fpath, or eval "$(shacomp completions zsh)"
_shacomp() {
  local -a commands=(
${commands
  .filter(({ name }) => name !== '')
  .map(({ name, summary }) => `    '${name}:${inBrackets(summary)}'`)
  .join('\n')}
    'help:say more about a command'
  )
  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then
    _describe command commands
    _files
    return
  fi
  case $words[2] in
${commands
  .filter(({ name }) => name !== '' && name !== 'completions')
  .map((spec) => `    ${spec.name})\n      ${call(spec)} ;;`)
  .join('\n')}
    completions) _values shell ${SHELLS.join(' ')} ;;
    help) _describe command commands ;;
    *)
      ${call(commands[0])} ;;
  esac
}
if [[ $funcstack[1] == _shacomp ]]; then _shacomp "$@"; else compdef _shacomp shacomp; fi
`;
}

function fish(commands: readonly CommandSpec[]): string {
  const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const all = [...words(commands), 'help'].join(' ');
  const option = ({ flags, value, description }: Completion) => [
    ...flags.map((flag) => (flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`)),
    ...(value === 'none'
      ? []
      : Array.isArray(value)
        ? [`-x -a ${quoted(value.join(' '))}`]
        : value === 'file'
          ? ['-r -F']
          : value === 'folder'
            ? ["-x -a '(__fish_complete_directories)'"]
            : ['-x']),
    `-d ${quoted(description)}`,
  ];
  const lines = commands.flatMap((spec) => {
    const where =
      spec.name === ''
        ? `not __fish_seen_subcommand_from ${all}`
        : `__fish_seen_subcommand_from ${spec.name}`;
    return optionsOf(spec).map((one) => ['complete -c shacomp', `-n '${where}'`, ...option(one)].join(' '));
  });
  return [
    '# completions of shacomp for fish: shacomp completions fish > ~/.config/fish/completions/shacomp.fish',
    ...commands
      .filter(({ name }) => name !== '')
      .map(
        ({ name, summary }) =>
          `complete -c shacomp -n __fish_use_subcommand -a ${name} -d ${quoted(summary)}`,
      ),
    "complete -c shacomp -n __fish_use_subcommand -a help -d 'say more about a command'",
    `complete -c shacomp -n '__fish_seen_subcommand_from help' -f -a ${quoted(words(commands).join(' '))}`,
    `complete -c shacomp -n '__fish_seen_subcommand_from completions' -f -a '${SHELLS.join(' ')}'`,
    ...lines,
    '',
  ].join('\n');
}

const WRITERS = { bash, zsh, fish } as const;
const SHELLS = Object.keys(WRITERS);

/** The script for a shell. @throws UserError if it is none that is known */
export function completions(shell: string | undefined, commands: readonly CommandSpec[]): string {
  if (shell !== undefined && Object.hasOwn(WRITERS, shell))
    return WRITERS[shell as keyof typeof WRITERS](commands);
  throw new UserError(`name a shell: shacomp completions ${SHELLS.join('|')}`);
}

export async function printCompletions(operands: string[], commands: readonly CommandSpec[]): Promise<void> {
  if (operands.length > 1) throw new UserError('completions takes one shell');
  await result(completions(operands[0], commands).trimEnd());
}
