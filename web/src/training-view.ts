/** @file A training run to look at: its learning curve, held-out files, speed, and what rounding cost. */
import type { TrainingCurve } from '../../src/codec/explain/report-data.js';
import { el, tableOf } from './dom.js';
import { count, humanBytes } from './numbers.js';

const WIDTH = 800;
const HEIGHT = 280;
const LEFT = 48;
const BOTTOM = 32;

/** An element of SVG with attributes. */
function svg(
  tag: string,
  attributes: Record<string, string | number>,
  ...children: (Node | string)[]
): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  element.append(...children);
  return element;
}

/** Seconds as people say them. */
function duration(seconds: number): string {
  if (seconds < 120) return `${seconds.toFixed(0)} s`;
  return seconds < 7200 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** The curve: a line for the training text, a dot for each measurement of held-out text. */
function chart({ reports, evaluations }: TrainingCurve): SVGElement {
  const values = [...reports.map((r) => r.bitsPerByte), ...evaluations.map((e) => e.mean)];
  const end = Math.max(1, ...reports.map((r) => r.elapsed), ...evaluations.map((e) => e.elapsed));
  // beyond the first steps nothing is near 8 bits: the scale begins at what the run reaches
  const low = Math.floor(Math.min(...values) * 2) / 2;
  const high = Math.max(low + 0.5, Math.ceil(Math.max(...values) * 2) / 2);
  const x = (seconds: number) => LEFT + ((WIDTH - LEFT - 12) * seconds) / end;
  const y = (bits: number) => 12 + ((HEIGHT - BOTTOM - 12) * (high - bits)) / (high - low);
  const last = evaluations.at(-1);
  const label =
    `Bits per byte over ${duration(end)}: from ${values[0]?.toFixed(2)} to ${reports.at(-1)?.bitsPerByte.toFixed(2)} on the training text` +
    (last ? `, ${last.mean.toFixed(3)} on held-out text.` : '.');
  const picture = svg('svg', {
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    class: 'curve',
    role: 'img',
    'aria-label': label,
  });
  const steps = Math.min(8, Math.max(1, Math.round((high - low) * 2)));
  for (let i = 0; i <= steps; i++) {
    const bits = low + ((high - low) * i) / steps;
    picture.append(
      svg('line', { x1: LEFT, x2: WIDTH - 12, y1: y(bits), y2: y(bits), class: 'grid' }),
      svg('text', { x: LEFT - 8, y: y(bits) + 4, 'text-anchor': 'end' }, bits.toFixed(2)),
    );
  }
  for (let i = 0; i <= 4; i++)
    picture.append(
      svg(
        'text',
        { x: x((end * i) / 4), y: HEIGHT - 8, 'text-anchor': i === 4 ? 'end' : i === 0 ? 'start' : 'middle' },
        duration((end * i) / 4),
      ),
    );
  picture.append(
    svg('polyline', {
      class: 'train',
      points: reports.map((r) => `${x(r.elapsed).toFixed(1)},${y(r.bitsPerByte).toFixed(1)}`).join(' '),
    }),
    ...evaluations.map((e) => svg('circle', { class: 'held', cx: x(e.elapsed), cy: y(e.mean), r: 5 })),
  );
  return picture;
}

/** What a page says about a run, section by section. */
export function trainingSections(run: TrainingCurve): HTMLElement[] {
  const { reports, evaluations, rounding } = run;
  const sections: HTMLElement[] = [];
  const last = reports.at(-1);
  if (last) {
    const seconds = last.elapsed;
    sections.push(
      el(
        'section',
        { 'aria-labelledby': 'curve' },
        el('h2', { id: 'curve' }, 'Learning curve'),
        el(
          'p',
          { class: 'intro' },
          `Bits per byte. Line: the training text; dots: held-out text. ${humanBytes(last.bytes)} in ${duration(seconds)}, ` +
            `${humanBytes(last.bytesPerSecond)}/s at the end.${run.ended ? '' : ' The run goes on: load this page again.'}`,
        ),
        chart(run) as unknown as HTMLElement,
      ),
    );
  }
  const [first] = evaluations;
  const latest = evaluations.at(-1);
  if (first && latest) {
    const before = new Map(first.files);
    const rows = [
      ...latest.files.map(([path, last]) => ({ path, last, start: before.get(path) ?? last })),
      { path: 'mean', last: latest.mean, start: first.mean },
    ];
    sections.push(
      el(
        'section',
        { 'aria-labelledby': 'held' },
        el('h2', { id: 'held' }, 'Held-out text'),
        evaluations.length === 1
          ? tableOf('Bits per byte', [
              ['File', 'Bits per byte'],
              ...rows.map(({ path, last }) => [path, last.toFixed(4)]),
            ])
          : tableOf(`Bits per byte, the first and the last of ${count(evaluations.length)} measurements`, [
              ['File', 'First', 'Last', 'Change'],
              ...rows.map(({ path, start, last }) => [
                path,
                start.toFixed(4),
                last.toFixed(4),
                `${(100 * (last / start - 1)).toFixed(1)} %`,
              ]),
            ]),
      ),
    );
  }
  if (rounding && rounding.length > 0)
    sections.push(
      el(
        'section',
        { 'aria-labelledby': 'rounding' },
        el('h2', { id: 'rounding' }, 'What rounding to integers cost'),
        tableOf('Bits per byte before and after', [
          ['Text', 'Float', 'Integer', 'Loss'],
          ...rounding.map(({ path, float, integer }) => [
            path,
            float.toFixed(4),
            integer.toFixed(4),
            `${(100 * (integer / float - 1)).toFixed(2)} %`,
          ]),
        ]),
      ),
    );
  return sections;
}
