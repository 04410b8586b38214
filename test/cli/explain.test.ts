/** @file The command `explain`: text by cost, tables, JSON and pages. */
import { describe, expect, it } from 'vitest';
import { type Explanation, totals } from '../../src/codec/explain/explain.js';
import { type ReportData, unpack } from '../../src/codec/explain/report-data.js';
import { eachInFolder, hasTerminals } from '../helpers/cli.js';
import { sampleText } from '../helpers/letters-model.js';

const folder = eachInFolder();
const text = sampleText(3000);

/** What the page of a report holds. */
function dataOf(page: string): ReportData {
  const [, json] = page.match(/<script type="application\/json" id="data">([\s\S]*?)<\/script>/)!;
  return JSON.parse(json);
}

describe('shacomp explain', () => {
  it('prints lines with their bits, sums, kinds of bytes, expensive lines and advice, without colour in a pipe', async () => {
    const f = folder();
    f.write('a', text);
    const { stdout, stderr, code } = await f.run(['explain', '-6', '--lines', '3', 'a']);
    expect([stderr, code]).toEqual(['', 0]);
    const shown = stdout.toString();
    expect(shown).not.toContain('\x1b');
    const [head, ...lines] = shown.split('\n');
    expect(head).toBe('   bits');
    for (const [i, line] of text.toString().split('\n').slice(0, 3).entries())
      expect(lines[i].replace(/^ +\d+ /, '')).toBe(line);
    expect(lines[3]).toMatch(/… \d+ lines more/);
    expect(shown).toMatch(/a: 3000 bytes => \d+ bytes at level 6 \(network-mixing-full\)/);
    for (const part of [
      'contexts alone',
      'network alone (letters)',
      'other letters of a word',
      'Most expensive lines',
    ])
      expect(shown).toContain(part);
  });

  it('says in JSON what every byte cost, in sum the coded size', async () => {
    const f = folder();
    f.write('a', text);
    const { stdout } = await f.run(['explain', '-6', '--json', 'a']);
    const found = JSON.parse(stdout.toString());
    const bits = found.bytes.reduce((sum: number, { coded }: { coded: number }) => sum + coded, 0);
    expect(Math.abs(8 * found.blocks[0].codedLength - bits)).toBeLessThan(40);
    expect(found.bytes).toHaveLength(3000);
    expect(found.bytes[5]).toMatchObject({ offset: 5, byte: text[5], won: expect.any(String) });
    expect(found.bytes[5].likeliest).toHaveLength(5);
    expect(found.bytes[5].codedLikeliest).toHaveLength(5);
    expect(found.bytes[5].codedLikeliest).not.toEqual(found.bytes[5].likeliest);
    await f.run(['-6', 'a']);
    expect(found.fileBytes).toBe(f.read('a.sha').length);
    expect(found.trials.map(({ level }: { level: number }) => level)).toContain(3);
  });

  it('prints a row for every byte with --tsv, the same numbers', async () => {
    const f = folder();
    f.write('a', text);
    const { stdout } = await f.run(['explain', '-4', '--tsv', 'a']);
    const found = JSON.parse((await f.run(['explain', '-4', '--json', 'a'])).stdout.toString());
    const [head, ...rows] = stdout.toString().trim().split('\n');
    const columns = ['offset', 'byte', 'coded', 'contexts', 'network', 'won', 'likeliest', 'codedLikeliest'];
    expect(head.split('\t')).toEqual(columns);
    expect(rows).toHaveLength(3000);
    rows.forEach((row, i) => {
      const [offset, byte, coded, contexts, network, won, , likely] = row.split('\t');
      const named: [number, number][] = found.bytes[i].codedLikeliest;
      expect(likely).toBe(named.map(([value, p]) => `${value}:${p}`).join(' '));
      expect([offset, byte, won]).toEqual([String(i), String(text[i]), found.bytes[i].won]);
      const { bytes } = found;
      expect([coded, contexts, network].map(Number)).toEqual([
        bytes[i].coded,
        bytes[i].contexts,
        bytes[i].network,
      ]);
    });
  });

  it('writes a page that needs nothing else, and no text can break out of it', async () => {
    const f = folder();
    const hostile = '</script><script>alert(1)</script> <!-- $& $1 \u2028 &lt;\n'.repeat(20);
    f.write('a', hostile);
    expect(await f.run(['explain', '-6', 'a', '--html', 'r.html'])).toMatchObject({ code: 0 });
    const page = f.read('r.html').toString();
    expect(page).not.toMatch(/(?:src|href)=["']?(?:https?:|\/\/|\.)/);
    expect(page.match(/<\/script>/g)).toHaveLength(2);
    const data = dataOf(page);
    if (data.kind !== 'explain') throw new Error('another page');
    const { explanation } = data;
    expect(Buffer.from(unpack(explanation).bytes).toString()).toBe(hostile);
    expect(explanation.advice.length).toBeGreaterThan(0);
    const again = await f.run(['explain', 'a', '--html', 'r.html']);
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('already exists; use -f') });
    expect((await f.run(['explain', 'a', '--html', 'r.html', '-f'])).code).toBe(0);
    expect(await f.run(['explain', 'a', '--html', './a', '-f'])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('./a: is the input itself; name another file'),
    });
    expect(f.read('a').toString()).toBe(hostile);
  });

  it('maps by offset what is no text', async () => {
    const f = folder();
    f.write(
      'a',
      Uint8Array.from({ length: 4000 }, (_, i) => (i % 7 ? 0 : i >> 4)),
    );
    const shown = (await f.run(['explain', 'a'])).stdout.toString();
    expect(shown).toMatch(/^Offset/);
    expect(shown.match(/^0x[0-9a-f]{6}/gm)).toHaveLength(32);
    expect(shown).not.toContain('Most expensive lines');
  });

  it('explains the beginning of what is longer than --limit, and says so', async () => {
    const f = folder();
    f.write('a', text);
    const shown = (await f.run(['explain', 'a', '--limit', '1K'])).stdout.toString();
    expect(shown).toContain('1024 bytes, the first of 3000: --limit says how many');
    expect((await f.run(['explain', 'a', '--limit', '65M'])).stderr).toContain('give a size up to 64M');
  });

  it('takes standard input, an empty one too, and one file only', async () => {
    const f = folder();
    expect((await f.run(['explain'], { input: text })).stdout.toString()).toContain(
      'standard input: 3000 bytes',
    );
    expect(await f.run(['explain', '-'], { input: Buffer.alloc(0) })).toMatchObject({ code: 0, stderr: '' });
    f.write('a', text);
    expect((await f.run(['explain', 'a', 'a'])).stderr).toContain('too many arguments');
    expect((await f.run(['explain', 'a', '--json', '--tsv'])).stderr).toContain('give one of them');
  });

  it('shows controls of a terminal in a text as escapes', async () => {
    const f = folder();
    f.write('a', `plain \x1b]0;title\x07 and é\n${'and so on\n'.repeat(30)}`);
    const shown = (await f.run(['explain', 'a'])).stdout.toString();
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
    expect(shown).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f]/);
    expect(shown).toContain('\\x1b]0;title\\x07');
  });

  describe.skipIf(!hasTerminals)('on a terminal', () => {
    it('colours characters by cost, unless NO_COLOR is set', async () => {
      const f = folder();
      f.write('a', 'zebra! '.repeat(30));
      const { screen } = await f.terminal('unset NO_COLOR; shacomp explain -q a');
      expect(screen).toContain('\x1b[48;5;');
      expect(screen).toContain('8 bits and more');
      const plain = await f.terminal('NO_COLOR=1 shacomp explain -q a');
      expect(plain.screen).not.toContain('\x1b[');
    });
  });
});

