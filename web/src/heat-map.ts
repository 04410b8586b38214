/**
 * @file Text, or rows of hexadecimal, coloured by what each character cost. The text stays text: it can be
 * selected and searched. One character has the cursor, which the mouse and the arrow keys move.
 */
import { type Explanation, sumOf } from '../../src/codec/explain/explain.js';
import { characterLength, isText, winner } from '../../src/codec/explain/summary.js';
import { el } from './dom.js';
import { bits, count } from './numbers.js';

/** Which costs colours stand for; `winner` shows who would have needed fewer bits alone. */
export type Reading = 'coded' | 'network' | 'contexts' | 'winner';

/** Bits from which a character belongs to each step of colour. */
export const STEPS = [0, 0.5, 1, 2, 4, 8] as const;
/** Bytes that are drawn at first, and more each time that more is asked for. */
const PAGE = 30_000;
/** Bytes of a row of hexadecimal. */
const ROW = 16;

/** A character, or a byte where there is no text. */
interface Unit {
  start: number;
  end: number;
  shown: string;
}

interface Row {
  start: number;
  end: number;
  units: Unit[];
}

const decoder = new TextDecoder();

const hex = (byte: number, digits = 2) => byte.toString(16).padStart(digits, '0');

/** How a character is drawn: what cannot be seen gets a sign. */
function shownAs(bytes: Uint8Array, start: number, end: number): string {
  const c = bytes[start];
  if (c === 10) return '⏎';
  if (c === 9) return '\t';
  if (c === 13) return '←';
  if (c < 32 || c === 127 || (end === start + 1 && c >= 128)) return `\\x${hex(c)}`;
  return decoder.decode(bytes.subarray(start, end));
}

/** What a byte is called in words. */
export function nameOf(byte: number): string {
  if (byte === 32) return 'space';
  if (byte === 10) return 'line end';
  if (byte === 9) return 'tab';
  if (byte > 32 && byte < 127) return String.fromCharCode(byte);
  return `0x${hex(byte)}`;
}

/** Cuts bytes from `from` on into rows, up to about `most` bytes of them. */
function rowsOf(bytes: Uint8Array, from: number, most: number, text: boolean): Row[] {
  const rows: Row[] = [];
  const stop = Math.min(bytes.length, from + most);
  for (let at = from; at < stop; ) {
    const row: Row = { start: at, end: at, units: [] };
    while (at < bytes.length) {
      const length = text ? characterLength(bytes, at) : 1;
      const shown = text ? shownAs(bytes, at, at + length) : hex(bytes[at]);
      row.units.push({ start: at, end: at + length, shown });
      at += length;
      if (text ? bytes[at - 1] === 10 || row.units.length >= 2000 : at % ROW === 0) break;
    }
    row.end = at;
    rows.push(row);
  }
  return rows;
}

const sum = (costs: Float32Array, { start, end }: { start: number; end: number }) => sumOf(costs, start, end);

const stepOf = (cost: number): number => STEPS.findLastIndex((from) => cost >= from);

export interface HeatMapOptions {
  /** Called when the cursor comes to another character. */
  onCursor(start: number, end: number): void;
}

export class HeatMap {
  readonly element: HTMLElement;
  readonly #body: HTMLElement;
  readonly #box = el('div', { class: 'cursor', 'aria-hidden': 'true', hidden: true });
  readonly #more = el('button', { type: 'button', class: 'more', hidden: true });
  readonly #options: HeatMapOptions;
  #explanation: Explanation | undefined;
  #text = true;
  #rows: Row[] = [];
  /** The element of each row's characters. */
  #lines: HTMLElement[] = [];
  #reading: Reading = 'coded';
  #threshold = 0;
  #cursor = { row: 0, unit: 0 };

