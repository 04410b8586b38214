/** @file The page and the library in Firefox: that they work there. Chromium's tests go into detail. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compress } from '../../src/index.js';
import { dist, STRICT, serve } from './browser.js';
import { Firefox, firefoxPath } from './firefox.js';
import { libraryPage } from './library-page.js';

if (!firefoxPath)
  console.warn('tests in Firefox are SKIPPED: it is not here; install it, or set FIREFOX to its path');

const text = 'The page takes a text of several sentences, and gives back exactly what it was given.\n'.repeat(
  9,
);

describe.skipIf(!firefoxPath)('in Firefox', async () => {
  const library = firefoxPath ? await libraryPage() : '';
  let firefox: Firefox;
  let folder: string;
  const servers: Awaited<ReturnType<typeof serve>>[] = [];
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'shacomp-firefox-files-'));
    firefox = await Firefox.start();
  });
  afterAll(async () => {
    await firefox?.close();
    for (const { server } of servers) {
      server.close();
      server.closeAllConnections();
    }
    rmSync(folder, { recursive: true, force: true });
  });
  const open = async (served: string, policy?: string) => {
    const site = await serve(served, policy);
    servers.push(site);
    await firefox.goto(site.url);
  };

  it('the page shows its sample and its engines, and compresses a file', async () => {
    await open(dist);
    await firefox.until(() => document.querySelector('#engines table'));
    expect(
      await firefox.evaluate(() => document.querySelectorAll('.heat-body .line').length),
    ).toBeGreaterThan(10);
    const engines = await firefox.evaluate(() => document.querySelector('#engines')!.textContent);
    expect(engines).toMatch(/WebAssembly .*: this one is used/);
    const file = join(folder, 'a.txt');
    writeFileSync(file, text);
    await firefox.give('#pick', file);
    await firefox.until(() => document.querySelector('.job:not([data-state="working"])'));
    const card = await firefox.evaluate(() => document.querySelector('.job')!.textContent);
    expect(card).toContain(`became ${(await compress(Buffer.from(text))).length}`);
    expect(card).toContain('every byte is right');
  });

  it('the page explains what is typed', async () => {
    await firefox.evaluate((typed) => {
      const area = document.querySelector<HTMLTextAreaElement>('#text')!;
      area.value = typed;
      area.dispatchEvent(new Event('input'));
    }, 'Typed in Firefox.');
    await firefox.until(() =>
      document.querySelector('#text-status')!.textContent!.includes('17 bytes explained'),
    );
    expect(await firefox.evaluate(() => document.querySelector('.heat-body')!.textContent)).toContain(
      'Typed in',
    );
  });

  it('the library codes blocks side by side under a strict policy, to the same bytes', async () => {
    const BLOCK = 2 ** 18;
    let data = '';
    for (let state = 1; data.length < 2 * BLOCK + 10; data += `${state} green bottles, `)
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    await open(library, STRICT);
    await firefox.until(() => 'library' in globalThis);
    const found = await firefox.evaluate(
      async ({ data, blockSize }) => {
        const { compress, decompress } = globalThis.library;
        const file = await compress(new TextEncoder().encode(data), { level: 1, blockSize, threads: 2 });
        const back = await decompress(file, { threads: 2 });
        return { file: [...file], same: new TextDecoder().decode(back) === data };
      },
      { data, blockSize: BLOCK },
    );
    expect(found.same).toBe(true);
    const expected = await compress(Buffer.from(data), { level: 1, blockSize: BLOCK });
    expect(Buffer.from(found.file).equals(expected)).toBe(true);
  });
});