describe('shacomp train --report', () => {
  it('keeps a page with the learning curve, held-out files, what rounding cost, and a text by its cost', async () => {
    const f = folder();
    f.write('text', sampleText(60_000));
    const run = await f.run([
      ...['train', 'text', '-o', 'm.sharnn', '--preset', 'tiny', '--steps', '6', '--batch', '4'],
      ...['--report', 'r.html'],
    ]);
    expect([run.code, run.stderr]).toEqual([0, expect.stringContaining('the run is shown in r.html')]);
    const data = dataOf(f.read('r.html').toString());
    if (data.kind !== 'train') throw new Error('another page');
    const { ended, evaluations, rounding, before, passage } = data.training;
    expect(ended).toBe(true);
    expect(evaluations.at(-1)!.files.map(([path]) => path)).toEqual(['text']);
    expect(rounding![0].integer).toBeGreaterThan(0);
    const [start, end] = [unpack(before!), unpack(passage!)];
    expect(end.bytes.length).toBeGreaterThan(500);
    expect(start.bytes).toEqual(end.bytes);
    // a network that has learned nothing knows nothing: about 8 bits a byte
    const perByte = (e: Explanation) => totals(e).network! / e.bytes.length;
    expect(perByte(start)).toBeGreaterThan(7);
    expect(perByte(end)).toBeLessThan(perByte(start));
    const again = await f.run(['train', 'text', '-o', 'other.sharnn', '--steps', '1', '--report', 'r.html']);
    expect(again.stderr).toContain('r.html: already exists; use -f');
  });
});
