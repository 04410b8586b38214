import { lendMixing } from '../../../src/engines/list.js';
import { selectEngine } from '../../../src/node/engines.js';
import { networkSuite } from '../../helpers/network-suite.js';
import { tfjsOn } from '../../helpers/tensorflow.js';

const judge = await selectEngine('wasm');
networkSuite([{ label: 'TensorFlow.js, plain JavaScript', engine: lendMixing(await tfjsOn('cpu'), judge) }], {
  judge,
  few: true,
});
