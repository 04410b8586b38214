/** @file Runs the built command line, in a folder of its own. */
import { type ChildProcess, type StdioOptions, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach } from 'vitest';
import { lettersModel } from './letters-model.js';

const PROGRAM = fileURLToPath(new URL('../../bin/shacomp.js', import.meta.url));

/** A shell command in which `shacomp` is the built program. */
const withProgram = (command: string) =>
  command.replaceAll(/\bshacomp\b/g, `'${process.execPath}' '${PROGRAM}'`);

export interface Run {
  stdout: Buffer;
  stderr: string;
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface RunOptions {
  input?: Uint8Array;
  env?: Record<string, string>;
  /** The user to run as. */
  uid?: number;
  /** Sees the running process. */
  during?: (child: ChildProcess) => void | Promise<void>;
}

/** A folder for one test, with the models that its command line sees. */
export class Folder {
  readonly path = mkdtempSync(join(tmpdir(), 'shacomp-cli-'));
  readonly models = mkdtempSync(join(tmpdir(), 'shacomp-models-'));

  constructor() {
    // in place of the default model: tests must not depend on what is shipped
    writeFileSync(join(this.models, 'lite.sharnn'), lettersModel().bytes);
    writeFileSync(join(this.models, 'other.sharnn'), lettersModel(2).bytes);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  write(name: string, content: string | Uint8Array): string {
    const path = this.file(name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  read(name: string): Buffer {
    return readFileSync(this.file(name));
  }

  /** Names of all that is in it, hidden files included. */
  list(folder = '.'): string[] {
    return readdirSync(join(this.path, folder)).sort();
  }

  #environment(extra: Record<string, string> = {}) {
    // the fastest level: tests that want the network say so
    const env = { ...process.env, SHACOMP_MODELS: this.models, SHACOMP_LEVEL: '1', ...extra };
    for (const name of ['SHACOMP_ENGINE', 'SHACOMP_DEBUG'])
      if (!(name in extra)) delete (env as Record<string, string | undefined>)[name];
    return env;
  }

  /** Runs `shacomp` with these arguments in the folder. Standard input is empty unless given. */
  run(args: string[], options: RunOptions = {}): Promise<Run> {
    return this.#run(process.execPath, [PROGRAM, ...args], options);
  }

  /** Runs a shell command with `shacomp` in it, as {@link run}. */
  shell(command: string, options: RunOptions = {}): Promise<Run> {
    return this.#run('/bin/sh', ['-c', withProgram(command)], options);
  }

  /** Runs `shacomp` with other standard descriptors; gives its exit code. */
  runWith(args: string[], stdio: StdioOptions): Promise<number | null> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [PROGRAM, ...args], {
        cwd: this.path,
        env: this.#environment(),
        stdio,
      });
      child.on('error', reject);
      child.on('close', resolve);
    });
  }

  #run(file: string, args: string[], options: RunOptions): Promise<Run> {
    return new Promise((resolve, reject) => {
      const child = spawn(file, args, {
        cwd: this.path,
        env: this.#environment(options.env),
        stdio: ['pipe', 'pipe', 'pipe'],
        uid: options.uid,
      });
      const stdout: Buffer[] = [];
      const stderr: Buffer[] = [];
      child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
      child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
      child.stdin.on('error', () => {});
      child.on('error', reject);
      child.on('close', (code, signal) =>
        resolve({ stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString(), code, signal }),
      );
      child.stdin.end(options.input ?? new Uint8Array(0));
      Promise.resolve(options.during?.(child)).catch((error) => {
        child.kill('SIGKILL');
        reject(error);
      });
    });
  }

  /** Runs a shell command with `shacomp` in it on a terminal of its own; gives what the terminal showed. */
  terminal(command: string, keys = ''): Promise<{ screen: string; code: number | null }> {
    const line = withProgram(command);
    return new Promise((resolve, reject) => {
      const child = spawn('script', ['-qec', line, '/dev/null'], {
        cwd: this.path,
        env: this.#environment({ TERM: 'xterm' }),
        stdio: ['pipe', 'pipe', 'ignore'],
      });
      let screen = '';
      child.stdout.on('data', (chunk: Buffer) => {
        screen += chunk.toString();
        // answers what is asked, once
        if (keys && screen.includes('(y/n)?')) {
          child.stdin.write(keys);
          keys = '';
        }
      });
      child.on('error', reject);
      child.on('close', (code) => resolve({ screen: screen.replaceAll('\r\n', '\n'), code }));
    });
  }

  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
    rmSync(this.models, { recursive: true, force: true });
  }
}

/** A fresh folder for every test of the file; use `folder()` inside tests. */
export function eachInFolder(): () => Folder {
  let current: Folder | undefined;
  beforeEach(() => {
    current = new Folder();
  });
  afterEach(() => current?.remove());
  return () => current!;
}

/** Whether commands can be run on a pseudo-terminal here. */
export const hasTerminals =
  spawnSync('script', ['-qec', 'true', '/dev/null'], { stdio: 'ignore' }).status === 0;

/** Waits until something holds. */
export async function until(holds: () => boolean): Promise<void> {
  for (let wait = 0; !holds(); wait++) {
    if (wait > 3000) throw new Error('it did not happen');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
