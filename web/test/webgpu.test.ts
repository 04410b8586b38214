/** @file The WebGPU engine in a page, on the software adapter that Chromium brings along. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compress, type Mode } from '../../src/index.js';
import { chromiumPath, eachSite, root, SOFTWARE_GPU, STRICT } from './browser.js';
import { libraryPage } from './library-page.js';

const model = readFileSync(join(root, 'fixtures/tiny.sharnn'));
const prose = 'All streams of a network advance by a byte. '.repeat(40);

describe.skipIf(!chromiumPath)('the WebGPU engine in a page', async () => {
  const dist = await libraryPage();
  const site = eachSite(dist, { policy: STRICT, args: SOFTWARE_GPU });
  const open = async () => {
    const tab = await site().open();
    await tab.page.waitForFunction(() => 'library' in globalThis);
    return tab;
  };

  it('is named as software where it is, and nothing but its name chooses it then', async () => {
    const { page, context, problems } = await open();
    const found = await page.evaluate(() => globalThis.library.engines());
    expect(found.map(({ name }) => name)).toEqual(['wasm', 'webgpu', 'reference']);
    expect(found[0]).toMatchObject({ available: true, auto: 'all' });
    expect(found[1]).toMatchObject({
      available: true,
      detail: expect.stringMatching(/swiftshader \(software: slower than the CPU engines\)/),
    });
    expect('auto' in found[1]).toBe(false);
    expect(problems).toEqual([]);
    await context.close();
  });

  it.each([
    { mode: 'network', streams: 64, length: 1500 },
    { mode: 'network-mixing-fast', streams: 16, length: 400 },
    { mode: 'network-mixing-full', streams: 1, length: 40 },
  ] as { mode: Mode; streams: number; length: number }[])(
    'codes blocks of $streams streams, $mode, to the bytes of the other engines, both ways',
    async ({ mode, streams, length }) => {
      const { page, context, problems } = await open();
      const text = prose.slice(0, length);
      const file = await compress(Buffer.from(text), { model, mode, streams });
      const found = await page.evaluate(
        async ({ text, file, model, mode, streams }) => {
          const { compress, decompress } = globalThis.library;
          const options = { engine: 'webgpu', model: Uint8Array.from(model) };
          const back = await decompress(Uint8Array.from(file), options);
          const again = await compress(new TextEncoder().encode(text), { ...options, mode, streams });
          return { text: new TextDecoder().decode(back), file: [...again] };
        },
        { text, file: [...file], model: [...model], mode, streams },
      );
      expect(found).toEqual({ text, file: [...file] });
      expect(problems).toEqual([]);
      await context.close();
    },
  );

  it('is carried on by WebAssembly, with the same bytes, when the GPU goes away between two blocks', async () => {
    const { page, context, problems } = await open();
    const text = prose.repeat(6).slice(0, 10_000);
    const file = await compress(Buffer.from(text), { model, mode: 'network', streams: 64, blockSize: 8192 });
    const run = page.evaluate(
      async ({ file, model }) => {
        const { decompressChunks, engines } = globalThis.library;
        const crashed = new Promise<void>((resolve) => Object.assign(globalThis, { crashed: resolve }));
        let fed = 0;
        const source = async function* () {
          for (; fed < file.length; fed += 64) {
            yield Uint8Array.from(file.slice(fed, fed + 64));
            if ('decoded' in globalThis) await crashed;
          }
        };
        let text = '';
        for await (const chunk of decompressChunks(source(), {
          engine: 'webgpu',
          model: Uint8Array.from(model),
        })) {
          text += new TextDecoder().decode(chunk);
          Object.assign(globalThis, { decoded: text.length });
        }
        return { text, engine: (await engines())[1] };
      },
      { file: [...file], model: [...model] },
    );
    await page.waitForFunction(() => 'decoded' in globalThis);
    const browser = await context.browser()!.newBrowserCDPSession();
    await browser.send('Browser.crashGpuProcess');
    await page.evaluate(() => (globalThis as unknown as { crashed(): void }).crashed());
    const found = await run;
    expect(found.text).toBe(text);
    expect(found.engine).toMatchObject({ available: false, reason: expect.stringContaining('failed: ') });
    expect(problems).toEqual([]);
    await context.close();
  });
});
