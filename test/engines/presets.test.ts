import { describe, it } from 'vitest';
import { PRESETS, type PresetName } from '../../src/model/architecture.js';
import { selectEngine } from '../../src/node/engines.js';
import { Case, candidates } from '../helpers/conformance.js';
import { randomModel } from '../helpers/random-model.js';

const engines = await candidates();
const names = Object.keys(PRESETS) as PresetName[];

// One preset at a time: the paper's weights alone are 54 MB.
describe.each(names)('preset %s', (preset) => {
  let run: Case;
  it('is built', () => {
    const large = PRESETS[preset].width >= 1024;
    run = new Case(randomModel({ seed: 1, preset }), large ? 1 : 2, large ? 3 : 8);
  });
  it.each(engines)('$label gives the bits of the reference', ({ engine }) => run.check(engine));
});

describe('long runs, whose window wraps', () => {
  const tiny = new Case(randomModel({ seed: 2, preset: 'tiny' }), 1, 5200);
  it.each(engines)('tiny, 5,200 steps: $label gives the bits of the reference', ({ engine }) =>
    tiny.check(engine),
  );

  it('lite, 5,200 steps: all engines give the same bits', async () => {
    const lite = new Case(randomModel({ seed: 3, preset: 'lite' }), 1, 5200, await selectEngine('wasm'));
    for (const { label, engine } of engines) if (label !== 'wasm') lite.check(engine);
  });
});
