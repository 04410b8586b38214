/** @file The page: its sections, and what connects them. */

import sample from 'virtual:sample';
import { type EngineReport, engines, explain, SHIPPED } from '../../src/browser/index.js';
import { type PackedExplanation, unpack } from '../../src/codec/explain/report-data.js';
import { DEFAULT_LEVEL, LEVELS } from '../../src/codec/strategy/levels.js';
import { byId, el, tableOf } from './dom.js';
import { ExplanationView } from './explanation-view.js';
import { FileJob, type JobSettings, reasonOf } from './jobs.js';
import { count, humanBytes, seconds } from './numbers.js';

/** Most bytes of text that are explained while one types. */
const MOST_TEXT = 2 ** 15;
/** How long one must pause typing, in ms. */
const PAUSE = 200;

// ---- appearance -----------------------------------------------------------------------------------------------------

const stored = (key: string): string | null => {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
};

for (const input of document.querySelectorAll<HTMLInputElement>('input[name="theme"]')) {
  input.checked = input.value === (stored('theme') ?? 'auto');
  const apply = () => {
    if (input.value === 'auto') delete document.documentElement.dataset['theme'];
    else document.documentElement.dataset['theme'] = input.value;
  };
  if (input.checked) apply();
  input.addEventListener('change', () => {
    apply();
    try {
      localStorage.setItem('theme', input.value);
    } catch {
      // a browser that keeps nothing
    }
  });
}

// ---- text by cost ---------------------------------------------------------------------------------------------------

const view = new ExplanationView();
byId('view').append(view.element);
const text = byId<HTMLTextAreaElement>('text');
const textStatus = byId('text-status');
const engine = byId<HTMLSelectElement>('engine');
const encoder = new TextEncoder();
const analysed: PackedExplanation = sample;
const sampleText = new TextDecoder().decode(unpack(analysed).bytes);

function showSample(): void {
  text.value = sampleText;
  view.show(unpack(analysed));
  textStatus.textContent = 'A sample, analysed beforehand. Type, and the network runs here.';
}

let current: AbortController | undefined;
let timer: ReturnType<typeof setTimeout> | undefined;

async function explainText(): Promise<void> {
  current?.abort();
  current = new AbortController();
  const { signal } = current;
  const all = encoder.encode(text.value);
  const bytes = all.subarray(0, MOST_TEXT);
  const start = performance.now();
  textStatus.textContent = 'Computing …';
  try {
    const explanation = await explain(bytes, {
      level: DEFAULT_LEVEL,
      likeliest: true,
      engine: engine.value,
      signal,
    });
    if (signal.aborted) return;
    view.show(explanation);
    const ms = performance.now() - start;
    const cut = all.length > MOST_TEXT ? ` The first ${humanBytes(MOST_TEXT)} are shown.` : '';
    textStatus.textContent = `${count(bytes.length)} bytes explained in ${seconds(ms)}.${cut}`;
  } catch (error) {
    if (!signal.aborted) textStatus.textContent = reasonOf(error);
  }
}

text.addEventListener('input', () => {
  clearTimeout(timer);
  timer = setTimeout(explainText, PAUSE);
});
byId('sample').addEventListener('click', () => {
  current?.abort();
  showSample();
  history.replaceState(null, '', location.pathname + location.search);
});
byId('link').addEventListener('click', async () => {
  const address = new URL(location.href);
  address.hash = `text=${encodeURIComponent(text.value)}`;
  history.replaceState(null, '', address);
  try {
    await navigator.clipboard.writeText(address.href);
    textStatus.textContent = 'The link is in the clipboard; the text is in the link, and goes to no server.';
  } catch {
    textStatus.textContent = 'The link is in the address bar.';
  }
});

showSample();
const linked = new URLSearchParams(location.hash.slice(1)).get('text');
if (linked) {
  text.value = linked;
  void explainText();
}

// ---- files ----------------------------------------------------------------------------------------------------------

const level = byId<HTMLSelectElement>('level');
const model = byId<HTMLSelectElement>('model');
const modelFile = byId<HTMLInputElement>('model-file');
const list = byId('jobs');
const status = byId('jobs-status');

