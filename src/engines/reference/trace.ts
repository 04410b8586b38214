/**
 * @file Named intermediate values of some steps, as text: what a new engine is compared with, site by site
 * (fixtures/trace).
 */
import { SYMBOLS } from '../../model/architecture.js';
import type { IntegerModel } from '../../model/sharnn.js';
import { openReferenceNetwork } from './network.js';

/** Values of one site at one step, all streams. */
export interface TracedSite {
  /** from 0 */
  step: number;
  /** the name in docs/model.md, section 3.1: "layers.0.attention.score" */
  site: string;
  type: 'int8' | 'int16' | 'int32' | 'uint32';
  streams: number;
  /** [streams][values of one stream], stream-major */
  values: number[];
}

const TYPES = new Map<unknown, TracedSite['type']>([
  [Int8Array, 'int8'],
  [Int16Array, 'int16'],
  [Int32Array, 'int32'],
  [Uint32Array, 'uint32'],
]);

/**
 * Runs the reference network from the cold state and keeps every site, in the order in which they are
 * computed.
 * @param bytes steps x S bytes, step-major
 * @throws ShacompError ERR_OPTIONS, ERR_MODEL_INVALID
 */
export function traceReference(model: IntegerModel, streams: number, bytes: Uint8Array): TracedSite[] {
  const sites = new Map<string, TracedSite>();
  let step = 0;
  const network = openReferenceNetwork(model, streams, (_, site, values) => {
    const key = `${step} ${site}`;
    const known = sites.get(key);
    if (known) known.values.push(...values);
    else
      sites.set(key, {
        step,
        site,
        type: TYPES.get(values.constructor)!,
        streams,
        values: Array.from(values),
      });
  });
  const frequencies = new Uint32Array(streams * SYMBOLS);
  for (; step * streams < bytes.length; step++)
    network.step(bytes.subarray(step * streams, (step + 1) * streams), frequencies);
  network.close();
  return [...sites.values()];
}

/** One line per site: step, site, type, streams, and the numbers, separated by single spaces. */
export const formatTrace = (sites: readonly TracedSite[]): string =>
  sites
    .map(({ step, site, type, streams, values }) => `${[step, site, type, streams, ...values].join(' ')}\n`)
    .join('');

/** The sites of a text of {@link formatTrace}. */
export const parseTrace = (text: string): TracedSite[] =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [step, site, type, streams, ...values] = line.split(' ');
      return {
        step: Number(step),
        site,
        type: type as TracedSite['type'],
        streams: Number(streams),
        values: values.map(Number),
      };
    });

/**
 * Where an engine first differs, as "step 1, layers.0.P, stream 0, value 3: 17 instead of 18"; undefined if
 * nowhere.
 * @param actual what the engine has of the sites, one or all; those it lacks are passed over
 */
export function firstDifference(
  actual: readonly Pick<TracedSite, 'step' | 'site' | 'values'>[],
  expected: readonly TracedSite[],
): string | undefined {
  for (const { step, site, streams, values } of expected) {
    const found = actual.find((other) => other.step === step && other.site === site);
    if (!found) continue;
    const where = `step ${step}, ${site}`;
    if (found.values.length !== values.length)
      return `${where}: ${found.values.length} values instead of ${values.length}`;
    const at = values.findIndex((value, i) => found.values[i] !== value);
    const size = values.length / streams;
    if (at >= 0)
      return `${where}, stream ${Math.floor(at / size)}, value ${at % size}: ${found.values[at]} instead of ${values[at]}`;
  }
  return undefined;
}
