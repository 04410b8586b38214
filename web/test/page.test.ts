/**
 * @file The page in Chromium: files both ways, damage, cancel, typing, the numbers of the heat map, use
 * without a connection.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { AxeBuilder } from '@axe-core/playwright';
import type { Page } from 'playwright-core';
import { afterEach, describe, expect, it } from 'vitest';
import { compress, decompress, explain } from '../../src/index.js';
import { chromiumPath, dist, eachSite, root, SOFTWARE_GPU, type Tab } from './browser.js';

if (!chromiumPath)
  console.warn('web tests are SKIPPED: there is no Chromium here; install it, or set CHROMIUM to its path');

const prose =
  'The page takes a text of several sentences, and gives back exactly what it was given. Nothing is lost on the way.\n'.repeat(
    12,
  );

describe.skipIf(!chromiumPath)('the page', () => {
  const site = eachSite();
  let tab: Tab | undefined;
  const open = async (options?: Parameters<ReturnType<typeof site>['open']>[0]) => {
    tab = await site().open(options);
    return tab.page;
  };
  afterEach(async () => {
    const problems = tab?.problems ?? [];
    await tab?.context.close();
    tab = undefined;
    expect(problems).toEqual([]);
  });

  const give = (page: Page, name: string, buffer: Uint8Array) =>
    page.setInputFiles('#pick', { name, mimeType: 'application/octet-stream', buffer: Buffer.from(buffer) });
  const state = (page: Page, wanted: string) =>
    page.waitForSelector(`.job[data-state="${wanted}"]`, { timeout: 100_000 });
  const saved = async (page: Page): Promise<{ name: string; bytes: Buffer }> => {
    const [download] = await Promise.all([page.waitForEvent('download'), page.click('.job a[download]')]);
    return { name: download.suggestedFilename(), bytes: readFileSync((await download.path())!) };
  };
  /** Rules of WCAG 2.2 AA that are broken. */
  const broken = async (page: Page) => {
    const { violations } = await new AxeBuilder({ page })
      .withTags(['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'])
      .analyze();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map((n) => n.html.slice(0, 160)).join(' | ')}`);
  };

  it('shows an analysed sample at once, and fetches no model for it', async () => {
    const before = site().asked.length;
    const page = await open();
    expect(await page.locator('.heat-body .line').count()).toBeGreaterThan(10);
    expect(await page.locator('.numbers').innerText()).toMatch(/Bits per byte\s+\d\.\d\d/);
    await page.waitForSelector('#engines table');
    expect(
      site()
        .asked.slice(before)
        .filter((path) => path.endsWith('.sharnn')),
    ).toEqual([]);
    expect(await page.locator('#engines').innerText()).toMatch(
      /wasm\s+WebAssembly (relaxed )?SIMD, 1 thread: this one is used/,
    );
    // this browser has no adapter, as it is started here
    expect(await page.locator('#engines').innerText()).toMatch(
      /webgpu\s+the WebGPU engine does not run here: .*no graphics adapter/,
    );
    expect(await page.locator('#engine option').allInnerTexts()).toEqual([
      'the fastest',
      'wasm',
      'reference',
    ]);
  });

  it('is small: what is loaded at first, with the sample in it, by brotli', () => {
    const html = readFileSync(join(dist, 'index.html'), 'utf8');
    const files = [...html.matchAll(/(?:src|href)="\.\/(assets\/[^"]+\.(?:js|css))"/g)].map(
      ([, file]) => file,
    );
    expect(files.length).toBeGreaterThanOrEqual(2);
    const sizes = ['index.html', ...files].map(
      (file) => brotliCompressSync(readFileSync(join(dist, file))).length,
    );
    expect(sizes.reduce((a, b) => a + b)).toBeLessThan(60_000);
  });

  it('compresses to the bytes that the command line writes, checks them, and shows sizes beside gzip and the model', async () => {
    const page = await open();
    const data = Buffer.from(prose);
    await give(page, 'a.txt', data);
    await state(page, 'done');
    const { name, bytes } = await saved(page);
    expect(name).toBe('a.txt.sha');
    expect(bytes.equals(Buffer.from(await compress(data)))).toBe(true);
    const card = await page.locator('.job').innerText();
    expect(card).toContain('every byte is right');
    expect(card).toMatch(/gzip\s+\d+ bytes/);
    expect(card).toMatch(/the network lite: 1\.\d MiB/);
  });

  it('opens a file of the command line by the model that it names, of every level', async () => {
    const page = await open();
    const data = Buffer.from(prose);
    for (const level of [1, 3, 6, 7]) {
      await give(page, `l${level}.txt.sha`, await compress(data, { level }));
      await page.waitForSelector(`.job[aria-label="l${level}.txt.sha"][data-state="done"]`, {
        timeout: 100_000,
      });
      const { name, bytes } = await saved(page);
      expect(name).toBe(`l${level}.txt`);
      expect(bytes.equals(data)).toBe(true);
    }
  });

  it('refuses damaged files and other models’ in words, and goes on working', async () => {
    const page = await open();
    const whole = await compress(Buffer.from(prose), { level: 3 });
    const flipped = Uint8Array.from(whole);
    flipped[whole.length >> 1] ^= 4;
    for (const [name, bytes, words] of [
      ['flipped.sha', flipped, /damaged/],
      ['cut.sha', whole.subarray(0, whole.length - 9), /ends too early|damaged/],
      ['newer.sha', Uint8Array.of(0x8d, 0x53, 0x48, 0x41, 9, 0), /version/],
    ] as const) {
      await give(page, name, bytes);
      await page.waitForSelector(`.job[aria-label="${name}"][data-state="failed"]`);
      expect(await page.locator(`.job[aria-label="${name}"]`).innerText()).toMatch(words);
      expect(await page.locator(`.job[aria-label="${name}"] a[download]`).count()).toBe(0);
    }
    await give(page, 'good.sha', whole);
    await state(page, 'done');
    expect((await saved(page)).bytes.toString()).toBe(prose);
  });

  it('decodes or refuses the golden files as the library does', async () => {
    const page = await open();
    const folder = join(root, 'fixtures/sha');
    const model = readFileSync(join(root, 'fixtures/tiny.sharnn'));
    const results: string[] = [];
    for (const name of readdirSync(folder).filter((file) => file.endsWith('.sha'))) {
      const bytes = readFileSync(join(folder, name));
      const here = await decompress(bytes, { model, memoryLimit: 2 ** 28, maxOutputLength: 2 ** 20 }).then(
        (out) => `ok ${out.length}`,
        (error) => error.code as string,
      );
      results.push(`${name} ${here}`);
    }
    expect(results.filter((text) => text.includes(' ok ')).length).toBeGreaterThan(3);
    // the page's own functions are behind its controls: it is given the model and the files as a visitor
    // gives them
    await page.selectOption('#model', '*');
    await page.setInputFiles('#model-file', {
      name: 'tiny.sharnn',
      mimeType: 'application/octet-stream',
      buffer: model,
    });
    for (const text of results.slice(0, 40)) {
      const [name, verdict] = text.split(' ');
      if (verdict === 'ERR_MEMORY_LIMIT' || verdict === 'ERR_OUTPUT_TOO_LARGE') continue;
      const bytes = readFileSync(join(folder, name));
      // a file that does not begin as one of ours is compressed
      if (!bytes.subarray(0, 4).equals(Buffer.of(0x8d, 0x53, 0x48, 0x41))) continue;
      await give(page, name, bytes);
      const wanted = verdict === 'ok' ? 'done' : 'failed';
      const card = await page.waitForSelector(`.job[aria-label="${name}"]:not([data-state="working"])`);
      expect([name, await card.getAttribute('data-state')]).toEqual([name, wanted]);
    }
  });

  it('takes a file of 5 MB, stays alive meanwhile, and stops when told to', async () => {
    const page = await open();
    await page.selectOption('#level', '1');
    const big = Buffer.alloc(5e6, prose);
    for (let i = 0; i < big.length; i += 97) big[i] = 33 + (i % 89);
    await give(page, 'big.txt', big);
    await page.waitForSelector('.job progress');
    // clicks are answered while it works
    await page.check('input[name="theme"][value="dark"]', { force: true });
    expect(await page.evaluate(() => document.documentElement.dataset['theme'])).toBe('dark');
    await state(page, 'done');
    expect((await saved(page)).bytes.length).toBeLessThan(big.length / 2);
    await page.selectOption('#level', '6');
    await give(page, 'slow.txt', big);
    await page.waitForFunction(
      () => (document.querySelector('.job progress') as HTMLProgressElement).value > 0,
    );
    await page.click('.job[aria-label="slow.txt"] button:has-text("Cancel")');
    await page.waitForSelector('.job[aria-label="slow.txt"][data-state="canceled"]');
    await give(page, 'small.txt', Buffer.from('small'));
    await page.waitForSelector('.job[aria-label="small.txt"][data-state="done"]');
  });

  it('explains what is typed, with the library’s numbers', async () => {
    const page = await open();
    await page.fill('#text', prose.slice(0, 500));
    await page.waitForFunction(() =>
      document.querySelector('#text-status')!.textContent!.includes('500 bytes explained'),
    );
    const e = await explain(Buffer.from(prose.slice(0, 500)), { likeliest: true });
    expect(await page.locator('.numbers').innerText()).toContain(`${e.fileBytes} bytes, level 6`);
    await page.focus('.heat-body');
    await page.keyboard.press('Home');
    for (let i = 0; i < 7; i++) {
      const shown = await page.locator('.detail .cost strong').innerText();
      expect(shown).toBe(e.coded[i] < 10 ? e.coded[i].toFixed(2) : e.coded[i].toFixed(1));
      const versus = await page.locator('.detail .versus').innerText();
      expect(versus).toBe(`network alone ${short(e.network![i])}, contexts alone ${short(e.contexts[i])}`);
      for (const [by, names] of [
        ['coded', e.codedLikeliest!],
        ['network', e.likeliest!],
      ] as const) {
        const expected = await page.locator(`.guesses.${by} .byte`).first().innerText();
        expect(expected.replace('space', ' ').replace('line end', '\n')).toBe(
          String.fromCharCode(names[i * 5]),
        );
      }
      await page.keyboard.press('ArrowRight');
    }
    // the mouse shows the letter under it
    await page
      .locator('.heat-body .cells')
      .first()
      .hover({ position: { x: 4, y: 10 } });
    expect(await page.locator('.detail .glyph').innerText()).toBe('T at byte 0');
  });

  it('restores a text from its link, and leaves out what was guessed', async () => {
    const page = await open({ hash: `#text=${encodeURIComponent('Hello, hello, hello, zebra & é!')}` });
    await page.waitForFunction(() =>
      document.querySelector('#text-status')!.textContent!.includes('32 bytes explained'),
    );
    expect(await page.locator('.heat-body').innerText()).toContain('Hello, hello, hello, zebra & é!');
    await page.focus('.view input[type="range"]');
    for (let i = 0; i < 7; i++) await page.keyboard.press('ArrowRight');
    expect(await page.locator('.left').innerText()).toMatch(
      /under 1 bits: [\d.]+ % of the bytes gone, [\d.]+ % of the information left/,
    );
    expect(await page.locator('.heat-body').innerText()).toContain('·');
  });

  it('works without a connection once it was loaded and a model was used', async () => {
    const page = await open();
    await page.waitForSelector('#offline[data-ready="yes"]');
    await give(page, 'first.txt', Buffer.from(prose));
    await state(page, 'done');
    await tab!.context.setOffline(true);
    await page.reload();
    await page.waitForSelector('#engines table');
    await give(page, 'second.txt', Buffer.from(prose));
    await page.waitForSelector('.job[aria-label="second.txt"][data-state="done"]', { timeout: 60_000 });
    await page.fill('#text', 'typed without a connection');
    await page.waitForFunction(() =>
      document.querySelector('#text-status')!.textContent!.includes('26 bytes explained'),
    );
  });

  it('fetches from its own server alone, and its policy allows no eval', async () => {
    const page = await open();
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    await give(page, 'a.txt', Buffer.from(prose));
    await state(page, 'done');
    expect(asked.filter((url) => !url.startsWith(site().url) && !url.startsWith('blob:'))).toEqual([]);
    const policy = readFileSync(join(dist, 'index.html'), 'utf8').match(
      /http-equiv="Content-Security-Policy" content="([^"]+)"/,
    )![1];
    expect(policy).toContain("'wasm-unsafe-eval'");
    expect(policy.replace("'wasm-unsafe-eval'", '')).not.toMatch(/unsafe|\*|blob:/);
  });

  describe.each(['light', 'dark'] as const)('in %s', (colorScheme) => {
    it('breaks no rule of WCAG 2.2 AA, at first and with a result, an error, other readings, and work going on', async () => {
      const page = await open({ colorScheme });
      await page.waitForSelector('#engines table');
      expect(await broken(page)).toEqual([]);
      await give(page, 'a.txt', Buffer.from(prose));
      await state(page, 'done');
      await give(page, 'bad.sha', Uint8Array.of(0x8d, 0x53, 0x48, 0x41, 3, 99));
      await state(page, 'failed');
      await page.check('.view input[value="winner"]', { force: true });
      expect(await broken(page)).toEqual([]);
      for (const palette of ['grey', 'lines']) {
        await page.selectOption('.view select', palette);
        await page.check('.view input[value="coded"]', { force: true });
        expect(await broken(page)).toEqual([]);
      }
      await page.selectOption('#model', '*');
      await give(page, 'long.txt', Buffer.alloc(3e5, prose));
      await page.waitForSelector('.job[aria-label="long.txt"][data-state="working"]');
      expect(await broken(page)).toEqual([]);
      await page.fill('#text', '\x00\x01\xff binary \x02\x03\x04\x05\x06');
      await page.waitForFunction(() => document.querySelector('.heat-body.hex'));
      expect(await broken(page)).toEqual([]);
    });
  });

  it('fits a phone: nothing sticks out, and buttons are large enough for a finger', async () => {
    const page = await open({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    await give(page, 'a-file-with-a-long-name-that-goes-on-and-on.txt', Buffer.from(prose));
    await state(page, 'done');
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
    expect(await broken(page)).toEqual([]);
    const small = await page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('button, select, .button, .segments span')]
        .filter((b) => b.offsetParent && !b.closest('.regions'))
        .filter((b) => b.getBoundingClientRect().height < 36)
        .map((b) => b.outerHTML.slice(0, 80)),
    );
    expect(small).toEqual([]);
  });

  it('shows costs by lines where colours are forced', async () => {
    const page = await open({ forcedColors: 'active' });
    const lines = await page.evaluate(() =>
      ['s2', 's3', 's4', 's5'].map((name) => {
        const style = getComputedStyle(document.querySelector(`.heat-body .${name}`)!);
        return `${style.textDecorationStyle} ${style.textDecorationThickness}`;
      }),
    );
    expect(new Set(lines).size).toBe(4);
  });
});

