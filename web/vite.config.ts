/** @file Builds the page into web/dist, for any static host: all addresses are relative. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

/**
 * The sample of the page, explained by the library as it is now: so it always shows what the model would say.
 */
function sample(): Plugin {
  return {
    name: 'shacomp-sample',
    resolveId: (id) => (id === 'virtual:sample' ? '\0virtual:sample' : undefined),
    async load(id) {
      if (id !== '\0virtual:sample') return undefined;
      if (!existsSync(here('../dist/index.js'))) this.error('the library is not built: run npm run build');
      const { explain } = await import('../dist/index.js');
      const { pack } = await import('../dist/codec/explain/report-data.js');
      const explanation = await explain(readFileSync(here('sample.txt')), { likeliest: true });
      return `export default ${JSON.stringify(pack(explanation, { name: 'sample', advice: [], trials: [] }))}`;
    },
  };
}

/** The service worker, with the names of all files but the models, which are kept when they are used. */
function serviceWorker(): Plugin {
  return {
    name: 'shacomp-service-worker',
    apply: 'build',
    enforce: 'post',
    generateBundle(_, bundle) {
      const built = Object.keys(bundle).filter((name) => !name.endsWith('.sharnn'));
      const files = ['./', ...built.map((name) => `./${name}`), './icon.svg', './manifest.webmanifest'];
      const contents = Object.values(bundle).map((file) => (file.type === 'chunk' ? file.code : file.source));
      const version = createHash('sha256');
      for (const content of contents) version.update(content);
      const source = readFileSync(here('sw.js'), 'utf8')
        .replace("'shacomp-files'", () => files.map((file) => JSON.stringify(file)).join(', '))
        .replace('shacomp-version', version.digest('hex').slice(0, 12));
      this.emitFile({ type: 'asset', fileName: 'sw.js', source });
    },
  };
}

export default defineConfig({
  base: './',
  plugins: [sample(), serviceWorker()],
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 300,
    modulePreload: { polyfill: false },
  },
  worker: { format: 'es' },
});
