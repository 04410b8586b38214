/** @file The words and the width of comments and pages: CONTRIBUTING.md, "Rules". */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const WIDEST = 110;

/** Words for people, which hide what a machine does, each with words to take instead. */
const FOR_PEOPLE: [RegExp, string][] = [
  [/\bopinions?\b/i, 'prediction'],
  [/\bthinks\b/i, 'predicts, computes'],
  [/\bspeaks\b/i, 'describes, reports'],
  [/\bbreath\b/i, 'pause'],
  [/\bpace\b/i, 'speed, rate, bottleneck'],
  [/\bhears?\b/i, 'is told, receives'],
];

/** Comments of code: whole lines of them. */
const COMMENT = /^\s*(\/\/|\/?\*)/;

function files(): string[] {
  const of = [
    'src',
    'cpp',
    'docs',
    'web',
    'scripts',
    'bench',
    'training',
    'test',
    '*.md',
    'models/*.md',
    ':!fixtures',
  ];
  try {
    const listed = execFileSync('git', ['ls-files', '-z', ...of], { cwd: ROOT, encoding: 'utf8' });
    return listed
      .split('\0')
      .filter((file) => /\.(ts|mjs|h|cc|wgsl|md)$/.test(file) && existsSync(join(ROOT, file)));
  } catch {
    return [];
  }
}

/**
 * The lines of prose: of a page all but tables, code and what has no space to break at; of code its comments.
 */
function* prose(file: string): Generator<[number, string]> {
  let code = false;
  const lines = readFileSync(join(ROOT, file), 'utf8').split('\n');
  for (const [n, line] of lines.entries()) {
    if (file.endsWith('.md')) {
      if (/^\s*```/.test(line)) code = !code;
      if (!code && !/^(\s*(\||<|```)| {4}(?!\s*[*-] ))/.test(line)) yield [n + 1, line];
    } else if (COMMENT.test(line)) {
      yield [n + 1, line];
    }
  }
}

const FILES = files();

describe.skipIf(FILES.length === 0)('comments and pages', () => {
  it(`are at most ${WIDEST} columns wide`, () => {
    const wide = FILES.flatMap((file) =>
      [...prose(file)].filter(([, line]) => breakable(line)).map(([n]) => `${file}:${n}`),
    );
    expect(wide).toEqual([]);
  });

  it('do not speak of machines as of people', () => {
    const found = FILES.filter((file) => file !== 'test/prose.test.ts').flatMap((file) =>
      [...prose(file)].flatMap(([n, line]) =>
        FOR_PEOPLE.filter(([word]) => word.test(line)).map(
          ([word, better]) => `${file}:${n}: ${word.source} (${better})`,
        ),
      ),
    );
    expect(found).toEqual([]);
  });
});

/** Is wider than allowed, and could have been broken earlier. */
function breakable(line: string): boolean {
  return (
    line.length > WIDEST &&
    line.trimStart().slice(0, WIDEST).includes(' ') &&
    line.lastIndexOf(' ', WIDEST) > 60
  );
}
