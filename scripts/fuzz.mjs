#!/usr/bin/env node
/**
 * @file Random inputs for what reads files and for the addon:
 * `npm run fuzz [-- --seconds 60] [--target sha] [--seed N]`.
 *
 * Every target runs in a process of its own, for its share of the time. A finding is an error without a
 * documented code, a difference between engines, the end of the process, or a case that takes more than a
 * minute. Its input is kept in build/fuzz, and `--target T --seed S --case N` runs it again. Needs dist/
 * (`npm run build`).
 */
import { fork } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readSync, writeFileSync, writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Finding, Random } from './fuzz/random.mjs';

const TARGETS = ['sha', 'sharnn', 'safetensors', 'border'];
/** Milliseconds after which a case counts as hanging. */
const PATIENCE = 60_000;

const folder = new URL('../build/fuzz/', import.meta.url);

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    target: { type: 'string', multiple: true },
    seed: { type: 'string' },
    case: { type: 'string' },
    child: { type: 'boolean', default: false },
  },
});

/** Where a child writes the number of the case that it is at: a process that ends at once has told it. */
const placeOf = (target) => fileURLToPath(new URL(`${target}.case`, folder));

/** Runs cases of one target until the time is over, in this process. */
async function runCases(target, seed, seconds, only) {
  const { prepare } = await import(`./fuzz/${target}.mjs`);
  const { seeds, make, run } = await prepare();
  const place = openSync(placeOf(target), 'w+');
  const outcomes = new Map();
  const end = performance.now() + 1000 * seconds;
  let number = only ?? 0;
  for (; only !== undefined ? number === only : performance.now() < end; number++) {
    const random = new Random(seed, number);
    writeSync(place, String(number).padEnd(12), 0);
    // the seeds as they are, first
    const input = number < seeds.length ? seeds[number] : await make(random);
    try {
      const outcome = await run(input, random);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    } catch (error) {
      writeFileSync(new URL(`${target}-${seed}-${number}`, folder), input);
      console.log(`${target}: case ${number}: ${error instanceof Finding ? error.message : error.stack}`);
      process.exit(1);
    }
    // lets go of what was closed or forgotten
    if (number % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  closeSync(place);
  const list = [...outcomes].sort(([, a], [, b]) => b - a).map(([outcome, times]) => `${outcome} ${times}`);
  console.log(`${target}: ${number} cases: ${list.join(', ')}`);
  process.exit(0);
}

/** Runs a target in a process of its own; gives whether it found nothing. */
function runTarget(target, seed, seconds) {
  return new Promise((resolve) => {
    const args = ['--child', '--target', target, '--seed', String(seed), '--seconds', String(seconds)];
    if (values.case !== undefined) args.push('--case', values.case);
    const child = fork(fileURLToPath(import.meta.url), args, { execArgv: ['--expose-gc'] });
    const at = () => {
      const place = openSync(placeOf(target), 'r');
      const text = Buffer.alloc(12);
      readSync(place, text, 0, 12, 0);
      closeSync(place);
      return Number(text.toString());
    };
    let last = -1;
    let since = performance.now();
    const watch = setInterval(() => {
      const now = at();
      if (now !== last) [last, since] = [now, performance.now()];
      else if (performance.now() - since > PATIENCE) {
        console.log(`${target}: case ${now} takes more than ${PATIENCE / 1000} s`);
        child.kill('SIGKILL');
      }
    }, 1000);
    child.on('close', (code, signal) => {
      clearInterval(watch);
      if (signal) console.log(`${target}: case ${at()} ended the process: ${signal}`);
      if (code !== 0)
        console.log(`run it again: npm run fuzz -- --target ${target} --seed ${seed} --case ${at()}`);
      resolve(code === 0);
    });
  });
}

mkdirSync(folder, { recursive: true });
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const targets = values.target ?? TARGETS;
const unknown = targets.find((target) => !TARGETS.includes(target));
if (unknown) throw new Error(`there is no target "${unknown}"; there are ${TARGETS.join(', ')}`);
if (values.child) {
  await runCases(
    targets[0],
    seed,
    Number(values.seconds),
    values.case === undefined ? undefined : Number(values.case),
  );
} else {
  console.log(`fuzzing with seed ${seed}`);
  let good = true;
  for (const target of targets) {
    writeFileSync(placeOf(target), '0'.padEnd(12));
    good = (await runTarget(target, seed, Number(values.seconds) / targets.length)) && good;
  }
  process.exitCode = good ? 0 : 1;
}
