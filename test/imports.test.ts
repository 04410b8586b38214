/**
 * @file The picture of the imports: rooms on floors, no arrow up, no circle, and no way from the pure rooms
 * into Node.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '../src');

interface Import {
  to: string;
  /** types leave nothing in the program */
  type: boolean;
  /** import(): only when it is called */
  late: boolean;
}

/** The imports of every file below src: paths below src, or the names of packages. */
function imports(): Map<string, Import[]> {
  const graph = new Map<string, Import[]>();
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
    const path = join(entry.parentPath, entry.name);
    // comments name imports as well
    const text = readFileSync(path, 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
    const found: Import[] = [];
    const add = (source: string, type: boolean, late: boolean) => {
      const to = source.startsWith('.')
        ? relative(root, resolve(dirname(path), source)).replace(/\.js$/, '.ts')
        : source;
      found.push({ to, type, late });
    };
    for (const [, type, source] of text.matchAll(
      /^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm,
    ))
      add(source, type !== undefined, false);
    for (const [, source] of text.matchAll(/\bimport\(\s*'([^']+)'\s*\)/g)) add(source, false, true);
    graph.set(relative(root, path), found);
  }
  return graph;
}

const graph = imports();

/** A folder is an engine. */
const ENGINES = readdirSync(join(root, 'engines'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map(({ name }) => name);

/**
 * Floors from the ground up: a file imports files of its own floor and of those below. The first match
 * counts.
 */
const FLOORS: readonly (readonly string[])[] = [
  [
    'errors.ts',
    'crc32.ts',
    'range-coder.ts',
    'format-bytes.ts',
    'in-turn.ts',
    'once.ts',
    'node/env.ts',
    'node/file-errors.ts',
  ],
  ['model/'],
  ['slices.ts'],
  ['engines/engine.ts', 'engines/check.ts', 'engines/profiles.ts', 'engines/self-check.ts'],
  ENGINES.map((engine) => `engines/${engine}/`),
  ['engines/list.ts'],
  ['codec/container/', 'codec/event-loop.ts', 'codec/bytes.ts', 'codec/platform.ts'],
  ['codec/block/', 'codec/repeats/'],
  ['codec/options.ts', 'codec/session.ts', 'codec/strategy/'],
  ['codec/'],
  ['node/', 'browser/'],
  ['trainer/'],
  ['index.ts', 'train.ts'],
  ['cli/options.ts', 'cli/terminal/', 'cli/io/'],
  ['cli/commands/'],
  ['cli/'],
];

const floorOf = (path: string) => FLOORS.findIndex((rooms) => rooms.some((room) => path.startsWith(room)));

/** Everything that is loaded with a file, as "who: what". */
function reached(start: string[], { late }: { late: boolean }): Map<string, string> {
  const seen = new Map(start.map((path) => [path, path]));
  for (const path of seen.keys())
    for (const next of graph.get(path) ?? [])
      if (!next.type && (late || !next.late) && !seen.has(next.to)) seen.set(next.to, path);
  return seen;
}

const below = (...folders: string[]) =>
  [...graph.keys()].filter((path) => folders.some((folder) => path.startsWith(folder)));

describe('the imports', () => {
  it('are all found: every one leads to a file of the program or to a package', () => {
    expect(graph.size).toBeGreaterThan(60);
    for (const [path, found] of graph)
      for (const { to } of found)
        if (!/^(node:|@?[a-z])/.test(to) || to.endsWith('.ts'))
          expect([path, to, graph.has(to)]).toEqual([path, to, true]);
    expect(graph.get('codec/compress.ts')?.map(({ to }) => to)).toContain('codec/block/memory.ts');
  });

  it('never lead up: every file stands on a floor, and uses what is on it or below', () => {
    const up: string[] = [];
    for (const [path, found] of graph) {
      expect([path, floorOf(path) >= 0]).toEqual([path, true]);
      for (const { to } of found)
        if (graph.has(to) && floorOf(to) > floorOf(path)) up.push(`${path} > ${to}`);
    }
    expect(up).toEqual([]);
  });

  it('never lead in a circle, types and late imports included', () => {
    const done = new Set<string>();
    const visit = (path: string, way: string[]): void => {
      if (way.includes(path)) expect.fail([...way.slice(way.indexOf(path)), path].join(' > '));
      if (done.has(path)) return;
      for (const { to } of graph.get(path) ?? []) visit(to, [...way, path]);
      done.add(path);
    };
    for (const path of graph.keys()) visit(path, []);
    expect(done.size).toBeGreaterThan(60);
  });

  it('of the codec know engines by their types alone', () => {
    for (const path of below('codec/'))
      for (const { to, type } of graph.get(path)!)
        if (to.startsWith('engines/') && to !== 'engines/profiles.ts')
          expect([path, to, type]).toEqual([path, 'engines/engine.ts', true]);
  });

  it('are the only way to an engine: its name is compared with none, but with those of a list', () => {
    for (const path of graph.keys()) {
      const text = readFileSync(join(root, path), 'utf8');
      const chosen = text.match(new RegExp(`(===?|!==?|case) '(${ENGINES.join('|')})'`));
      expect([path, chosen?.[0]]).toEqual([path, undefined]);
    }
  });

  it('of one engine do not lead into another', () => {
    expect(ENGINES.length).toBeGreaterThan(4);
    // the arithmetic of the specification is no engine
    for (const engine of ENGINES)
      for (const path of below(`engines/${engine}/`))
        for (const { to } of graph.get(path)!)
          for (const other of ENGINES)
            if (other !== engine && to !== 'engines/reference/fixed-point.ts')
              expect([path, to.startsWith(`engines/${other}/`)]).toEqual([path, false]);
  });
});

describe('the library', () => {
  it('has no message in the words of the command line: no flag, no program', () => {
    const found: string[] = [];
    for (const path of graph.keys()) {
      if (path.startsWith('cli/')) continue;
      const text = readFileSync(join(root, path), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
      for (const [string] of text.matchAll(/'[^'\n]*'|`[^`]*`/g))
        if (/(^|[\s(])--?[a-z]|shacomp [a-z]+ (FILE|-)/.test(string.slice(1)))
          found.push(`${path}: ${string}`);
    }
    expect(found).toEqual([]);
  });
});

describe('the tests', () => {
  it('lie in the folders of src', () => {
    const folders = readdirSync(import.meta.dirname, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
      .map((entry) => relative(import.meta.dirname, entry.parentPath));
    for (const folder of new Set(folders))
      expect([folder, existsSync(join(root, folder))]).toEqual([folder, true]);
    expect(new Set(folders).size).toBeGreaterThan(8);
  });
});

describe('a page without Node', () => {
  const pure = below(
    'browser/',
    'codec/',
    'model/',
    ...ENGINES.filter((engine) => engine !== 'native').map((engine) => `engines/${engine}/`),
  );

  it('can have the codec, the models and the portable engines: nothing of Node comes with them', () => {
    const all = reached([...pure, 'engines/list.ts'], { late: true });
    const packages = [...all].filter(([to]) => !graph.has(to));
    for (const [to, from] of packages) expect(`${from}: ${to}`).toMatch(/: (@noble\/hashes\/|.*\.json$)/);
    for (const [to, from] of all) expect(`${from}: ${to}`).not.toMatch(/: (node|cli|trainer)\//);
    expect(all.size).toBeGreaterThan(35);
  });

  it('finds no global of Node in them either', () => {
    for (const path of pure)
      expect([path, readFileSync(join(root, path), 'utf8').match(/\b(Buffer|process)\b(?=[.(])/)]).toEqual([
        path,
        null,
      ]);
  });

  it('can leave out what only an encoder needs', () => {
    const decoder = reached(['codec/decompress.ts', 'engines/wasm/engine.ts'], { late: false });
    expect([...decoder.keys()].filter((path) => path.includes('trial') || path.includes('choose'))).toEqual(
      [],
    );
  });
});
