/**
 * @file An explanation to look at: the heat map with its controls, and what it adds up to. One view for page
 * and report.
 */
import { LIKELIEST } from '../../src/codec/explain/costs.js';
import { type Explanation, type Totals, totals } from '../../src/codec/explain/explain.js';
import {
  expensiveLines,
  isText,
  kinds,
  type Line,
  lines,
  regions,
  type Span,
  winner,
} from '../../src/codec/explain/summary.js';
import { el, tableOf } from './dom.js';
import { HeatMap, nameOf, type Reading, STEPS } from './heat-map.js';
import { bits, count, humanBytes, perByte, percent } from './numbers.js';

const READINGS: { reading: Reading; label: string; says: string }[] = [
  {
    reading: 'coded',
    label: 'As coded',
    says: 'Colour is the bits that each character takes in the file: network and contexts mixed.',
  },
  {
    reading: 'network',
    label: 'Network alone',
    says: 'Colour is what the trained network alone would take. It knows language, but has not seen this text before.',
  },
  {
    reading: 'contexts',
    label: 'Contexts alone',
    says: 'Colour is what the context models alone would take. They know only what has come so far.',
  },
  {
    reading: 'winner',
    label: 'Who won',
    says: 'Blue: the network alone would have needed fewer bits. Orange, underlined: the context models.',
  },
];

const PALETTES = [
  { value: 'ocean', label: 'Blue to orange' },
  { value: 'grey', label: 'Greys' },
  { value: 'lines', label: 'Underlines only' },
];

/** Bits that the slider stands for at each of its places. */
const THRESHOLDS = [0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 16];

/** Columns of the map by offset. */
const REGIONS = 64;
const EXPENSIVE = 5;

export interface ViewOptions {
  /** Sums over the whole file, where the explanation has only its beginning. */
  whole?: { bytes: number; totals: Totals };
}

let views = 0;

export class ExplanationView {
  readonly element: HTMLElement;
  readonly #id = `view${views++}`;
  readonly #map: HeatMap;
  readonly #detail = el('div', { class: 'detail' });
  readonly #spoken = el('p', { class: 'visually-hidden', role: 'status' });
  readonly #numbers = el('dl', { class: 'numbers' });
  readonly #summary = el('div', { class: 'summary' });
  readonly #says = el('p', { class: 'says' });
  readonly #legend = el('div', { class: 'legend', 'aria-hidden': 'true' });
  readonly #left = el('output', { class: 'left' });
  readonly #slider: HTMLInputElement;
  readonly #readings: HTMLElement;
  #explanation: Explanation | undefined;
  #lines: Line[] = [];

