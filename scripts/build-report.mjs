#!/usr/bin/env node
/**
 * @file Builds dist/report/report.html: the template of self-contained pages (src/node/report.ts),
 * web/report.html with its script and its styles inside.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const web = path.join(root, 'web');

const { output } = await build({
  root: web,
  configFile: false,
  logLevel: 'warn',
  build: {
    write: false,
    target: 'es2022',
    cssCodeSplit: false,
    modulePreload: false,
    rollupOptions: {
      input: path.join(web, 'src/report.ts'),
      output: { format: 'iife', codeSplitting: false },
    },
  },
});
const script = output.find(({ type }) => type === 'chunk').code.trim();
const style = String(output.find(({ fileName }) => fileName.endsWith('.css')).source).trim();
const html = readFileSync(path.join(web, 'report.html'), 'utf8')
  .replace('</head>', () => `<style>${style}</style>\n</head>`)
  .replace(
    '<script type="module" src="./src/report.ts"></script>',
    () => `<script>${script.replaceAll('</script', '<\\/script')}</script>`,
  );
mkdirSync(path.join(root, 'dist/report'), { recursive: true });
writeFileSync(path.join(root, 'dist/report/report.html'), html);
