/** @file The progress of a run: a bar on a terminal, and a line for whoever sends SIGUSR1. */
import { basename } from 'node:path';
import { isatty } from 'node:tty';
import { SingleBar } from 'cli-progress';
import { humanBytes } from '../../format-bytes.js';
import { STDERR, writeMessage } from '../io/descriptors.js';
import type { Input } from '../io/files.js';
import { beforeSignalExit, onProgressRequest } from '../io/signals.js';
import type { Flags } from '../options.js';
import { clock, rate } from './format.js';
import { answer, quiet } from './messages.js';

/** Runs shorter than this show no bar, unless it was asked for. */
const PATIENCE = 300;

/** Whether standard error is a terminal on which lines can be written anew. */
export function hasCursor(): boolean {
  const terminal = process.env['TERM'] ?? (process.platform === 'win32' ? 'console' : 'dumb');
  return isatty(STDERR) && terminal !== 'dumb' && terminal !== '';
}

/** Lines below each other, where there is no cursor. */
const LINES = {
  isTTY: false,
  write(text: string) {
    writeMessage(text);
    return true;
  },
} as unknown as NodeJS.WritableStream;

/** Whether to show bars: as --progress or --no-progress say, else on a terminal if -q was not given. */
export function showsProgress(flag: boolean | undefined): boolean {
  return flag ?? (hasCursor() && !quiet());
}

export interface ProgressOptions {
  /** what is being done: "compressing" */
  verb: string;
  /** to what: a file's name */
  name: string;
  /** what `update` counts up to, if known */
  total?: number;
  /** the value of --progress or --no-progress */
  flag?: boolean;
  /** text about where it is; by default bytes, their speed and the time left */
  describe?: () => string;
}

/** The progress of work on one input. */
export const inputProgress = (verb: string, { name, size }: Input, { progress }: Flags): Progress =>
  new Progress({ verb, name, total: size, flag: progress });

/** Shows how far one run is. */
export class Progress {
  readonly #options: ProgressOptions;
  readonly #start = performance.now();
  readonly #forget: () => void;
  #bar: SingleBar | undefined;
  #done = 0;

  constructor(options: ProgressOptions) {
    this.#options = options;
    if (options.flag && showsProgress(options.flag)) this.#show();
    onProgressRequest(() => answer(this.line()));
    this.#forget = beforeSignalExit(() => this.stop());
  }

  /** Seconds since the start. */
  get seconds(): number {
    return (performance.now() - this.#start) / 1000;
  }

  update(done: number): void {
    this.#done = done;
    if (this.#bar) this.#bar.update(done, this.#payload());
    else if (1000 * this.seconds > PATIENCE && showsProgress(this.#options.flag)) this.#show();
  }

  /** One line that says how far it is. */
  line(): string {
    const { verb, name, total } = this.#options;
    const share = total ? ` ${Math.floor((100 * this.#done) / total)}%,` : '';
    return `${verb} ${name}:${share} ${this.#about()}`;
  }

  /** Prints above the bar. */
  above(print: () => void): void {
    this.#bar?.stop();
    print();
    if (this.#bar) this.#show();
  }

  /** Takes the bar away. */
  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
    onProgressRequest(undefined);
    this.#forget();
  }

  #payload() {
    return { about: this.#about() };
  }

  #about(): string {
    const { total, describe } = this.#options;
    if (describe) return describe();
    const { seconds } = this;
    const size = total === undefined ? '' : ` of ${humanBytes(total)}`;
    const left = total && this.#done > 0 ? (seconds * (total - this.#done)) / this.#done : undefined;
    const remaining = left === undefined ? '' : `, ${clock(left)} left`;
    return `${humanBytes(this.#done)}${size}, ${rate(this.#done, seconds)}${remaining}`;
  }

  #show(): void {
    const { verb, name, total } = this.#options;
    const label = basename(name).slice(0, 24);
    const bar = total ? '{bar} {percentage}% ' : '';
    this.#bar = new SingleBar({
      format: `${verb} ${label} ${bar}{about}`,
      stream: hasCursor() ? process.stderr : LINES,
      barsize: 20,
      barCompleteChar: '#',
      barIncompleteChar: '-',
      clearOnComplete: true,
      hideCursor: null,
      linewrap: null,
      gracefulExit: false,
      noTTYOutput: true,
      notTTYSchedule: 2000,
      fps: 5,
    });
    this.#bar.start(total ?? 0, this.#done, this.#payload());
  }
}
