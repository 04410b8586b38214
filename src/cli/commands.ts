/** @file Every command, declared once: its words, its options and what runs it. */
import { CODING, type CommandSpec, FILES, NETWORK, TALK } from './options.js';

// commands are loaded late, so that none waits for what only another one needs
const compress: CommandSpec['run'] = async (files, flags) =>
  (await import('./commands/compress.js')).compressFiles(files, flags);
const decompress: CommandSpec['run'] = async (files, flags) =>
  (await import('./commands/decompress.js')).decompressFiles(files, flags);
const test: CommandSpec['run'] = async (files, flags) =>
  (await import('./commands/decompress.js')).testFiles(files, flags);
const list: CommandSpec['run'] = async (files, flags) =>
  (await import('./commands/info.js')).list(files, flags);

const byOperation = { compress, decompress, test, list };

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: '',
    operands: '[files...]',
    summary: 'compress files, or with -d decompress them',
    options: [
      'compress',
      'decompress',
      'test',
      'list',
      ...FILES,
      'verify',
      'sparse',
      ...CODING,
      ...NETWORK,
      ...TALK,
      'json',
    ],
    run: (files, flags) => byOperation[flags.operation ?? 'compress'](files, flags),
  },
  {
    name: 'compress',
    operands: '[files...]',
    summary: 'compress each FILE to FILE.sha',
    options: [...FILES, 'verify', ...CODING, ...NETWORK, ...TALK],
    run: compress,
  },
  {
    name: 'decompress',
    operands: '[files...]',
    summary: 'decompress each FILE.sha to FILE',
    options: [...FILES, 'verify', 'sparse', ...NETWORK, ...TALK],
    run: decompress,
  },
  {
    name: 'test',
    operands: '[files...]',
    summary: 'check that compressed files decompress, without writing anything',
    options: ['recursive', 'suffix', ...NETWORK, ...TALK],
    run: test,
  },
  {
    name: 'info',
    operands: '[files...]',
    summary: 'say what is in compressed files and models; without files, which engines and models are here',
    options: ['json', 'recursive', 'quiet', 'verbose'],
    run: async (files, flags) => (await import('./commands/info.js')).info(files, flags),
  },
  {
    name: 'engines',
    operands: '',
    summary: 'say what engines run on here, or why they do not, and how fast they were measured to be',
    options: ['measure', 'measuredModel', 'threads', 'json', 'quiet', 'verbose'],
    run: async (_operands, flags) => (await import('./commands/engines.js')).listEngines(flags),
  },
  {
    name: 'eval',
    operands: '[files...]',
    summary: 'bits per byte of files: by the model’s cross-entropy, and really coded',
    options: [...CODING, ...NETWORK, 'recursive', 'json', ...TALK],
    run: async (files, flags) => (await import('./commands/eval.js')).evaluate(files, flags),
  },
  {
    name: 'explain',
    operands: '[file]',
    summary: 'where the bits of a file went: its text coloured by cost, and what would have made it smaller',
    options: ['html', 'json', 'tsv', 'lines', 'limit', 'overwrite', ...CODING, ...NETWORK, ...TALK],
    run: async (files, flags) => (await import('./commands/explain.js')).explainFile(files, flags),
  },
  {
    name: 'bench',
    operands: '<files...>',
    summary: 'size and speed beside gzip, brotli, zstd, xz and bzip2, with every round trip checked',
    options: ['only', 'all', 'time', ...CODING, ...NETWORK, 'recursive', 'json', ...TALK],
    run: async (files, flags) => (await import('./commands/bench.js')).bench(files, flags),
  },
  {
    name: 'train',
    operands: '<files|folders...>',
    summary: 'train a model on text',
    options: [
      'modelOutput',
      'report',
      'preset',
      'from',
      'resume',
      'timeLimit',
      'steps',
      'batch',
      'rate',
      'optimizer',
      'seed',
      'weight',
      'heldOut',
      'name',
      'bits',
      'engine',
      'threads',
      'overwrite',
      ...TALK,
    ],
    run: async (files, flags) => (await import('./commands/train.js')).trainModel(files, flags),
  },
  {
    name: 'quantize',
    operands: '<checkpoint>',
    summary: 'make a model of a float checkpoint',
    options: ['modelOutput', 'name', 'calibrate', 'bits', 'engine', 'threads', 'overwrite', ...TALK],
    run: async (files, flags) => (await import('./commands/quantize.js')).quantizeFile(files, flags),
  },
  {
    name: 'completions',
    operands: '<bash|zsh|fish>',
    summary: 'print what makes the shell complete commands, options and their values',
    options: [],
    run: async (operands) => (await import('./commands/completions.js')).printCompletions(operands, COMMANDS),
  },
];