  constructor() {
    this.#map = new HeatMap('Text coloured by cost. Arrow keys move from character to character.', {
      onCursor: (start, end) => this.#describe(start, end),
    });
    const group = `${this.#id}-reading`;
    this.#readings = el(
      'fieldset',
      { class: 'segments' },
      el('legend', {}, 'Costs'),
      ...READINGS.map(({ reading, label }, i) =>
        el(
          'label',
          {},
          el('input', { type: 'radio', name: group, value: reading, checked: i === 0 }),
          el('span', {}, label),
        ),
      ),
    );
    this.#readings.addEventListener('change', (event) =>
      this.#read((event.target as HTMLInputElement).value as Reading),
    );
    const palette = el(
      'select',
      { id: `${this.#id}-palette` },
      ...PALETTES.map(({ value, label }) => el('option', { value }, label)),
    );
    palette.addEventListener('change', () => {
      this.element.dataset['palette'] = palette.value;
    });
    this.#slider = el('input', {
      type: 'range',
      min: 0,
      max: THRESHOLDS.length - 1,
      value: 0,
      step: 1,
      id: `${this.#id}-slider`,
    });
    this.#slider.addEventListener('input', () => this.#remove());
    this.element = el(
      'div',
      { class: 'view', 'data-palette': 'ocean' },
      this.#numbers,
      el(
        'div',
        { class: 'controls' },
        this.#readings,
        el('div', { class: 'field' }, el('label', { for: palette.id }, 'Colours'), palette),
        el(
          'div',
          { class: 'field wide' },
          el('label', { for: this.#slider.id }, 'Leave out what was guessed'),
          this.#slider,
          this.#left,
        ),
      ),
      this.#says,
      this.#legend,
      el('div', { class: 'stage' }, this.#map.element, this.#detail),
      this.#spoken,
      this.#summary,
    );
    this.#read('coded');
  }

  show(e: Explanation, { whole }: ViewOptions = {}): void {
    this.#explanation = e;
    this.#lines = isText(e.bytes) ? lines(e) : [];
    for (const input of this.#readings.querySelectorAll('input'))
      input.disabled = !e.network && (input.value === 'network' || input.value === 'winner');
    this.#detail.replaceChildren();
    const sums = whole ?? { bytes: e.bytes.length, totals: totals(e) };
    this.#count(e, sums);
    this.#summarize(e, sums.totals);
    this.#map.show(e);
    this.#remove();
  }

  #read(reading: Reading): void {
    this.#says.textContent = READINGS.find((r) => r.reading === reading)!.says;
    this.#legend.replaceChildren(
      ...(reading === 'winner'
        ? [
            el('span', { class: 'won-network' }, 'network'),
            el('span', { class: 'won-draw' }, 'within 0.1 bit'),
            el('span', { class: 'won-contexts' }, 'contexts'),
          ]
        : STEPS.map((from, i) =>
            el(
              'span',
              { class: `s${i}` },
              i + 1 < STEPS.length ? `${from}–${STEPS[i + 1]}` : `${from}+ bits`,
            ),
          )),
    );
    if (this.#explanation) this.#map.reading = reading;
  }

  /** Says, and shows, what is left without the characters that were as good as known. */
  #remove(): void {
    const threshold = THRESHOLDS[Number(this.#slider.value)];
    const e = this.#explanation;
    this.#map.threshold = threshold;
    if (!e || threshold === 0) {
      this.#left.textContent = 'nothing is left out';
      this.#slider.setAttribute('aria-valuetext', 'nothing is left out');
      return;
    }
    let gone = 0;
    let lost = 0;
    let all = 0;
    for (const cost of e.coded) {
      all += cost;
      if (cost >= threshold) continue;
      gone++;
      lost += cost;
    }
    const text = `under ${threshold} bits: ${percent(gone / Math.max(1, e.bytes.length))} of the bytes gone, ${percent(1 - lost / (all || 1))} of the information left`;
    this.#left.textContent = text;
    this.#slider.setAttribute('aria-valuetext', text);
  }

  #describe(start: number, end: number): void {
    const e = this.#explanation!;
    const { coded, network, contexts } = totals(e, start, end);
    const bytes = e.bytes.subarray(start, end);
    const name = bytes.length === 1 ? nameOf(bytes[0]) : new TextDecoder().decode(bytes);
    const line = this.#lines.find((l) => start < l.end);
    const rows: Node[] = [
      el('p', { class: 'glyph' }, el('strong', {}, name), ` at byte ${count(start)}`),
      el('p', { class: 'cost' }, el('strong', {}, bits(coded)), ` bits`),
    ];
    const versus =
      network === undefined
        ? `contexts alone ${bits(contexts)}`
        : `network alone ${bits(network)}, contexts alone ${bits(contexts)}`;
    rows.push(el('p', { class: 'versus' }, versus));
    let spoken = `${name}: ${bits(coded)} bits, ${versus}.`;
    const first = bytes.length > 1 ? ' (first byte)' : '';
    const expected = guessesOf(e.codedLikeliest, e.codedChances, start);
    const ofNetwork = guessesOf(e.likeliest, e.chances, start);
    if (expected.length > 0)
      rows.push(el('h4', {}, `Expected as coded${first}`), guessList(expected, e.bytes[start], 'coded'));
    if (ofNetwork.length > 0) {
      const won = winner(e, start);
      rows.push(
        el('h4', {}, `The network expected${first}`),
        guessList(ofNetwork, e.bytes[start], 'network'),
        el(
          'p',
          { class: 'won' },
          won === 'draw' ? 'A draw.' : won === 'network' ? 'The network won.' : 'The contexts won.',
        ),
      );
    }
    const [likeliest] = expected.length > 0 ? expected : ofNetwork;
    if (likeliest) spoken += ` Expected ${nameOf(likeliest.byte)}, ${percent(likeliest.p)}.`;
    if (line) {
      rows.push(
        el(
          'p',
          { class: 'line-cost' },
          `Line ${count(line.number)}: ${bits(line.coded)} bits, ${perByte(line.coded, line.bytes)} a byte.`,
        ),
      );
    }
    this.#detail.replaceChildren(...rows);
    this.#spoken.textContent = spoken;
  }

  #count(e: Explanation, { bytes, totals: sum }: { bytes: number; totals: Totals }): void {
    const number = (label: string, value: string, note: string) =>
      el('div', {}, el('dt', {}, label), el('dd', {}, value, el('small', {}, note)));
    this.#numbers.replaceChildren(
      number('In', humanBytes(bytes), `${count(bytes)} bytes`),
      number('Out', humanBytes(e.fileBytes), `${count(e.fileBytes)} bytes, level ${e.level}`),
      number(
        'Bits per byte',
        perByte(8 * e.fileBytes, bytes),
        bytes > 0 ? `${percent(e.fileBytes / bytes)} of the size` : '',
      ),
      ...(sum.network === undefined
        ? []
        : [number('Network alone', perByte(sum.network, bytes), 'bits per byte')]),
      number('Contexts alone', perByte(sum.contexts, bytes), 'bits per byte'),
    );
  }

  #summarize(e: Explanation, sum: Totals): void {
    const parts: Node[] = [];
    if (this.#lines.length > 1) {
      const worst = expensiveLines(this.#lines, EXPENSIVE).filter(({ coded }) => coded > 0);
      parts.push(
        el(
          'section',
          {},
          el('h3', {}, 'Most expensive lines'),
          el(
            'ol',
            { class: 'expensive' },
            ...worst.map((line) => {
              const button = el(
                'button',
                { type: 'button' },
                el('span', { class: 'amount' }, `${bits(line.coded)} bits`),
                el('span', { class: 'where' }, `line ${count(line.number)}`),
                el(
                  'span',
                  { class: 'excerpt' },
                  new TextDecoder()
                    .decode(e.bytes.subarray(line.start, Math.min(line.end, line.start + 120)))
                    .trim(),
                ),
              );
              button.addEventListener('click', () => {
                this.#map.moveTo(dearest(e, line), true);
                this.#map.focus();
              });
              return el('li', {}, button);
            }),
          ),
        ),
      );
    }
    const found = regions(e, REGIONS);
    if (found.length > 1) {
      const top = Math.max(...found.map((r) => r.coded / r.bytes), 0.01);
      const bars = regionBars(found, top, (region) => this.#map.moveTo(region.start, true));
      parts.push(
        el(
          'section',
          {},
          el('h3', {}, 'Where the bits are'),
          bars,
          el(
            'p',
            { class: 'scale' },
            `from the first byte to the last; the highest bar is ${top.toFixed(2)} bits per byte`,
          ),
        ),
      );
    }
    if (e.bytes.length > 0)
      parts.push(
        el(
          'section',
          { class: 'scroll', tabindex: 0, 'aria-label': 'Costs by kind of byte' },
          tableOf('Costs by kind of byte, in bits per byte', [
            ['Kind', 'Bytes', 'Coded', 'Contexts', ...(e.network ? ['Network'] : []), 'Of all bits'],
            ...kinds(e).map((k) => [
              k.kind,
              count(k.bytes),
              perByte(k.coded, k.bytes),
              perByte(k.contexts, k.bytes),
              ...(e.network ? [perByte(k.network, k.bytes)] : []),
              percent(k.coded / (sum.coded || 1)),
            ]),
          ]),
        ),
      );
    this.#summary.replaceChildren(...parts);
  }
}

