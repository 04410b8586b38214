import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { candidates } from '../helpers/conformance.js';

const root = new URL('../..', import.meta.url);
const native = (await candidates()).some(({ label }) => label.startsWith('native'));

/** Uses the library for the first time while no file can be opened, and again when some can. */
const PROGRAM = `
  import { closeSync, openSync } from 'node:fs';
  const lib = await import(process.env.LIBRARY);
  const model = process.env.MODEL;
  const data = Buffer.from('a text that is coded, a text that is decoded. '.repeat(4));
  const round = (options) => async () => {
    const file = await lib.compress(data, { mode: 'network-mixing-fast', ...options });
    if (Buffer.compare(await lib.decompress(file, options), data) !== 0) throw new Error('other bytes');
  };
  const bytes = new Uint8Array((await import('node:fs')).readFileSync(model));
  const tasks = {
    'a model': () => lib.loadModel(model),
    ...Object.fromEntries(['native', 'wasm', 'reference', 'auto'].map((engine) => [engine, round({ engine, model: bytes })])),
  };
  const outcomes = {};
  const all = async (when) => {
    for (const [name, run] of Object.entries(tasks))
      outcomes[name + ' ' + when] = await run().then(
        () => 'done',
        (error) => (error instanceof lib.ShacompError ? error.code : String(error.stack)),
      );
  };
  const open = [];
  try {
    for (;;) open.push(openSync('/dev/null'));
  } catch {}
  await all('without');
  for (const fd of open) closeSync(fd);
  await all('with');
  console.log(JSON.stringify(outcomes));
`;

describe.skipIf(process.platform === 'win32')('while no file can be opened', () => {
  it('models and engines fail with an error of ours, and work as soon as files can be opened again', () => {
    const outcomes = JSON.parse(
      execFileSync(
        'sh',
        ['-c', 'ulimit -n 100; exec "$0" --input-type=module -e "$1"', process.execPath, PROGRAM],
        {
          encoding: 'utf8',
          env: {
            ...process.env,
            LIBRARY: new URL('dist/index.js', root).href,
            MODEL: fileURLToPath(new URL('fixtures/tiny.sharnn', root)),
          },
        },
      ),
    );
    expect(outcomes).toMatchObject({
      'a model without': 'ERR_FILE',
      'wasm without': 'ERR_ENGINE_UNAVAILABLE',
      'native without': 'ERR_ENGINE_UNAVAILABLE',
      'reference without': 'done',
      'auto without': 'done',
      'a model with': 'done',
      'wasm with': 'done',
      'native with': native ? 'done' : 'ERR_ENGINE_UNAVAILABLE',
      'reference with': 'done',
      'auto with': 'done',
    });
  });
});
