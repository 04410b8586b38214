/**
 * @file Files dropped on the page: compressed or decompressed in a worker, checked, measured beside what the
 * browser has.
 */
import {
  type CompressOptions,
  compress,
  decompress,
  inspect,
  SHIPPED,
  ShacompError,
} from '../../src/browser/index.js';
import { MAGIC, MODEL_MARK } from '../../src/codec/container/format.js';
import { hex } from '../../src/model/id.js';
import { el } from './dom.js';
import { count, humanBytes, percent, seconds } from './numbers.js';

/** What `CompressionStream` may know; a browser says which by refusing the others. */
const FORMATS = ['gzip', 'brotli', 'zstd'] as const;

export interface JobSettings {
  level: number;
  /** name of a model that ships, or the bytes of another one; undefined for the level's */
  model?: string | Uint8Array<ArrayBuffer>;
  engine: string;
}

const isCompressed = (bytes: Uint8Array): boolean =>
  MAGIC.every((byte, i) => bytes[i] === byte) && bytes[MAGIC.length] !== MODEL_MARK;

/** One file at work: a card with its progress, then its result. */
export class FileJob {
  readonly element: HTMLElement;
  readonly #file: File;
  readonly #settings: JobSettings;
  readonly #stop = new AbortController();
  readonly #status = el('p', { class: 'job-status' });
  readonly #fill = el('progress', { max: 1, value: 0, 'aria-label': 'progress' });
  readonly #cancel = el('button', { type: 'button' }, 'Cancel');
  readonly #result = el('div', { class: 'job-result' });
  readonly #say: (text: string) => void;
  /** Where the result can be fetched from, until the card goes. */
  #address: string | undefined;

  constructor(file: File, settings: JobSettings, say: (text: string) => void) {
    this.#file = file;
    this.#settings = settings;
    this.#say = say;
    const heading = el('h3', {}, file.name);
    const close = el(
      'button',
      { type: 'button', class: 'close', 'aria-label': `Remove ${file.name} from the list` },
      '×',
    );
    this.element = el(
      'article',
      { class: 'job', 'data-state': 'working', 'aria-label': file.name },
      el('div', { class: 'job-head' }, heading, close),
      el('div', { class: 'job-progress' }, this.#fill, this.#cancel),
      this.#status,
      this.#result,
    );
    this.#cancel.addEventListener('click', () =>
      this.#stop.abort(new DOMException('canceled', 'AbortError')),
    );
    close.addEventListener('click', () => {
      this.#stop.abort(new DOMException('canceled', 'AbortError'));
      if (this.#address) URL.revokeObjectURL(this.#address);
      this.element.remove();
    });
  }

  async run(): Promise<void> {
    const { name } = this.#file;
    try {
      this.#status.textContent = 'Reading …';
      const bytes = new Uint8Array(await this.#file.arrayBuffer());
      await (isCompressed(bytes) ? this.#decompress(bytes) : this.#compress(bytes));
      this.element.dataset['state'] = 'done';
    } catch (error) {
      const canceled = this.#stop.signal.aborted;
      this.element.dataset['state'] = canceled ? 'canceled' : 'failed';
      this.#result.replaceChildren();
      this.#status.textContent = canceled ? 'Canceled.' : reasonOf(error);
      this.#say(canceled ? `${name}: canceled` : `${name}: ${reasonOf(error)}`);
    } finally {
      this.#fill.parentElement!.hidden = true;
    }
  }

  /** Runs a step with its share of the bar. */
  #watch(verb: string, total: number, from: number, share: number) {
    const start = performance.now();
    this.#status.textContent = `${verb} …`;
    return (done: number) => {
      this.#fill.value = from + (share * done) / Math.max(1, total);
      const ms = performance.now() - start;
      const rate = done / Math.max(1, ms / 1000);
      const left = done > 0 ? (ms * (total - done)) / done : 0;
      this.#status.textContent = `${verb}: ${humanBytes(done)} of ${humanBytes(total)}, ${humanBytes(rate)}/s, ${seconds(Math.max(0, left))} left`;
    };
  }

  async #compress(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { signal } = this.#stop;
    const { level, model, engine } = this.#settings;
    const options: CompressOptions = { level, model, engine, signal };
    const { length } = bytes;
    const watchCoding = this.#watch('Compressing', length, 0, 0.5);
    const start = performance.now();
    const coded = await compress(bytes, { ...options, onProgress: ({ bytesIn }) => watchCoding(bytesIn) });
    const codingMs = performance.now() - start;
    const watchCheck = this.#watch('Checking', length, 0.5, 0.5);
    const again = performance.now();
    const back = await decompress(coded, {
      model,
      engine,
      signal,
      onProgress: ({ bytesOut }) => watchCheck(bytesOut),
    });
    const decodingMs = performance.now() - again;
    if (!same(back, bytes))
      throw new Error('the check failed: what came back is not the file. Please report this');
    this.#fill.value = 1;
    const others = await measureOthers(bytes, signal);
    const needs = await modelOf(coded, model);
    this.#report(coded, `${this.#file.name}.sha`, [
      `${count(length)} bytes became ${count(coded.length)}: ${percent(coded.length / Math.max(1, length))}.`,
      `Decompressed and compared: every byte is right. ${speed(length, codingMs)} to compress, ${speed(length, decodingMs)} back.`,
    ]);
    this.#result.append(sizes(length, coded.length, others, needs));
    this.#say(`${this.#file.name}: ${count(length)} bytes became ${count(coded.length)}, checked`);
  }

  async #decompress(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { signal } = this.#stop;
    let total = 0;
    for await (const record of inspect([bytes])) if (record.kind === 'end') total += record.length;
    const watch = this.#watch('Decompressing', total, 0, 1);
    const start = performance.now();
    const back = await decompress(bytes, {
      model: this.#settings.model,
      engine: this.#settings.engine,
      signal,
      onProgress: ({ bytesOut }) => watch(bytesOut),
    });
    const ms = performance.now() - start;
    const name = this.#file.name.replace(/\.sha$/, '') || 'file';
    this.#report(back, name === this.#file.name ? `${name}.out` : name, [
      `${count(bytes.length)} bytes became ${count(back.length)} again, at ${speed(back.length, ms)}.`,
      'Every block’s checksum is right.',
    ]);
    this.#say(`${this.#file.name}: decompressed to ${count(back.length)} bytes, checked`);
  }

  #report(bytes: Uint8Array<ArrayBuffer>, name: string, sentences: string[]): void {
    this.#address = URL.createObjectURL(new Blob([bytes]));
    this.#status.replaceChildren(
      el('span', { class: 'check', 'aria-hidden': 'true' }, '✓ '),
      sentences.join(' '),
    );
    this.#result.replaceChildren(
      el('a', { class: 'button primary', href: this.#address, download: name }, `Save ${name}`),
    );
  }
}