/**
 * Costs by place as bars, which are one slider together: the arrow keys and the mouse choose a place.
 * @param top bits per byte of the highest bar
 */
function regionBars(found: readonly Span[], top: number, choose: (region: Span) => void): HTMLElement {
  const bars = el('div', {
    class: 'regions',
    role: 'slider',
    tabindex: 0,
    'aria-label': 'Place in the file, with its bits per byte',
    'aria-valuemin': 1,
    'aria-valuemax': found.length,
  });
  for (const region of found) {
    const bar = el('span', { class: 'region', 'aria-hidden': 'true' }, el('span', {}));
    (bar.firstChild as HTMLElement).style.height = `${(100 * region.coded) / region.bytes / top}%`;
    bars.append(bar);
  }
  let here = 0;
  const say = (at: number) => {
    bars.children[here].classList.remove('here');
    here = Math.max(0, Math.min(found.length - 1, at));
    bars.children[here].classList.add('here');
    const { start, end, coded, bytes } = found[here];
    bars.setAttribute('aria-valuenow', String(here + 1));
    bars.setAttribute(
      'aria-valuetext',
      `bytes ${count(start)} to ${count(end - 1)}: ${perByte(coded, bytes)} bits per byte`,
    );
  };
  say(0);
  const steps: Record<string, (at: number) => number> = {
    ArrowRight: (at) => at + 1,
    ArrowUp: (at) => at + 1,
    ArrowLeft: (at) => at - 1,
    ArrowDown: (at) => at - 1,
    Home: () => 0,
    End: () => found.length - 1,
  };
  bars.addEventListener('keydown', (event) => {
    const step = steps[event.key];
    if (!step) return;
    event.preventDefault();
    say(step(here));
    choose(found[here]);
  });
  bars.addEventListener('click', (event) => {
    const { left, width } = bars.getBoundingClientRect();
    say(Math.floor(((event.clientX - left) / width) * found.length));
    choose(found[here]);
  });
  return bars;
}

