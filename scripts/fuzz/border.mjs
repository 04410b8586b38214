/**
 * @file The border between JavaScript and C++: engines, networks and mixing coders with arguments of any
 * kind, in any order, closed and mixed up. Each call gives a result or throws; none may end the process.
 *
 * The addon's functions that check their arguments are called as they are; the others through the classes
 * that check for them.
 */
import { readFileSync } from 'node:fs';
import { nativeAddon } from '../../dist/engines/native/addon.js';
import { parseModel } from '../../dist/model/sharnn.js';
import { fastEngines } from './engines.mjs';
import { Finding } from './random.mjs';

/** Exports of the addon that take anything. */
const CHECKED = [
  'mixBytes',
  'mixOpen',
  'mixEncode',
  'mixFinish',
  'mixDecode',
  'mixEnds',
  'mixSteps',
  'mixClose',
];

/** Errors that may be thrown at a caller who does not keep to the types. */
const ALLOWED = [TypeError, RangeError, SyntaxError];

/** A value of any kind. */
function anything(random, things) {
  const length = random.chance(0.8) ? random.below(600) : random.below(70_000);
  const detached = () => {
    const array = new Uint8Array(64);
    structuredClone(array, { transfer: [array.buffer] });
    return array;
  };
  return random.pick([
    () => random.number(),
    () => 1 + random.below(8),
    () => random.below(300),
    () => random.pick([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, -(2 ** 31)]),
    () => random.pick([undefined, null, true, '', 'avx2', 'baseline', 10n, Symbol.iterator]),
    () => random.bytes(Math.min(length, 2000)),
    () => new Uint8Array(length),
    () => Uint32Array.from({ length: 256 * (1 + random.below(20)) }, () => 1 + random.below(2 ** 22)),
    () => new Uint32Array(length),
    () => new Uint8Array(new SharedArrayBuffer(length)),
    () => new Uint32Array(new ArrayBuffer(4 * length + 4), 4, random.below(length + 1)),
    () => new Float64Array(8),
    () => new DataView(new ArrayBuffer(16)),
    () => ({ length: 5 }),
    () => detached(),
    () => [],
    () => new Proxy(new Uint8Array(8), {}),
    () => (things.length > 0 ? random.pick(things) : {}),
    () => (things.length > 0 ? random.pick(things) : {}),
  ])();
}

export const name = 'border';

export async function prepare() {
  const model = parseModel(readFileSync(new URL('../../fixtures/tiny.sharnn', import.meta.url)));
  const engines = await fastEngines();
  const mixers = engines.map((engine) => engine.mixing);
  let addon = {};
  try {
    addon = nativeAddon();
  } catch {
    // no addon here
  }
  const raw = CHECKED.map((key) => addon[key]).filter(Boolean);

  /** Arguments that fit, so that calls get past the checks; any of them may be replaced. */
  function fitting(random, method, things) {
    const streams = 1 + random.below(4);
    const symbols = random.bytes(random.below(64));
    const frequencies = Uint32Array.from({ length: 256 * 64 }, () => 1 + random.below(1000));
    const coder = random.pick(things.filter((thing) => thing && typeof thing === 'object').concat({}));
    switch (method) {
      case 'mixBytes':
        return [random.below(2), random.below(5000), streams];
      case 'mixOpen':
        return [
          random.below(2),
          random.below(5000),
          streams,
          random.chance(0.5) ? random.bytes(200) : undefined,
        ];
      case 'mixEncode':
        return [coder, symbols, random.chance(0.5) ? frequencies : undefined];
      case 'mixDecode':
        return [
          coder,
          symbols,
          random.below(symbols.length + 1),
          random.chance(0.5) ? frequencies : undefined,
        ];
      case 'mixSteps':
        return [coder, random.pick(things), random.bytes(70), random.below(64), new Uint32Array(256 * 16)];
      case 'open':
        return [model, streams];
      case 'step':
        return [random.bytes(4), frequencies];
      case 'run':
        return [random.bytes(32), random.below(8), frequencies];
      default:
        return [coder];
    }
  }

  function call(random, target, method, things) {
    const args = fitting(random, method, things);
    while (random.chance(0.35)) args[random.below(args.length + 1)] = anything(random, things);
    if (random.chance(0.1)) args.length = random.below(args.length + 1);
    try {
      return target ? target[method](...args) : addon[method](...args);
    } catch (error) {
      if (error.code?.startsWith?.('ERR_') || ALLOWED.some((type) => error instanceof type)) return undefined;
      throw new Finding(`${method}: ${error.stack ?? error}`);
    }
  }

  return {
    seeds: [],
    make: () => new Uint8Array(0),
    /** A few dozen calls in a row, of which some use what others gave. */
    async run(_input, random) {
      const things = [];
      let results = 0;
      for (let n = 0; n < 40; n++) {
        const networks = things.filter((thing) => typeof thing?.run === 'function');
        const kind = random.pick(['engine', 'network', 'network', 'mixer', 'raw', 'raw']);
        let result;
        if (kind === 'engine' || things.length < 3)
          result = call(random, random.pick(engines), 'open', things);
        else if (kind === 'network' && networks.length > 0)
          result = call(
            random,
            random.pick(networks),
            random.pick(['step', 'run', 'run', 'reset', 'close']),
            things,
          );
        else if (kind === 'raw' && raw.length > 0)
          result = call(random, undefined, random.pick(CHECKED), things);
        else {
          const mixer = random.pick(mixers);
          const methods = CHECKED.filter((key) => typeof mixer[key] === 'function');
          result = call(random, mixer, random.pick(methods), things);
        }
        if (result !== undefined) results++;
        if (result !== null && typeof result === 'object') {
          things.push(result);
          // the addon's own handle of a network
          if (result.handle) things.push(result.handle);
        }
      }
      for (const thing of things) thing.close?.();
      return results > 10 ? 'many results' : 'few results';
    },
  };
}