const speed = (bytes: number, ms: number) => `${humanBytes(bytes / Math.max(0.001, ms / 1000))}/s`;

function same(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** An error in a sentence. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const sentence = `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}`;
  return error instanceof ShacompError ? `${sentence}.` : sentence;
}

/** The model that a file needs to be opened, with its size; undefined if it needs none. */
async function modelOf(
  coded: Uint8Array,
  given: JobSettings['model'],
): Promise<{ name: string; bytes: number } | undefined> {
  for await (const record of inspect([coded])) {
    if (record.kind !== 'model') continue;
    const known = SHIPPED.find(({ id }) => id.startsWith(hex(record.id)));
    if (known) return known;
    return { name: 'your own', bytes: given instanceof Uint8Array ? given.length : 0 };
  }
  return undefined;
}

/** Sizes by the browser's own compressors. */
async function measureOthers(bytes: Uint8Array<ArrayBuffer>, signal: AbortSignal) {
  const found: { name: string; bytes: number }[] = [];
  for (const format of FORMATS) {
    let stream: CompressionStream;
    try {
      stream = new CompressionStream(format as CompressionFormat);
    } catch {
      // this browser does not have it
      continue;
    }
    let length = 0;
    const sink = new WritableStream<Uint8Array>({
      write(chunk) {
        length += chunk.length;
      },
    });
    await new Blob([bytes]).stream().pipeThrough(stream).pipeTo(sink, { signal });
    found.push({ name: format, bytes: length });
  }
  return found;
}

/** Sizes side by side, as bars and as numbers. */
function sizes(
  original: number,
  coded: number,
  others: { name: string; bytes: number }[],
  model: { name: string; bytes: number } | undefined,
): HTMLElement {
  const rows = [
    { name: 'original', bytes: original, extra: 0, note: '' },
    ...others.map(({ name, bytes }) => ({ name, bytes, extra: 0, note: '' })),
    {
      name: 'shacomp',
      bytes: coded,
      extra: model?.bytes ?? 0,
      note: model
        ? `and once, for all files, the network ${model.name}: ${humanBytes(model.bytes)}`
        : 'no network needed',
    },
  ];
  const most = Math.max(...rows.map(({ bytes }) => bytes), 1);
  return el(
    'table',
    { class: 'sizes' },
    el('caption', {}, 'Sizes, all measured in this browser'),
    el(
      'tbody',
      {},
      ...rows.map(({ name, bytes, extra, note }) => {
        const bar = el('span', {
          class: `size-bar ${name === 'shacomp' ? 'own' : ''}`,
          'aria-hidden': 'true',
        });
        bar.style.width = `${(100 * bytes) / most}%`;
        const cell = el('td', { class: 'bars' }, bar);
        if (extra > 0) {
          const model = el('span', { class: 'size-bar model', 'aria-hidden': 'true' });
          model.style.width = `${Math.min(100 - (100 * bytes) / most, (100 * extra) / most)}%`;
          cell.append(model);
        }
        return el(
          'tr',
          {},
          el('th', { scope: 'row' }, name),
          cell,
          el('td', {}, `${count(bytes)} bytes`),
          el('td', {}, percent(bytes / Math.max(1, original))),
          el('td', { class: 'note' }, note),
        );
      }),
    ),
  );
}
