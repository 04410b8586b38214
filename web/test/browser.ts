/** @file The built page on a server of its own, in a real Chromium. */
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';
import { afterAll, beforeAll } from 'vitest';

export const root = fileURLToPath(new URL('../..', import.meta.url));
export const dist = join(root, 'web/dist');

/** The browser of the system: none is downloaded. */
export const chromiumPath: string | undefined = [
  process.env['CHROMIUM'],
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path && existsSync(path));

/** Arguments by which Chromium gives pages its software adapter. */
export const SOFTWARE_GPU = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json',
};

/** A policy that lets a page have the library and nothing else. */
export const STRICT =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self'; img-src data:";

/**
 * A static host of a folder. What it was asked for is in `asked`.
 * @param policy of all that it sends, workers included, which a policy in a page does not reach
 */
export function serve(
  folder: string,
  policy?: string,
): Promise<{ server: Server; url: string; asked: string[] }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const path = normalize(decodeURIComponent(new URL(request.url ?? '/', 'http://x').pathname));
    asked.push(path);
    const file = join(folder, path.endsWith('/') ? `${path}index.html` : path);
    if (!file.startsWith(folder) || !existsSync(file)) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      ...(policy && { 'content-security-policy': policy }),
    });
    response.end(readFileSync(file));
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      // localhost is a secure context: service workers and caches are there
      resolve({ server, url: `http://localhost:${port}/`, asked });
    });
  });
}

export interface Site {
  url: string;
  asked: string[];
  /** A page in a context of its own; what goes wrong in it fails the test that calls `check`. */
  open(options?: BrowserContextOptions & { hash?: string }): Promise<Tab>;
  /** Takes the server away. */
  stop(): Promise<void>;
}

export interface Tab {
  page: Page;
  context: BrowserContext;
  /** errors of scripts, refused by the policy, or written to the console */
  problems: string[];
}

/** The site for all tests of a file. @param args more arguments of the browser */
export function eachSite(
  folder = dist,
  { policy, args = [] }: { policy?: string; args?: string[] } = {},
): () => Site {
  let browser: Browser;
  let site: Site;
  beforeAll(async () => {
    browser = await chromium.launch({
      executablePath: chromiumPath,
      args: ['--no-sandbox', '--disable-dev-shm-usage', ...args],
    });
    const { server, url, asked } = await serve(folder, policy);
    site = {
      url,
      asked,
      async open({ hash = '', ...options } = {}) {
        const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
        const page = await context.newPage();
        const problems: string[] = [];
        page.on('pageerror', (error) => problems.push(error.message));
        page.on('console', (message) => {
          if (message.type() === 'error') problems.push(message.text());
        });
        await page.goto(url + hash);
        return { page, context, problems };
      },
      stop: () =>
        new Promise((resolve) => {
          server.close(() => resolve());
          server.closeAllConnections();
        }),
    };
  });
  afterAll(async () => {
    await browser?.close();
    await site?.stop();
  });
  return () => site;
}
