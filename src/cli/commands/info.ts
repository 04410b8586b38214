/** @file The command `info`: what is in a `.sha` or `.sharnn` file, and what this installation can do. */
import { blockMemory, streamMemory } from '../../codec/block/memory.js';
import { CODED_MODES } from '../../codec/block/modes.js';
import { History, historyMemory } from '../../codec/repeats/history.js';
import { humanBytes } from '../../format-bytes.js';
import { type Architecture, engines, inspect, type Mode, models, ShacompError } from '../../index.js';
import { parameterCount } from '../../model/architecture.js';
import { shortId } from '../../model/id.js';
import { selectEngine } from '../../node/engines.js';
import { ENVIRONMENT, environment } from '../../node/env.js';
import { modelFolders, readModelFile } from '../../node/models.js';
import { version } from '../../node/version.js';
import { openInput, STANDARD } from '../io/files.js';
import { forEachFile, operands } from '../io/inputs.js';
import type { Flags } from '../options.js';
import { engineTable } from '../terminal/engines.js';
import { bothBytes, count, percent, table } from '../terminal/format.js';
import { verbose } from '../terminal/messages.js';
import { printable } from '../terminal/printable.js';
import { result, resultJson } from '../terminal/results.js';

/** What is known about a compressed file without decompressing it. */
interface CompressedInfo {
  kind: 'compressed';
  file: string;
  compressedBytes: number;
  originalBytes: number;
  members: number;
  /** first 8 bytes of the model's id in hexadecimal; null if all blocks are stored */
  model: { id: string; name: string | null } | null;
  /** bytes of memory to decompress, beside the model; null if the model is not installed */
  memory: number | null;
  /** bytes over which copies may reach; 0 where there are none */
  window: number;
  blocks: {
    offset: number;
    mode: Mode;
    originalBytes: number;
    codedBytes: number;
    streams: number;
    copies: number;
    copiedBytes: number;
    /** bytes of the record of the copies */
    copiesBytes: number;
  }[];
}

interface ModelInfo {
  kind: 'model';
  file: string;
  name: string;
  id: string;
  bytes: number;
  parameters: number;
  architecture: Architecture;
  /** bytes of memory for every lockstep stream */
  memoryPerStream: number;
}

/** Facts about files, one after the other; without files, about this installation. */
export async function info(files: string[], flags: Flags): Promise<void> {
  if (files.length === 0) return describeInstallation(flags);
  const found: (CompressedInfo | ModelInfo)[] = [];
  await forEachFile(files, flags, async (path) => {
    const facts = await examine(path);
    found.push(facts);
    if (!flags.json) await result((found.length > 1 ? '\n' : '') + describeFile(facts));
  });
  if (flags.json) await resultJson(found);
}

/** A table of compressed files, one per line. */
export async function list(operandFiles: string[], flags: Flags): Promise<void> {
  const files = operands(operandFiles);
  const found: CompressedInfo[] = [];
  await forEachFile(
    files,
    flags,
    async (path) => {
      found.push(await examineCompressed(path));
    },
    (name) => name.endsWith(flags.suffix),
  );
  if (flags.json) return resultJson(found);
  if (found.length === 0) return;
  if (verbose()) return result(found.map(describeFile).join('\n\n'));
  const row = (f: Pick<CompressedInfo, 'compressedBytes' | 'originalBytes'>, blocks: number) => [
    String(blocks),
    String(f.compressedBytes),
    humanBytes(f.compressedBytes),
    String(f.originalBytes),
    humanBytes(f.originalBytes),
    percent(f.compressedBytes, f.originalBytes),
  ];
  const rows = [
    ['Blocks', 'Compressed', '', 'Original', '', 'Ratio', 'Model', 'File'],
    ...found.map((f) => [
      ...row(f, f.blocks.length),
      printable(f.model?.name ?? f.model?.id ?? '-'),
      printable(f.file),
    ]),
  ];
  if (found.length > 1) {
    const sum = (of: (f: CompressedInfo) => number) => found.reduce((total, f) => total + of(f), 0);
    const totals = {
      compressedBytes: sum((f) => f.compressedBytes),
      originalBytes: sum((f) => f.originalBytes),
    };
    rows.push([
      ...row(
        totals,
        sum((f) => f.blocks.length),
      ),
      '',
      count(found.length, 'file'),
    ]);
  }
  await result(table(rows, [6, 7]));
}

