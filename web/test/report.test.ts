/** @file Self-contained pages in Chromium: an explanation; a training run, its text before and after. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AxeBuilder } from '@axe-core/playwright';
import { afterAll, describe, expect, it } from 'vitest';
import { pack, type ReportData } from '../../dist/codec/explain/report-data.js';
import { reportPage } from '../../dist/node/report.js';
import { explain } from '../../src/index.js';
import { chromiumPath, eachSite } from './browser.js';

const text = Buffer.from('Nothing is lost on the way.\nWhat goes in comes out again.\n'.repeat(8));

describe.skipIf(!chromiumPath)('a report', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shacomp-report-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const packed = pack(await explain(text), {
    name: 'a.txt',
    advice: ['None.'],
    trials: [{ level: 1, bytes: 99 }],
  });
  const write = async (name: string, data: ReportData) =>
    writeFileSync(join(folder, name), await reportPage(data));
  await write('explain.html', { kind: 'explain', explanation: packed });
  const evaluation = { elapsed: 9, mean: 3, files: [['held.txt', 3] as [string, number]] };
  const reports = [1, 2, 3].map((n) => ({
    elapsed: n,
    bytes: n * 1000,
    bitsPerByte: 8 / n,
    bytesPerSecond: 1000,
  }));
  await write('train.html', {
    kind: 'train',
    training: {
      name: 'm.sharnn',
      ended: true,
      reports,
      evaluations: [evaluation],
      before: packed,
      passage: packed,
    },
  });
  writeFileSync(join(folder, 'index.html'), '<!doctype html><title>x</title><link rel="icon" href="data:,">');
  const site = eachSite(folder);

  it.each([
    ['explain.html', ['The text by cost', 'What would have helped']],
    [
      'train.html',
      ['Learning curve', 'Held-out text', 'Held-out text, before training', 'Held-out text, after training'],
    ],
  ])('%s shows its sections, fetches nothing, and breaks no rule of WCAG 2.2 AA', async (name, headings) => {
    const { page, context, problems } = await site().open();
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await page.goto(site().url + name);
    expect(await page.locator('main h2').allInnerTexts()).toEqual(headings);
    for (const map of await page.locator('.heat-body').all())
      expect((await map.innerText()).slice(0, 20)).toBe('Nothing is lost on t');
    const { violations } = await new AxeBuilder({ page })
      .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])
      .analyze();
    expect(
      violations.map(({ id, nodes }) => `${id}: ${nodes.map((n) => n.html.slice(0, 160)).join(' | ')}`),
    ).toEqual([]);
    expect(asked.filter((url) => !url.endsWith(name) && !url.startsWith('data:'))).toEqual([]);
    expect(problems).toEqual([]);
    await context.close();
  });
});