describe.skipIf(!chromiumPath)('the page where there is a software adapter', () => {
  const site = eachSite(dist, { args: SOFTWARE_GPU });

  it('says so, does not use it, and uses it for what is asked once it is chosen', async () => {
    const { page, context, problems } = await site().open();
    await page.waitForSelector('#engines table');
    const engines = () => page.locator('#engines').innerText();
    expect(await engines()).toMatch(/wasm\s.*: this one is used/);
    expect(await engines()).toMatch(
      /webgpu\s.*swiftshader \(software: slower than the CPU engines\).*: not used unless it is chosen/,
    );
    await page.selectOption('#engine', 'webgpu');
    expect(await engines()).toMatch(/webgpu\s.*: this one is used, since it is chosen/);
    expect(await engines()).toMatch(/wasm\s.*: another one is chosen/);
    const model = readFileSync(join(root, 'fixtures/tiny.sharnn'));
    const text = Buffer.from(prose.slice(0, 640));
    const file = await compress(text, { model, mode: 'network', streams: 64 });
    await page.selectOption('#model', '*');
    await page.setInputFiles('#model-file', {
      name: 'tiny.sharnn',
      mimeType: 'application/octet-stream',
      buffer: model,
    });
    await page.setInputFiles('#pick', {
      name: 'many.sha',
      mimeType: 'application/octet-stream',
      buffer: Buffer.from(file),
    });
    await page.waitForSelector('.job[data-state="done"]', { timeout: 100_000 });
    expect(await page.locator('.job').innerText()).toContain('became 640 again');
    expect(problems).toEqual([]);
    await context.close();
  });
});

const short = (n: number) => (n < 10 ? n.toFixed(2) : n < 100 ? n.toFixed(1) : n.toFixed(0));