/** Reads what a file is. @throws ShacompError if it is neither a compressed file nor a model */
async function examine(path: string): Promise<CompressedInfo | ModelInfo> {
  if (path.endsWith('.sharnn')) return examineModel(path);
  try {
    return await examineCompressed(path);
  } catch (error) {
    if (!(error instanceof ShacompError) || path === STANDARD) throw error;
    // a model by another name? The formats begin alike, so that it may look like a later version
    if (error.code !== 'ERR_NOT_SHACOMP' && error.code !== 'ERR_UNSUPPORTED_VERSION') throw error;
    return await examineModel(path).catch(() => {
      if (error.code === 'ERR_UNSUPPORTED_VERSION') throw error;
      throw new ShacompError('ERR_NOT_SHACOMP', 'neither a shacomp file nor a model');
    });
  }
}

async function examineModel(file: string): Promise<ModelInfo> {
  const { name, id, bytes, architecture } = await readModelFile(file);
  return {
    kind: 'model',
    file,
    name,
    id: Buffer.from(id).toString('hex'),
    bytes: bytes.length,
    parameters: parameterCount(architecture),
    architecture,
    memoryPerStream: streamMemory(await selectEngine('auto'), architecture),
  };
}

async function examineCompressed(path: string): Promise<CompressedInfo> {
  const input = await openInput(path);
  try {
    return await readRecords(path === STANDARD ? input.name : path, input.chunks());
  } finally {
    await input.close();
  }
}

async function readRecords(file: string, chunks: AsyncIterable<Uint8Array>): Promise<CompressedInfo> {
  const facts: CompressedInfo = {
    kind: 'compressed',
    file,
    compressedBytes: 0,
    originalBytes: 0,
    members: 0,
    model: null,
    memory: 0,
    window: 0,
    blocks: [],
  };
  const installed = await models();
  let architecture: Architecture | undefined;
  // of the member: how far copies reach, and the original bytes so far
  let window = 0;
  let seen = 0;
  for await (const record of inspect(chunks)) {
    if (record.kind === 'member') {
      facts.members++;
      window = 0;
      seen = 0;
    } else if (record.kind === 'window') {
      window = record.window;
      facts.window = Math.max(facts.window, window);
    } else if (record.kind === 'model') {
      const id = shortId(record.id);
      const model = installed.find((m) => shortId(m.id) === id);
      facts.model = { id, name: model?.name ?? null };
      architecture = model?.architecture;
    } else if (record.kind === 'block') {
      const { offset, mode: name, length, expanded, copies, copiesLength, codedLength, streams } = record;
      facts.blocks.push({
        offset,
        mode: name,
        originalBytes: expanded,
        codedBytes: codedLength,
        streams,
        copies: copies.length,
        copiedBytes: expanded - length,
        copiesBytes: copiesLength,
      });
      const mode = CODED_MODES.find((m) => m.name === name);
      const known = !mode?.network || architecture !== undefined;
      const engine = mode && (await selectEngine());
      const network =
        mode?.network && architecture && engine ? engine.memory(architecture, streams) : undefined;
      const mixing = mode?.profile && engine ? engine.mixing : undefined;
      const kernels = mode?.network && engine ? engine.streams : undefined;
      seen += expanded;
      // a decoder asks for room for the whole window first
      const need = Math.max(
        blockMemory({ length, expanded, codedLength, streams, mode, network, mixing, kernels }) +
          (window > 0 ? historyMemory(window, seen) : 0),
        History.memory(window),
      );
      facts.memory = known && facts.memory !== null ? Math.max(facts.memory, need) : null;
    } else if (record.kind === 'end') {
      facts.originalBytes += record.length;
      facts.compressedBytes = record.offset;
    }
  }
  return facts;
}

function describeFile(facts: CompressedInfo | ModelInfo): string {
  return facts.kind === 'model' ? describeModel(facts) : describeCompressed(facts);
}

