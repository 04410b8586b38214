/** @file The command `engines`: what engines run on here, and how fast they are. */
import { engines } from '../../index.js';
import { processorName } from '../../node/engines.js';
import { measurementsFile } from '../../node/measurements.js';
import { version } from '../../node/version.js';
import type { Flags } from '../options.js';
import { engineDetails, rateTable } from '../terminal/engines.js';
import { result, resultJson } from '../terminal/results.js';

const LEGEND = [
  'run: network, known input; step: network, byte by byte; encode, decode: blocks of the network alone;',
  'start: seconds to the first step',
].join('\n');

export async function listEngines(flags: Flags): Promise<void> {
  const { measure, model, threads } = flags;
  const models = model === undefined ? undefined : [model];
  const found = await engines({ measure, models, threads: threads || undefined });
  if (flags.json)
    return resultJson({
      version,
      node: process.version,
      platform: `${process.platform}-${process.arch}`,
      processor: processorName(),
      measurements: measurementsFile() ?? null,
      engines: found,
    });
  await result(engineDetails(found));
  const rates = rateTable(found);
  await result(rates ? `\n${rates}\n\n${LEGEND}` : '\nnot measured yet: shacomp engines --measure does it');
}
