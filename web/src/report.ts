/** @file The script of a self-contained page: reads the data that is in the page, and shows it. */
import './style.css';
import { TRIED_BYTES } from '../../src/codec/explain/explain.js';
import {
  type PackedExplanation,
  type ReportData,
  type TrainingCurve,
  unpack,
} from '../../src/codec/explain/report-data.js';
import { byId, el } from './dom.js';
import { ExplanationView } from './explanation-view.js';
import { count, humanBytes } from './numbers.js';
import { trainingSections } from './training-view.js';

const report = byId('report');

/** The page's frame: a title, a sentence, sections. */
function show(title: string, lead: string, command: string, sections: HTMLElement[]): void {
  report.append(
    el('header', { class: 'top' }, el('div', {}, el('h1', {}, title), el('p', { class: 'lead' }, lead))),
    el('main', {}, ...sections),
    el('footer', {}, el('p', {}, `Made by ${command}. This page loads nothing and sends nothing.`)),
  );
}

/** A text by its cost; drawn once it is in the page. */
function textSection(
  packed: PackedExplanation,
  title = 'The text by cost',
  id = 'text',
): { section: HTMLElement; draw: () => void } {
  const view = new ExplanationView();
  const explanation = unpack(packed);
  const cut = explanation.bytes.length < packed.length;
  const intro = `The first ${humanBytes(explanation.bytes.length)} are shown; the numbers are those of all.`;
  return {
    section: el(
      'section',
      { 'aria-labelledby': id },
      el('h2', { id }, title),
      ...(cut ? [el('p', { class: 'intro' }, intro)] : []),
      view.element,
    ),
    draw: () => view.show(explanation, { whole: { bytes: packed.length, totals: packed.totals } }),
  };
}

function showExplanation(packed: PackedExplanation): void {
  document.title = `${packed.name}: where the bits went`;
  const text = textSection(packed);
  const { model, trials } = packed;
  const tried = trials.map(
    ({ level, bytes, model }) => `level ${level}${model ? ` (${model})` : ''} ${count(bytes)} bytes`,
  );
  show(
    packed.name,
    `Where the bits went: ${count(packed.length)} bytes, coded by shacomp at level ${packed.level}` +
      (model ? ` with the model ${model.name} (${humanBytes(model.bytes)}, not counted).` : '.'),
    'shacomp explain',
    [
      text.section,
      el(
        'section',
        { 'aria-labelledby': 'help' },
        el('h2', { id: 'help' }, 'What would have helped'),
        el('ul', { class: 'advice' }, ...packed.advice.map((said) => el('li', {}, said))),
        ...(tried.length > 0
          ? [
              el(
                'p',
                { class: 'intro' },
                `Tried on ${packed.length > TRIED_BYTES ? `its first ${humanBytes(TRIED_BYTES)}` : 'all of it'}: ${tried.join(', ')}.`,
              ),
            ]
          : []),
      ),
    ],
  );
  text.draw();
}

function showTraining(run: TrainingCurve): void {
  document.title = `${run.name}: training`;
  const { before, passage } = run;
  const texts = [
    ...(before ? [textSection(before, 'Held-out text, before training', 'before')] : []),
    ...(passage ? [textSection(passage, 'Held-out text, after training', 'after')] : []),
  ];
  show(
    run.name,
    run.ended ? 'A training run, from its first step to the model.' : 'A training run, so far.',
    'shacomp train',
    [...trainingSections(run), ...texts.map(({ section }) => section)],
  );
  for (const { draw } of texts) draw();
}

const data = JSON.parse(byId('data').textContent ?? '') as ReportData;
if (data.kind === 'explain') showExplanation(data.explanation);
else showTraining(data.training);
