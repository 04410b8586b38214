/**
 * @file What `shacomp train` shows of a run while it goes on: a curve in the terminal, and with --report a
 * page.
 */
import { type PackedExplanation, pack, type TrainingCurve } from '../../codec/explain/report-data.js';
import { explain, type ModelSource } from '../../index.js';
import { reportPage } from '../../node/report.js';
import type { Checkpoint } from '../../trainer/checkpoint.js';
import { quantize } from '../../trainer/quantize.js';
import { activationRanges } from '../../trainer/ranges.js';
import type { RoundingLoss } from '../../trainer/rounding-loss.js';
import type { Evaluation, TrainReport } from '../../trainer/train.js';
import { writeFileSafely } from '../io/files.js';
import { describe, detail, note, warn } from '../terminal/messages.js';
import { calibrationPieces, type Sample } from './quantize.js';

/** Points of the curve that a page keeps: of a long run, evenly spread ones. */
const POINTS = 1000;
/** Characters of the curve in the terminal. */
const WIDTH = 20;
/** Bytes of the text that is shown by its cost. */
const PASSAGE = 8192;
const BARS = '▁▂▃▄▅▆▇█';

/** Bytes of text that ranges are fitted to where a model is only to be looked at. */
const CALIBRATION = 2 ** 16;

/** The beginning of a held-out text by its cost. */
async function passageOf(text: Sample, model: ModelSource): Promise<PackedExplanation> {
  const bytes = new Uint8Array(Math.min(PASSAGE, text.length));
  text.read(0, bytes);
  const explanation = await explain(bytes, { model, mode: 'network-mixing-full', likeliest: true });
  return pack(explanation, { name: 'held-out text', advice: [], trials: [] });
}

export class CurvePage {
  readonly #path: string | undefined;
  readonly #curve: TrainingCurve;
  /** Reports between two that are kept. */
  #stride = 1;
  #seen = 0;
  #writing: Promise<void> = Promise.resolve();

  /** @param path of the page; undefined for none */
  constructor(name: string, path: string | undefined) {
    this.#path = path;
    this.#curve = { name, ended: false, reports: [], evaluations: [] };
  }

  add({ elapsed, bytes, bitsPerByte, bytesPerSecond }: TrainReport): void {
    const { reports } = this.#curve;
    if (!Number.isFinite(bitsPerByte) || this.#seen++ % this.#stride !== 0) return;
    reports.push({ elapsed, bytes, bitsPerByte, bytesPerSecond });
    if (reports.length < POINTS) return;
    this.#curve.reports = reports.filter((_, i) => i % 2 === 0);
    this.#stride *= 2;
  }

  measured({ mean, files }: Evaluation, { elapsed }: TrainReport): void {
    this.#curve.evaluations.push({ elapsed, mean, files: [...files] });
    void this.#write();
  }

  /** The curve in one line: bits per byte from the start of the run until now. */
  line(): string {
    const { reports } = this.#curve;
    if (reports.length < 2) return '';
    const shown = Math.min(WIDTH, reports.length);
    const values = Array.from(
      { length: shown },
      (_, i) => reports[Math.floor(((i + 1) * reports.length) / shown) - 1].bitsPerByte,
    );
    const low = Math.min(...values);
    const span = Math.max(...values) - low || 1;
    return values
      .map((v) => BARS[Math.min(BARS.length - 1, Math.floor(((v - low) / span) * BARS.length))])
      .join('');
  }

  /** The run begins: adds a text by its cost in the network as it is now. */
  async begin(
    { arch, values }: Pick<Checkpoint, 'arch' | 'values'>,
    samples: readonly Sample[],
  ): Promise<void> {
    if (this.#path === undefined || samples.length === 0) return;
    try {
      const ranges = await activationRanges(arch, values, calibrationPieces(samples, CALIBRATION));
      const model = quantize(arch, values, 'before', ranges);
      this.#curve.before = await passageOf(samples[0], model);
    } catch (error) {
      // weights that do not round well yet may be what is to be trained
      warn(`the page does not show the text as it was before: ${describe(error)}`, this.#path);
    }
    await this.#write();
  }

  /** The run is over: adds what rounding cost, and a text by its cost in the new model. */
  async end(model: string, { texts }: RoundingLoss, text: Sample | undefined): Promise<void> {
    if (this.#path === undefined) return;
    this.#curve.ended = true;
    this.#curve.rounding = texts.map(({ path, bytes, float, integer }) => ({
      path,
      float: float / bytes,
      integer: integer / bytes,
    }));
    if (text) this.#curve.passage = await passageOf(text, model);
    await this.#write();
    note(`the run is shown in ${this.#path}`);
  }

  /** Writes the page anew. A page that cannot be written does not end a run. */
  #write(): Promise<void> {
    const path = this.#path;
    if (path === undefined) return Promise.resolve();
    const training = structuredClone(this.#curve);
    this.#writing = this.#writing.then(async () => {
      try {
        await writeFileSafely(path, Buffer.from(await reportPage({ kind: 'train', training })), true);
        detail(`wrote ${path}`);
      } catch (error) {
        warn(`the page of the run was not written: ${describe(error)}`, path);
      }
    });
    return this.#writing;
  }
}
