/**
 * @file The environment variables, declared once: the help, docs/cli.md and `shacomp info` are made from this
 * list.
 */

interface Variable {
  name: string;
  /** one line for the help */
  meaning: string;
  /** what docs/cli.md adds to it */
  more?: string;
}

export const ENVIRONMENT = [
  {
    name: 'SHACOMP_MODELS',
    meaning: 'folders with more models, separated as in PATH; searched before those that ship',
    more: 'a model is a file `NAME.sharnn`',
  },
  {
    name: 'SHACOMP_ENGINE',
    meaning: 'engine to use where none is chosen',
    more: '`native`, `wasm`, `reference`, `webgpu` or `tfjs`',
  },
  {
    name: 'SHACOMP_LEVEL',
    meaning: 'level to compress at, 1 to 9, where no flag says',
    more: '[levels.md](levels.md) says what each does',
  },
  {
    name: 'SHACOMP_THREADS',
    meaning: 'threads of the native engine where none are asked for',
  },
  {
    name: 'SHACOMP_ISA',
    meaning: 'instruction set of the native engine and of training; otherwise the best one',
    more:
      '`avx512`, `avxvnni`, `avx2`, `dotprod` or `baseline`, in training also `avx512bf16` or `amxbf16`; ' +
      'one that the processor lacks is refused',
  },
  {
    name: 'XDG_CACHE_HOME',
    meaning: 'folder of caches, instead of ~/.cache: measurements of engines are there',
    more: 'in `shacomp/engines.json`',
  },
  { name: 'NO_COLOR', meaning: 'if set, nothing is coloured' },
  { name: 'SHACOMP_DEBUG', meaning: 'if set, errors come with a stack trace' },
] as const satisfies Variable[];

export type EnvironmentVariable = (typeof ENVIRONMENT)[number]['name'];

/** The value of a variable; undefined if it is not set, or empty. */
export const environment = (name: EnvironmentVariable): string | undefined => process.env[name] || undefined;

/** The rows of docs/cli.md. */
export const environmentTable = (): string =>
  [
    '| variable | meaning |',
    '|---|---|',
    ...ENVIRONMENT.map((variable: Variable) => {
      const { name, meaning, more } = variable;
      return `| \`${name}\` | ${more === undefined ? meaning : `${meaning}; ${more}`} |`;
    }),
  ].join('\n');