/** What a level does, in a few words. */
function describeLevel(n: number): string {
  const { mode, model: name } = LEVELS[n - 1];
  const full = mode.endsWith('full') ? 'all context models' : 'few context models';
  if (!mode.startsWith('network')) return `Level ${n}: ${full}, no network. The fastest.`;
  const { bytes } = SHIPPED.find((m) => m.name === name)!;
  return `Level ${n}: ${full} and the network ${name}, ${humanBytes(bytes)}, fetched once. ${n >= 7 ? 'The smallest files, slowly.' : 'Small files.'}`;
}

for (let n = 1; n <= LEVELS.length; n++)
  level.append(
    el(
      'option',
      { value: n, selected: n === DEFAULT_LEVEL },
      `${n}${n === 1 ? ', fastest' : n === 9 ? ', smallest' : ''}`,
    ),
  );
for (const { name, bytes } of SHIPPED)
  model.append(el('option', { value: name }, `${name} (${humanBytes(bytes)})`));
model.append(el('option', { value: '*' }, 'a file of yours …'));
const sayLevel = () => {
  byId('level-says').textContent = describeLevel(Number(level.value));
};
level.addEventListener('change', sayLevel);
sayLevel();
model.addEventListener('change', () => {
  byId('own-model').hidden = model.value !== '*';
});

async function settings(): Promise<JobSettings> {
  const [file] = modelFile.files ?? [];
  const own = model.value === '*' && file ? new Uint8Array(await file.arrayBuffer()) : undefined;
  const named = model.value === '' || model.value === '*' ? undefined : model.value;
  return { level: Number(level.value), model: own ?? named, engine: engine.value };
}

async function take(files: Iterable<File>): Promise<void> {
  const chosen = await settings();
  for (const file of files) {
    const job = new FileJob(file, chosen, (said) => {
      status.textContent = said;
    });
    list.prepend(job.element);
    await job.run();
  }
}

const pick = byId<HTMLInputElement>('pick');
pick.addEventListener('change', () => {
  const files = [...(pick.files ?? [])];
  pick.value = '';
  void take(files);
});
const drop = byId('drop');
for (const type of ['dragenter', 'dragover'])
  document.addEventListener(type, (event) => {
    event.preventDefault();
    drop.classList.add('over');
  });
document.addEventListener('dragleave', (event) => {
  if (!event.relatedTarget) drop.classList.remove('over');
});
document.addEventListener('drop', (event) => {
  event.preventDefault();
  drop.classList.remove('over');
  void take([...(event.dataTransfer?.files ?? [])]);
});

// ---- engines, and use without a connection --------------------------------------------------------------------------

/** What an engine is here, and whether it is used. */
function describeEngine(report: EngineReport): string {
  if (!report.available) return report.reason;
  const { name, detail, auto } = report;
  if (engine.value === name) return `${detail}: this one is used, since it is chosen`;
  if (engine.value !== 'auto') return `${detail}: another one is chosen`;
  if (auto === 'all') return `${detail}: this one is used`;
  if (auto === 'many streams') return `${detail}: used for blocks of the network alone in many streams`;
  return `${detail}: not used unless it is chosen`;
}

async function showEngines(): Promise<void> {
  const found = await engines();
  for (const { name, available } of found) if (available) engine.append(el('option', { value: name }, name));
  const show = () =>
    byId('engines').replaceChildren(
      tableOf('Engines', [
        ['Engine', 'Here'],
        ...found.map((report): [string, string] => [report.name, describeEngine(report)]),
        [
          'native',
          'not in a browser: C++ for the processor’s own vector instructions, with the command line',
        ],
      ]),
    );
  engine.addEventListener('change', show);
  show();
}
showEngines().catch((error) => byId('engines').replaceChildren(el('p', {}, reasonOf(error))));

const offline = byId('offline');
if ('serviceWorker' in navigator && import.meta.env.PROD) {
  navigator.serviceWorker
    .register(new URL('./sw.js', document.baseURI))
    .then(() => navigator.serviceWorker.ready)
    .then(() => {
      offline.textContent =
        'This page is kept: it works without a connection. A network is kept once it was used.';
      offline.dataset['ready'] = 'yes';
    })
    .catch(() => {
      offline.textContent = 'This browser does not keep the page: it needs a connection.';
    });
} else {
  offline.textContent = 'This page needs a connection.';
}
