/** @file The script of a self-contained page: reads the data that is in the page, and shows it. */
import './style.css';
import { type ReportData, unpack } from '../../src/codec/explain/packed.js';
import { byId, el } from './dom.js';
import { ExplanationView } from './explanation-view.js';
import { count, humanBytes } from './numbers.js';

const data = JSON.parse(byId('data').textContent ?? '') as ReportData;
const report = byId('report');
const { explanation: packed } = data;
const view = new ExplanationView();
const explanation = unpack(packed);
const cut = explanation.bytes.length < packed.length;

document.title = `${packed.name}: where the bits went`;
report.append(
  el(
    'header',
    { class: 'top' },
    el(
      'div',
      {},
      el('h1', {}, packed.name),
      el(
        'p',
        { class: 'lead' },
        `Where the bits went: ${count(packed.length)} bytes, coded by shacomp at level ${packed.level}` +
          (packed.model
            ? ` with the model ${packed.model.name} (${humanBytes(packed.model.bytes)}, not counted).`
            : '.'),
      ),
    ),
  ),
  el(
    'main',
    {},
    el(
      'section',
      { 'aria-labelledby': 'text' },
      el('h2', { id: 'text' }, 'The text by cost'),
      ...(cut
        ? [
            el(
              'p',
              { class: 'intro' },
              `The first ${humanBytes(explanation.bytes.length)} are shown; the numbers are those of all.`,
            ),
          ]
        : []),
      view.element,
    ),
    el(
      'section',
      { 'aria-labelledby': 'help' },
      el('h2', { id: 'help' }, 'What would have helped'),
      el('ul', { class: 'advice' }, ...packed.advice.map((text) => el('li', {}, text))),
      ...(packed.trials.length > 0
        ? [
            el(
              'p',
              { class: 'intro' },
              `Tried on ${packed.length > 65536 ? 'its first 64 KiB' : 'all of it'}: ${packed.trials
                .map(
                  ({ level, bytes, model }) =>
                    `level ${level}${model ? ` (${model})` : ''} ${count(bytes)} bytes`,
                )
                .join(', ')}.`,
            ),
          ]
        : []),
    ),
  ),
  el('footer', {}, el('p', {}, 'Made by shacomp explain. This page loads nothing and sends nothing.')),
);
view.show(explanation, { whole: { bytes: packed.length, totals: packed.totals } });
