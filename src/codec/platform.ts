/**
 * @file What the codec takes from the platform that it runs on: Node has files and an addon, a page has
 * neither.
 */
import type { Engine } from '../engines/engine.js';
import { ShacompError } from '../errors.js';
import type { Model } from '../model/model.js';
import { type Bytes, bytesOf, kindOf } from './bytes.js';
import type { CodedFormat, Mode } from './container/format.js';

/** The model that is loaded where none is named. */
export const DEFAULT_MODEL = 'lite';

/**
 * What names a model: a name or the path of a file, a file URL, the bytes of a `.sharnn` file, or a loaded
 * model.
 */
export type ModelSource = string | URL | Bytes | Model;

/** @throws ShacompError ERR_OPTIONS unless a model can be named so */
export function checkModelSource(source: unknown): void {
  const named = typeof source === 'string' || source instanceof URL || bytesOf(source) !== undefined;
  const parsed = typeof source === 'object' && source !== null && 'id' in source && 'architecture' in source;
  if (!named && !parsed)
    throw new ShacompError(
      'ERR_OPTIONS',
      `model must be a name, a path, a file URL, the bytes of a model file or a loaded model, not ${kindOf(source)}`,
    );
}

/** A block to code or to decode; its result depends on nothing else. */
export type BlockJob =
  | {
      kind: 'encode';
      bytes: Uint8Array;
      /** as the options of compression say them */
      level?: number;
      mode?: 'auto' | Mode;
      streams?: number;
    }
  | { kind: 'decode'; bytes: Uint8Array; length: number; streams: number; mode: CodedFormat['name'] };

/** What a job gives: payload and how it was coded, undefined if that is not smaller; or the block's bytes. */
export type BlockResult =
  | { mode: CodedFormat['name']; streams: number; bytes: Uint8Array<ArrayBufferLike> }
  | undefined;

/** Told of symbols done, and of payload bytes written or read. */
export type JobProgress = (symbols: number, payload: number) => void;

/** Workers that code blocks side by side. */
export interface BlockWorkers {
  /** Jobs that run at the same time, at least 2. */
  readonly count: number;
  /**
   * @param model what the job's modes need; as `loadModel` gives it
   * @throws ShacompError ERR_ENGINE_UNAVAILABLE if no worker runs here; what the job throws
   */
  run(job: BlockJob, model: Model | undefined, progress: JobProgress): Promise<BlockResult>;
  /** Ends all work at once. Jobs that run are rejected. */
  close(): void;
}

/** What an engine is wanted for, as far as it bears on which one is the fastest. */
export interface EngineWork {
  model: Model;
  /** of a block */
  streams: number;
  /** blocks of the network alone: nothing is mixed */
  alone: boolean;
  /** bytes to be encoded, and to be decoded; 0 where that is not known */
  encode: number;
  decode: number;
}

/**
 * What an engine is for, by the format of blocks; undefined where no choice is to be made by that: without
 * the network there is none, and a memory limit was given with the processor's memory in mind.
 */
export function engineWork(
  format: CodedFormat | undefined,
  model: Model | undefined,
  amount: Pick<EngineWork, 'streams' | 'encode' | 'decode'>,
  memoryLimit: number | undefined,
): EngineWork | undefined {
  if (!format?.network || !model || memoryLimit !== undefined) return undefined;
  return { model, alone: !format.profile, ...amount };
}

export interface Platform {
  /**
   * Workers with engines like the given one, of one thread each; undefined where there are none, or where an
   * engine's bits could not be made by another one. Nothing is started before the first job.
   * @param options.chosen what 'auto' has become by then, if it has
   */
  blockWorkers?(options: {
    engine: string | Engine;
    threads?: number;
    chosen?: () => Engine | undefined;
  }): BlockWorkers | undefined;
  /**
   * Bytes that blocks may take beside each other where no limit is asked for, of a platform whose programs
   * get less than the machine has. A block that takes more is coded alone.
   */
  readonly memoryBesides?: number;
  /** CRC-32 as `src/crc32.ts` computes it, where the platform has a faster one. */
  readonly crc32?: (bytes: Uint8Array, previous: number) => number;
  /**
   * The engine of that name; 'auto' is the platform's choice, for some work if that is known.
   * @throws ShacompError ERR_ENGINE_UNAVAILABLE, ERR_OPTIONS
   */
  selectEngine(name: string, options: { threads?: number; work?: EngineWork }): Promise<Engine>;
  /**
   * An engine that is faster than what 'auto' selects at blocks of the network alone in so many streams;
   * undefined where there is none, or not any more. It is one device, so that blocks take turns on it.
   */
  engineForStreams?(streams: number): Promise<Engine | undefined>;
  /**
   * A model; the default one where no source is given.
   * @throws ShacompError ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_UNSUPPORTED_VERSION, ERR_FILE
   */
  loadModel(source?: ModelSource): Promise<Model>;
  /**
   * The model whose id begins with these bytes, if it is the given one or one that the platform has.
   * @throws ShacompError ERR_MODEL_NOT_FOUND; and for the given one, as `loadModel`
   */
  findModel(prefix: Uint8Array, given?: ModelSource): Promise<Model>;
}