interface Guess {
  byte: number;
  p: number;
}

/** The likeliest bytes at an offset; none where nothing was predicted. */
function guessesOf(bytes: Uint8Array | undefined, chances: Uint16Array | undefined, offset: number): Guess[] {
  return Array.from({ length: LIKELIEST }, (_, k) => ({
    byte: bytes?.[offset * LIKELIEST + k] ?? 0,
    p: (chances?.[offset * LIKELIEST + k] ?? 0) / 65536,
  })).filter(({ p }) => p > 0);
}

/** Guesses with their probabilities, as bars and numbers; the right one is marked. */
const guessList = (guesses: readonly Guess[], right: number, by: string): HTMLElement =>
  el(
    'ol',
    { class: `guesses ${by}` },
    ...guesses.map(({ byte, p }) => {
      const bar = el('span', { class: 'bar', 'aria-hidden': 'true' });
      bar.style.width = `${100 * p}%`;
      return el(
        'li',
        { class: byte === right ? 'right' : '' },
        el('span', { class: 'byte' }, nameOf(byte)),
        el('span', { class: 'track', 'aria-hidden': 'true' }, bar),
        el('span', { class: 'chance' }, percent(p)),
      );
    }),
  );

/** Offset of the byte that cost most in a line. */
function dearest(e: Explanation, { start, end }: Line): number {
  let best = start;
  for (let i = start; i < end; i++) if (e.coded[i] > e.coded[best]) best = i;
  return best;
}
