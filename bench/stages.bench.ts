/**
 * @file Where the time of coding goes: the network alone, the mixing coder alone, both in turns and both at
 * the same time.
 *
 * Microseconds per byte, the fastest of many pieces; compare within a line. The tasks of a line take turns,
 * several times over, so that other programs disturb them alike. BENCH_THREADS, BENCH_STREAMS and
 * BENCH_ROUNDS change the run.
 */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { Bench } from 'tinybench';
import type { Network } from '../src/engines/engine.js';
import { nativeAddon } from '../src/engines/native/addon.js';
import { nativeEngine } from '../src/engines/native/engine.js';
import type { MixAddon } from '../src/engines/native/mixer.js';
import { networkHandle } from '../src/engines/native/network.js';
import { MIX_PROFILES, type MixProfile } from '../src/engines/profiles.js';
import { SYMBOLS } from '../src/model/architecture.js';
import { parseModel } from '../src/model/sharnn.js';
import { interleave } from '../src/slices.js';

const threads = Number(process.env.BENCH_THREADS ?? availableParallelism());
const streamCounts = (process.env.BENCH_STREAMS ?? '1,2,8,16').split(',').map(Number);
const rounds = Number(process.env.BENCH_ROUNDS ?? 8);
const model = parseModel(readFileSync(new URL('../models/lite.sharnn', import.meta.url)));
const kernels = nativeEngine().mixing;
const addon = nativeAddon<MixAddon>();

/** Symbols per sample: few, so that some samples are not disturbed. */
const PIECE = 512;
const PIECES = 40;

/** English enough for the network to do its work: the project's own pages. */
const text = Buffer.concat(
  ['architecture', 'cli', 'format', 'model', 'training', 'mixing']
    .map((page) => new URL(`../docs/${page}.md`, import.meta.url))
    .map((url) => readFileSync(url)),
).subarray(0, PIECE * PIECES);

/** What a sample does to a piece, whose symbols lie behind the first row of `rows`. */
type Piece = (rows: Uint8Array, coder: object, at: number) => void;

interface Task {
  name: string;
  piece: Piece;
  decodes?: boolean;
}

/** Microseconds per byte of every task, on the pieces of one block after the other. */
async function measure(
  tasks: Task[],
  streams: number,
  profile: number,
  payload: Uint8Array,
  networks: Network[],
) {
  const best = new Map<string, number>();
  const symbols = interleave(text, streams);
  for (let round = 0; round < rounds; round++) {
    for (const { name, piece, decodes } of tasks) {
      const rows = symbols.slice();
      let at = 0;
      let coder: object | undefined;
      const prepare = async () => {
        // who has rested is not interrupted soon, on a machine with other programs
        await setTimeout(1);
        if (coder && at < text.length) return;
        if (coder) kernels.mixClose(coder);
        coder = kernels.mixOpen(profile, text.length, streams, decodes ? payload : undefined);
        for (const network of networks) network.reset();
        at = 0;
      };
      const bench = new Bench({ time: 0, iterations: PIECES, warmup: false });
      bench.add(
        name,
        () => {
          piece(rows.subarray(at), coder!, at);
          at += PIECE;
        },
        { beforeEach: prepare },
      );
      const [{ result }] = await bench.run();
      if (!('latency' in result)) throw new Error(`${name}: ${result.state}`);
      best.set(
        name,
        Math.min(best.get(name) ?? Number.POSITIVE_INFINITY, (result.latency.min * 1000) / PIECE),
      );
      kernels.mixClose(coder!);
      if (Buffer.compare(rows, symbols)) throw new Error(`${name}: wrong symbols`);
    }
  }
  return (name: string) => best.get(name)!;
}

async function line(profile: MixProfile, streams: number): Promise<void> {
  const id = MIX_PROFILES[profile];
  const alone = nativeEngine({ threads: 1 }).open(model, streams);
  const network = nativeEngine({ threads }).open(model, streams);
  const symbols = interleave(text, streams);
  const steps = PIECE / streams;
  const frequencies = new Uint32Array(text.length * SYMBOLS);
  network.run(symbols.subarray(0, text.length), text.length / streams, frequencies);
  const coder = kernels.mixOpen(id, text.length, streams);
  kernels.mixEncode(coder, symbols.subarray(streams, streams + text.length), frequencies);
  const payload = kernels.mixFinish(coder)!;
  kernels.mixClose(coder);

  const room = new Uint32Array(PIECE * SYMBOLS);
  const predict = (net: Network, rows: Uint8Array) => net.run(rows.subarray(0, PIECE), steps, room);
  const predictSteps = (net: Network, rows: Uint8Array, then?: (step: number) => void) => {
    for (let t = 0; t < steps; t++) {
      net.step(rows.subarray(t * streams), room);
      then?.(t);
    }
  };
  // all threads, even where one alone would get on better at the moment
  const handle = networkHandle(network)!;
  const both: Piece = (rows, c) => addon.mixSteps(c, handle, rows, PIECE, room, threads);
  const us = await measure(
    [
      { name: 'run', piece: (rows) => predict(alone, rows) },
      { name: 'step', piece: (rows) => predictSteps(alone, rows) },
      {
        name: 'mixing',
        piece: (rows, c, at) =>
          kernels.mixEncode(c, rows.subarray(streams, streams + PIECE), frequencies.subarray(at * SYMBOLS)),
      },
      {
        name: 'encode in turns',
        piece: (rows, c) => {
          predict(network, rows);
          kernels.mixEncode(c, rows.subarray(streams, streams + PIECE), room);
        },
      },
      { name: 'encode', piece: both },
      {
        name: 'decode in turns',
        decodes: true,
        piece: (rows, c) =>
          predictSteps(network, rows, (t) =>
            kernels.mixDecode(c, rows.subarray((t + 1) * streams), streams, room),
          ),
      },
      { name: 'decode', decodes: true, piece: both },
    ],
    streams,
    id,
    payload,
    [alone, network],
  );
  for (const [direction, prediction] of [
    ['encode', us('run')],
    ['decode', us('step')],
  ] as const) {
    const mixing = us('mixing');
    const turns = us(`${direction} in turns`);
    const together = us(direction);
    // coding has one order, and one stream cannot be predicted before it is decoded
    const sum = prediction + mixing;
    const ideal = direction === 'decode' && streams === 1 ? sum : Math.max(mixing, sum / threads);
    console.log(
      `${profile}  ${direction}${String(streams).padStart(8)}` +
        [prediction, mixing, turns, together, ideal].map((x) => x.toFixed(1).padStart(10)).join('') +
        `${(turns / together).toFixed(2).padStart(10)}x${((100 * ideal) / together).toFixed(0).padStart(8)} %`,
    );
  }
  alone.close();
  network.close();
}

console.log(`\n${model.name}, ${threads} threads, microseconds per byte; the network alone on one thread\n`);
console.log('              streams   network    mixing  in turns  together     ideal    faster   of ideal');
for (const profile of ['fast', 'full'] as const)
  for (const streams of streamCounts) await line(profile, streams);
