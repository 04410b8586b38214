/** @file How engines are listed. */
import { humanBytes } from '../../format-bytes.js';
import type { EngineRates, MeasuredEngine } from '../../node/engine-reports.js';
import { count, table } from './format.js';
import { printable } from './printable.js';

const lineOf = (engine: MeasuredEngine): string =>
  engine.available ? engine.detail : `not available: ${engine.reason}`;

/** A line for each engine: what it runs on, or why it does not. */
export const engineTable = (engines: readonly MeasuredEngine[]): string =>
  table(
    engines.map((engine) => [`  ${engine.name}`, lineOf(engine)]),
    [0, 1],
  );

/** As {@link engineTable}, with the parts of what it runs on. */
export const engineDetails = (engines: readonly MeasuredEngine[]): string =>
  table(
    engines.flatMap((engine) => [
      [engine.name, lineOf(engine)],
      ...factsOf(engine).map(([name, text]) => ['', `${name.padEnd(7)}  ${text}`]),
    ]),
    [0, 1],
  );

function factsOf(engine: MeasuredEngine): [string, string][] {
  if (!engine.available) return [];
  const { device, driver, kernels, limits = {} } = engine;
  const bounds = Object.entries(limits).map(([name, value]) =>
    name === 'threads' ? count(value, 'thread') : `${name} ${humanBytes(value)}`,
  );
  const facts: [string, string | undefined][] = [
    ['device', device],
    ['driver', driver],
    ['kernels', kernels],
    ['limits', bounds.join(', ')],
  ];
  return facts.filter((fact): fact is [string, string] => Boolean(fact[1]));
}

/** Rates in KB/s, a row for each engine, model and number of streams; empty if there are none. */
export function rateTable(engines: readonly MeasuredEngine[]): string {
  const rows = engines.flatMap(({ name, rates }) =>
    rates.map((rate) => [name, printable(rate.model.name), String(rate.streams), ...speeds(rate)]),
  );
  if (rows.length === 0) return '';
  const head = ['KB/s', 'model', 'streams', 'run', 'step', 'encode', 'decode', 'start'];
  return table([head, ...rows], [0, 1]);
}

const speeds = ({ run, step, encode, decode, start }: EngineRates): string[] => [
  ...[run, step, encode, decode].map((rate) => (rate === null ? '-' : (rate / 1000).toPrecision(3))),
  `${start.toFixed(2)} s`,
];