function describeCompressed(f: CompressedInfo): string {
  const modes = new Map<string, number>();
  for (const block of f.blocks) modes.set(block.mode, (modes.get(block.mode) ?? 0) + 1);
  const bits =
    f.originalBytes > 0 ? `, ${((8 * f.compressedBytes) / f.originalBytes).toFixed(3)} bits per byte` : '';
  const model =
    f.model && (f.model.name ? `${printable(f.model.name)} (${f.model.id})` : `${f.model.id}, not installed`);
  const lines = [
    ['compressed', bothBytes(f.compressedBytes)],
    ['original', bothBytes(f.originalBytes)],
    ['ratio', `${percent(f.compressedBytes, f.originalBytes)}${bits}`],
    ['members', String(f.members)],
    ['blocks', [...modes].map(([mode, n]) => `${n} ${mode}`).join(', ') || '0'],
    ['streams', String(f.blocks.reduce((most, block) => Math.max(most, block.streams), 0))],
    ['copies', describeCopies(f)],
    ['model', model ?? 'none needed'],
    ['memory', f.memory === null ? 'unknown' : `${humanBytes(f.memory)} to decompress, beside the model`],
  ];
  const blocks = f.blocks.map((b, i) => [
    `  block ${i + 1}`,
    `at ${b.offset}`,
    b.mode,
    `${b.originalBytes} => ${b.codedBytes} bytes`,
    count(b.streams, 'stream'),
    b.copies > 0
      ? `${b.copies} ${b.copies === 1 ? 'copy' : 'copies'}, ${b.copiedBytes} => ${b.copiesBytes} bytes`
      : '',
  ]);
  return [
    heading(printable(f.file), lines),
    ...(verbose() && blocks.length > 0 ? [table(blocks, [0, 1, 2, 3, 4, 5])] : []),
  ].join('\n');
}

/** "12 of 3400000 bytes, over 128 MiB". */
function describeCopies({ blocks, window }: CompressedInfo): string {
  const copies = blocks.reduce((sum, block) => sum + block.copies, 0);
  const bytes = blocks.reduce((sum, block) => sum + block.copiedBytes, 0);
  const reach = window > 0 ? `, over ${humanBytes(window)} at most` : '';
  return `${copies}${copies > 0 ? ` of ${count(bytes, 'byte')}` : ''}${reach}`;
}

function describeModel(m: ModelInfo): string {
  const { width, layers, boom, window, attention } = m.architecture;
  return heading(printable(m.file), [
    ['model', printable(m.name)],
    ['id', m.id],
    ['size', bothBytes(m.bytes)],
    ['parameters', String(m.parameters)],
    ['network', `width ${width}, ${count(layers, 'layer')}, boom ${boom}`],
    [
      'attention',
      attention.length > 0
        ? `over ${window} bytes in layer ${attention.map((l) => l + 1).join(', ')}`
        : 'none',
    ],
    ['memory', `${bothBytes(m.memoryPerStream)} for every stream`],
  ]);
}

const heading = (title: string, lines: string[][]) =>
  `${title}\n${table(
    lines.map(([key, value]) => [`  ${key}`, value]),
    [0, 1],
  )}`;

async function describeInstallation(flags: Flags): Promise<void> {
  const available = await engines();
  const variables = ENVIRONMENT.map(({ name }) => [name, environment(name)] as const);
  const installed = await models();
  const platform = { node: process.version, platform: `${process.platform}-${process.arch}` };
  if (flags.json) {
    return resultJson({
      version,
      ...platform,
      engines: available,
      environment: Object.fromEntries(variables.map(([name, value]) => [name, value ?? null])),
      modelFolders: modelFolders(),
      models: installed.map((m) => ({
        name: m.name,
        path: m.path,
        id: Buffer.from(m.id).toString('hex'),
        bytes: m.size,
        parameters: parameterCount(m.architecture),
        architecture: m.architecture,
      })),
    });
  }
  await result(`shacomp ${version}, Node.js ${platform.node}, ${platform.platform}`);
  await result('\nengines');
  await result(engineTable(available));
  await result('\nmodels');
  if (installed.length === 0) await result(`  none in ${modelFolders().join(', ')}`);
  else
    await result(
      table(
        installed.map((m) => [
          `  ${printable(m.name)}`,
          shortId(m.id),
          `${(parameterCount(m.architecture) / 1e6).toFixed(2)} M parameters`,
          bothBytes(m.size),
          printable(m.path),
        ]),
        [0, 1, 4],
      ),
    );
  const set = variables.filter(([, value]) => value !== undefined);
  if (set.length === 0) return;
  await result('\nenvironment');
  await result(
    table(
      set.map(([name, value]) => [`  ${name}`, `${value}`]),
      [0, 1],
    ),
  );
}