  constructor(label: string, options: HeatMapOptions) {
    this.#options = options;
    this.#body = el('div', {
      class: 'heat-body',
      role: 'textbox',
      'aria-readonly': 'true',
      'aria-multiline': 'true',
      'aria-label': label,
      tabindex: 0,
      spellcheck: 'false',
    });
    this.element = el(
      'div',
      { class: 'heat' },
      el('div', { class: 'heat-frame' }, this.#body, this.#box),
      this.#more,
    );
    this.#body.addEventListener('pointermove', (event) => {
      if (event.pointerType === 'mouse') this.#moveTo(event);
    });
    this.#body.addEventListener('click', (event) => this.#moveTo(event));
    this.#body.addEventListener('keydown', (event) => this.#key(event));
    this.#body.addEventListener('focus', () => this.#show(false));
    this.#more.addEventListener('click', () => {
      const end = this.#rows.at(-1)?.end ?? 0;
      this.#draw(end, PAGE);
      this.#body.focus({ preventScroll: true });
    });
    new ResizeObserver(() => this.#place()).observe(this.#body);
  }

  /** Shows another explanation; the cursor stays at its offset as far as there is one. */
  show(explanation: Explanation): void {
    const at = this.#rows[this.#cursor.row]?.units[this.#cursor.unit]?.start ?? 0;
    this.#explanation = explanation;
    this.#text = isText(explanation.bytes);
    this.#body.replaceChildren();
    this.#body.classList.toggle('hex', !this.#text);
    this.#rows = [];
    this.#lines = [];
    this.#draw(0, PAGE);
    this.moveTo(at, false);
  }

  set reading(reading: Reading) {
    this.#reading = reading;
    this.#repaint();
  }

  /** Characters that cost fewer bits are left out. */
  set threshold(bits: number) {
    this.#threshold = bits;
    this.#repaint();
  }

  /** Puts the cursor on the character with the byte at that offset. */
  moveTo(offset: number, scroll = true): void {
    const { bytes } = this.#explanation ?? { bytes: new Uint8Array(0) };
    while (offset < bytes.length && offset >= (this.#rows.at(-1)?.end ?? 0))
      this.#draw(this.#rows.at(-1)?.end ?? 0, PAGE);
    const row = Math.max(
      0,
      this.#rows.findLastIndex(({ start }) => start <= offset),
    );
    const unit = Math.max(
      0,
      (this.#rows[row]?.units ?? []).findLastIndex(({ start }) => start <= offset),
    );
    this.#cursor = { row, unit };
    this.#show(scroll);
  }

  focus(): void {
    this.#body.focus({ preventScroll: true });
  }

  #draw(from: number, most: number): void {
    const e = this.#explanation;
    if (!e) return;
    const rows = rowsOf(e.bytes, from, most, this.#text);
    for (const row of rows) {
      const cells = el('span', { class: 'cells' });
      const line = el('div', { class: 'line', 'data-bits': bits(sum(e.coded, row)) }, cells);
      if (!this.#text) line.dataset['offset'] = hex(row.start, 6);
      this.#lines.push(cells);
      this.#rows.push(row);
      this.#paint(this.#rows.length - 1);
      this.#body.append(line);
    }
    const left = e.bytes.length - (this.#rows.at(-1)?.end ?? 0);
    this.#more.hidden = left <= 0;
    this.#more.textContent = `Show more: ${count(left)} bytes are left`;
  }

  #repaint(): void {
    for (let i = 0; i < this.#rows.length; i++) this.#paint(i);
    this.#place();
  }

  /** Fills a row with runs of characters that look alike. */
  #paint(index: number): void {
    const e = this.#explanation!;
    const { units } = this.#rows[index];
    const runs: HTMLElement[] = [];
    let look = '';
    let text = '';
    const flush = () => {
      if (text) runs.push(el('span', { class: look }, text));
      text = '';
    };
    for (const unit of units) {
      const next = this.#look(e, unit);
      if (next !== look) flush();
      look = next;
      const shown = look === 'gone' ? '·'.repeat([...unit.shown].length) : unit.shown;
      text += this.#text ? shown : `${shown} `;
    }
    flush();
    if (!this.#text)
      runs.push(el('span', { class: 'ascii', 'aria-hidden': 'true' }, asciiOf(e.bytes, this.#rows[index])));
    this.#lines[index].replaceChildren(...runs);
  }

  #look(e: Explanation, unit: Unit): string {
    if (this.#threshold > 0 && sum(e.coded, unit) < this.#threshold) return 'gone';
    if (this.#reading === 'winner') return `won-${winner(e, unit.start)}`;
    return `s${stepOf(sum(e[this.#reading] ?? e.coded, unit))}`;
  }

  /** Characters before a unit, in what its row shows. */
  #textOffset(row: Row, unit: number): number {
    let offset = 0;
    for (let k = 0; k < unit; k++) offset += row.units[k].shown.length + (this.#text ? 0 : 1);
    return offset;
  }

  /** The node and offset of a place in a row's text. */
  #point(row: number, offset: number): [Node, number] | undefined {
    let left = offset;
    for (const run of this.#lines[row]?.children ?? []) {
      const node = run.firstChild;
      const length = node?.textContent?.length ?? 0;
      if (node && left < length) return [node, left];
      left -= length;
    }
    return undefined;
  }

  #moveTo(event: MouseEvent): void {
    const at = caretAt(event.clientX, event.clientY);
    if (!at) return;
    const cells = (at.node.parentElement ?? undefined)?.closest('.cells');
    const row = this.#lines.indexOf(cells as HTMLElement);
    if (row < 0) return;
    let offset = at.offset;
    for (const run of cells!.children) {
      if (run.contains(at.node)) break;
      offset += run.textContent?.length ?? 0;
    }
    // a caret stands between characters: the one under the pointer begins before it
    const { units } = this.#rows[row];
    let unit = 0;
    while (unit + 1 < units.length && this.#textOffset(this.#rows[row], unit + 1) <= offset) unit++;
    const box = this.#boxOf(row, unit);
    if (box && event.clientX < box.left && unit > 0) unit--;
    if (row === this.#cursor.row && unit === this.#cursor.unit && !this.#box.hidden) return;
    this.#cursor = { row, unit };
    this.#show(false);
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { row, unit } = this.#cursor;
    const last = this.#rows.length - 1;
    if (last < 0) return;
    const end = (r: number) => this.#rows[r].units.length - 1;
    const moves: Record<string, () => { row: number; unit: number }> = {
      ArrowRight: () =>
        unit < end(row) ? { row, unit: unit + 1 } : row < last ? { row: row + 1, unit: 0 } : { row, unit },
      ArrowLeft: () =>
        unit > 0 ? { row, unit: unit - 1 } : row > 0 ? { row: row - 1, unit: end(row - 1) } : { row, unit },
      ArrowDown: () => ({ row: Math.min(last, row + 1), unit: Math.min(unit, end(Math.min(last, row + 1))) }),
      ArrowUp: () => ({ row: Math.max(0, row - 1), unit: Math.min(unit, end(Math.max(0, row - 1))) }),
      Home: () => ({ row, unit: 0 }),
      End: () => ({ row, unit: end(row) }),
      PageDown: () => ({ row: Math.min(last, row + 20), unit: 0 }),
      PageUp: () => ({ row: Math.max(0, row - 20), unit: 0 }),
    };
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    this.#cursor = move();
    this.#show(true);
  }

  #show(scroll: boolean): void {
    const { row, unit } = this.#cursor;
    const at = this.#rows[row]?.units[unit];
    this.#box.hidden = !at;
    if (!at) return;
    this.#place();
    if (scroll) this.#box.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    this.#options.onCursor(at.start, at.end);
  }

  #boxOf(row: number, unit: number): DOMRect | undefined {
    const { units } = this.#rows[row] ?? { units: [] };
    if (!units[unit]) return undefined;
    const offset = this.#textOffset(this.#rows[row], unit);
    const start = this.#point(row, offset);
    const end = this.#point(row, offset + units[unit].shown.length - 1);
    if (!start || !end) return undefined;
    const range = document.createRange();
    range.setStart(...start);
    range.setEnd(end[0], end[1] + 1);
    return range.getClientRects()[0];
  }

  /** Puts the cursor's box where its character is. */
  #place(): void {
    const box = this.#boxOf(this.#cursor.row, this.#cursor.unit);
    if (!box) return;
    const frame = this.#box.parentElement!.getBoundingClientRect();
    const { style } = this.#box;
    style.left = `${box.left - frame.left}px`;
    style.top = `${box.top - frame.top}px`;
    style.width = `${box.width}px`;
    style.height = `${box.height}px`;
  }
}

const asciiOf = (bytes: Uint8Array, { start, end }: Row) =>
  ' ' +
  Array.from(bytes.subarray(start, end), (c) => (c >= 32 && c < 127 ? String.fromCharCode(c) : '·')).join('');

/** Where a caret would go at that place of the window. */
function caretAt(x: number, y: number): { node: Node; offset: number } | undefined {
  const page = document as Document & {
    caretPositionFromPoint?(x: number, y: number): { offsetNode: Node; offset: number } | null;
    caretRangeFromPoint?(x: number, y: number): Range | null;
  };
  const position = page.caretPositionFromPoint?.(x, y);
  if (position) return { node: position.offsetNode, offset: position.offset };
  const range = page.caretRangeFromPoint?.(x, y);
  return range ? { node: range.startContainer, offset: range.startOffset } : undefined;
}
