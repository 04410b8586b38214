/**
 * @file Firefox by Marionette, the protocol that it has built in: JSON over a socket, each message behind its
 * length (https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html). Playwright's Firefox is
 * a patched one, and its way to others needs commands that long-term releases do not have.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

/** The browser of the system: none is downloaded. */
export const firefoxPath: string | undefined = [
  process.env['FIREFOX'],
  '/usr/bin/firefox-esr',
  '/usr/bin/firefox',
].find((path) => path && existsSync(path));

/** Longest that the browser may take to start, and a script to run, in ms. */
const PATIENCE = 100_000;

const PREFERENCES = {
  'marionette.port': 0, // any; it says which in a file
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'app.update.disabledForTesting': true,
  'browser.startup.page': 0,
};

/** What identifies an element in the protocol. */
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';

export class Firefox {
  readonly #process: ChildProcess;
  readonly #profile: string;
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #sent = 0;

  private constructor(process: ChildProcess, profile: string, socket: Socket) {
    this.#process = process;
    this.#profile = profile;
    this.#socket = socket;
    socket.on('data', (data) => this.#receive(data));
    socket.on('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('Firefox has ended'));
    });
  }

  static async start(): Promise<Firefox> {
    const profile = mkdtempSync(join(tmpdir(), 'shacomp-firefox-'));
    const lines = Object.entries(PREFERENCES).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
    );
    writeFileSync(join(profile, 'user.js'), lines.join(''));
    const args = ['--headless', '--marionette', '--no-remote', '--profile', profile];
    const child = spawn(firefoxPath!, args, { stdio: 'ignore' });
    const file = join(profile, 'MarionetteActivePort');
    try {
      for (let waited = 0; !existsSync(file) || readFileSync(file, 'utf8') === ''; waited += 100) {
        if (waited > PATIENCE || child.exitCode !== null) throw new Error('Firefox does not start');
        await wait(100);
      }
      const socket = connect(Number(readFileSync(file, 'utf8')), '127.0.0.1');
      const firefox = new Firefox(child, profile, socket);
      await firefox.#send('WebDriver:NewSession', {});
      await firefox.#send('WebDriver:SetTimeouts', { script: PATIENCE, pageLoad: PATIENCE });
      return firefox;
    } catch (error) {
      child.kill('SIGKILL');
      throw error;
    }
  }

  async goto(url: string): Promise<void> {
    await this.#send('WebDriver:Navigate', { url });
  }

  /** Runs a function in the page; its argument and its result go as JSON. */
  async evaluate<Argument, Result>(
    work: (argument: Argument) => Result | Promise<Result>,
    argument?: Argument,
  ): Promise<Result> {
    const script = `const [argument, done] = arguments;
      Promise.resolve().then(() => (${work})(argument)).then(
        (value) => done({ value: value ?? null }), (error) => done({ error: String(error?.stack ?? error) }));`;
    const { value } = (await this.#send('WebDriver:ExecuteAsyncScript', {
      script,
      args: [argument ?? null],
    })) as { value: { value: Result } | { error: string } };
    if ('error' in value) throw new Error(value.error);
    return value.value;
  }

  /** Waits until a function in the page gives something true. */
  async until(work: () => unknown): Promise<void> {
    for (let waited = 0; !(await this.evaluate(work)); waited += 100) {
      if (waited > PATIENCE) throw new Error(`never true: ${work}`);
      await wait(100);
    }
  }

  /** Gives a file to the input that the selector finds. */
  async give(selector: string, path: string): Promise<void> {
    const { value } = (await this.#send('WebDriver:FindElement', {
      using: 'css selector',
      value: selector,
    })) as { value: Record<string, string> };
    await this.#send('WebDriver:ElementSendKeys', { id: value[ELEMENT], text: path });
  }

  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    await Promise.race([
      this.#send('Marionette:Quit', { flags: ['eForceQuit'] }).catch(() => {}),
      wait(5000),
    ]);
    await Promise.race([ended, wait(5000).then(() => this.#process.kill('SIGKILL'))]);
    this.#socket.destroy();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  #send(command: string, parameters: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const id = this.#sent++;
      this.#waiting.set(id, { resolve, reject });
      const text = JSON.stringify([0, id, command, parameters]);
      this.#socket.write(`${Buffer.byteLength(text)}:${text}`);
    });
  }

  #receive(data: Buffer): void {
    this.#received = Buffer.concat([this.#received, data]);
    for (;;) {
      const colon = this.#received.indexOf(':');
      const length = Number(this.#received.subarray(0, Math.max(0, colon)).toString());
      if (colon < 0 || this.#received.length < colon + 1 + length) return;
      const text = this.#received.subarray(colon + 1, colon + 1 + length).toString();
      this.#received = this.#received.subarray(colon + 1 + length);
      const message = JSON.parse(text);
      // the first one only names the program
      if (!Array.isArray(message)) continue;
      const [, id, error, result] = message as [number, number, { message: string } | null, unknown];
      const { resolve, reject } = this.#waiting.get(id)!;
      this.#waiting.delete(id);
      if (error) reject(new Error(error.message));
      else resolve(result);
    }
  }
}
