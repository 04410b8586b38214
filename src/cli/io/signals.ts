/** @file Signals: an interrupted run leaves no partial file and ends as the signal would have ended it. */
import { rmSync } from 'node:fs';
import { constants } from 'node:os';
import { systemName } from '../../node/names.js';
import { ignoresHangup } from './descriptors.js';

/** Why a run that may be interrupted stopped. */
export class SignalInterrupt extends Error {
  constructor(readonly signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`);
  }
}

/** Not SIGXFSZ, which Node.js ignores: writing more than `ulimit -f` allows is an error like a full disk. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGXCPU'] as const;
/** Asks for a line of progress; SIGINFO is Ctrl-T on BSD and macOS. */
const ASKING = ['SIGUSR1', 'SIGINFO'] as const;

const partialFiles = new Set<string>();
const restorers = new Set<() => void>();
let interruptible: ((signal: NodeJS.Signals) => void) | undefined;
let asked: (() => void) | undefined;

/** Registers a file to be removed if the run does not end well. */
export function addPartialFile(path: string): void {
  partialFiles.add(path);
}

/** Takes back {@link addPartialFile}: the file is complete or gone. */
export function removePartialFile(path: string): void {
  partialFiles.delete(path);
}

/** Has `restore` called before the process ends by a signal; gives the function that takes this back. */
export function beforeSignalExit(restore: () => void): () => void {
  restorers.add(restore);
  return () => restorers.delete(restore);
}

/** Removes partial files and puts the terminal back. */
export function cleanUp(): void {
  for (const path of partialFiles) rmSync(systemName(path), { force: true });
  partialFiles.clear();
  for (const restore of restorers) restore();
  restorers.clear();
}

/** Ends the process by a signal, so that the shell sees it, after cleaning up. */
export function endBySignal(signal: NodeJS.Signals): void {
  cleanUp();
  // Node ignores SIGPIPE; a listener that comes and goes gives it back its default action
  const listener = () => {};
  process.on(signal, listener);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
}

/** Ends the process as one whose reader has gone away: by SIGPIPE where there are signals, and quietly. */
export function endByBrokenPipe(): never {
  if (exists('SIGPIPE')) endBySignal('SIGPIPE');
  // no signals here, or it is blocked
  cleanUp();
  process.exit(1);
}

/** Installs the handlers. */
export function handleSignals(): void {
  for (const signal of ENDING.filter(exists)) {
    // one without effect: the default would end the process
    if (signal === 'SIGHUP' && ignoresHangup()) process.on(signal, () => {});
    else
      process.on(signal, () => {
        const stop = interruptible;
        interruptible = undefined;
        if (stop) stop(signal);
        else endBySignal(signal);
      });
  }
  for (const signal of ASKING.filter(exists)) process.on(signal, () => asked?.());
}

const exists = (signal: NodeJS.Signals) => signal in constants.signals;

/** Has `answer` called when somebody asks how far the run is; undefined: nobody answers. */
export function onProgressRequest(answer: (() => void) | undefined): void {
  asked = answer;
}

/**
 * Runs something that wants to save its work when interrupted: the first signal aborts its AbortSignal, with
 * a {@link SignalInterrupt} as the reason; the second ends the process.
 */
export async function interruptibly<T>(run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  interruptible = (signal) => controller.abort(new SignalInterrupt(signal));
  try {
    return await run(controller.signal);
  } finally {
    interruptible = undefined;
  }
}
