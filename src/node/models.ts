/** @file Finds models: those shipped with the package, those in the folders of SHACOMP_MODELS, and files. */
import { createHash } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { basename, delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import { bytesOf } from '../codec/bytes.js';
import { checkModelSource, DEFAULT_MODEL, type ModelSource } from '../codec/platform.js';
import { ShacompError } from '../errors.js';
import type { Architecture } from '../model/architecture.js';
import { shortId } from '../model/id.js';
import {
  type IntegerModel,
  MODEL_HEADER_LENGTH,
  parseModel,
  parseModelHeader,
  parseOwnModel,
} from '../model/sharnn.js';
import { environment } from './env.js';
import { fileError } from './file-errors.js';
import { nodeSha256 } from './hash.js';
import { decodeName, systemName } from './names.js';
import { type RegularFile, withRegularFile } from './regular-file.js';

const SUFFIX = '.sharnn';

/** The models that ship; this file lies two folders below the package's root, in `src` as in `dist`. */
const SHIPPED = fileURLToPath(new URL('../../models', import.meta.url));

/** A model that is installed here. */
export interface InstalledModel {
  /** the file's name without `.sharnn` */
  name: string;
  path: string;
  /** SHA-256 of the file */
  id: Uint8Array<ArrayBuffer>;
  architecture: Readonly<Architecture>;
  /** bytes of the file */
  size: number;
}

/** Folders that are searched, in this order: those of SHACOMP_MODELS, then the shipped ones. */
export function modelFolders(): string[] {
  return [...(environment('SHACOMP_MODELS') ?? '').split(delimiter).filter(Boolean), SHIPPED];
}

/**
 * Remembers by path what was made of files, until they change; the latest few. Failures are not remembered:
 * the next attempt may succeed.
 */
class FileCache<T> {
  readonly #entries = new Map<string, { stamp: string; value: Promise<T> }>();

  constructor(
    private readonly most: number,
    private readonly make: (path: string) => Promise<T>,
  ) {}

  /** @throws system errors, and what `make` throws */
  async get(path: string): Promise<T> {
    // taken before the file is read, so that a change in between is noticed the next time
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(systemName(path), { bigint: true });
    const stamp = [dev, ino, size, mtimeNs, ctimeNs].join();
    const known = this.#entries.get(path);
    const entry = known?.stamp === stamp ? known : { stamp, value: this.make(path) };
    this.#entries.delete(path);
    this.#entries.set(path, entry);
    if (this.#entries.size > this.most) this.#entries.delete(this.#entries.keys().next().value!);
    try {
      return await entry.value;
    } catch (error) {
      if (this.#entries.get(path) === entry) this.#entries.delete(path);
      throw error;
    }
  }
}

/** What a model file is, known without keeping it. */
type ModelFacts = Pick<InstalledModel, 'id' | 'architecture' | 'size'>;

/** Bytes that are hashed at a time. */
const PIECE = 2 ** 20;

const facts = new FileCache<ModelFacts>(1000, (path) =>
  withRegularFile(path, async ({ size, read }) => {
    const { architecture } = parseModelHeader(await headerOf({ size, read }), size);
    const hash = createHash('sha256');
    const body = size - 4;
    const piece = new Uint8Array(Math.min(PIECE, body));
    let sum = 0;
    for (let at = 0; at < body; at += piece.length) {
      const bytes = piece.subarray(0, Math.min(piece.length, body - at));
      await read(bytes, at);
      sum = crc32(bytes, sum);
      hash.update(bytes);
    }
    const trailer = new Uint8Array(4);
    await read(trailer, body);
    if (new DataView(trailer.buffer).getUint32(0, true) !== sum)
      throw new ShacompError(
        'ERR_MODEL_INVALID',
        'not a usable model: its checksum is wrong, the file is damaged',
      );
    return { id: new Uint8Array(hash.update(trailer).digest()), architecture, size };
  }),
);

/**
 * Reads and parses a model file, past all that is remembered.
 * @throws ShacompError ERR_MODEL_INVALID, ERR_UNSUPPORTED_VERSION; Error unless it is a regular file; system
 * errors
 */
export const readModelFile = (path: string): Promise<IntegerModel> =>
  withRegularFile(path, async ({ size, read }) => {
    // before there is memory for it
    parseModelHeader(await headerOf({ size, read }), size);
    const bytes = new Uint8Array(size);
    await read(bytes, 0);
    return parseOwnModel(bytes, nodeSha256);
  });

const parsed = new FileCache<IntegerModel>(4, readModelFile);

async function headerOf({ size, read }: RegularFile): Promise<Uint8Array> {
  const header = new Uint8Array(Math.min(size, MODEL_HEADER_LENGTH));
  await read(header, 0);
  return header;
}

/** Paths of all installed model files, in search order, and why folders that are there could not be read. */
async function modelFiles(): Promise<{ paths: string[]; problems: ShacompError[] }> {
  const problems: ShacompError[] = [];
  const lists = modelFolders().map(async (folder) => {
    const names = await readdir(systemName(folder), 'buffer').catch((error) => {
      if (!['ENOENT', 'ENOTDIR'].includes(error.code)) problems.push(fileError(folder, error));
      return [] as Buffer[];
    });
    return names
      .map(decodeName)
      .filter((name) => name.endsWith(SUFFIX))
      .sort()
      .map((name) => join(folder, name));
  });
  return { paths: (await Promise.all(lists)).flat(), problems };
}

/** Problems as the end of a message; nothing if there are none. */
function listed(problems: readonly ShacompError[]): string {
  const [first, ...more] = problems;
  if (!first) return '';
  return ` (not usable: ${first.message}${more.length > 0 ? `, and ${more.length} more` : ''})`;
}

/** The models installed here, in search order; files that are not usable models are left out. */
export async function models(): Promise<InstalledModel[]> {
  const found: InstalledModel[] = [];
  for (const path of (await modelFiles()).paths) {
    try {
      found.push({ name: basename(path, SUFFIX), path, ...(await facts.get(path)) });
    } catch {
      // not a model
    }
  }
  return found;
}

/**
 * Loads a model by name ("lite"), by path, or from the bytes of a `.sharnn` file.
 * @throws ShacompError ERR_OPTIONS, ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_UNSUPPORTED_VERSION
 */
export async function loadModel(source: ModelSource = DEFAULT_MODEL): Promise<IntegerModel> {
  checkModelSource(source);
  if (source instanceof URL) return readModel(filePath(source));
  if (typeof source !== 'string') {
    const bytes = bytesOf(source);
    return bytes ? parseModel(bytes, nodeSha256) : (source as IntegerModel);
  }
  // a name has no folder and no suffix: anything else is a path
  if (/[/\\]/.test(source) || source.endsWith(SUFFIX)) return readModel(source);
  const { paths, problems } = await modelFiles();
  const path = paths.find((file) => basename(file, SUFFIX) === source);
  if (path) return readModel(path);
  const names = [...new Set(paths.map((file) => basename(file, SUFFIX)))].join(', ') || 'none';
  throw new ShacompError(
    'ERR_MODEL_NOT_FOUND',
    `no model is called "${source}" (installed: ${names}); give the path of a ${SUFFIX} file or set SHACOMP_MODELS${listed(problems)}`,
  );
}

/** @throws ShacompError ERR_OPTIONS */
function filePath(url: URL): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    const what = `the URL of a model must be that of a file, not ${url.protocol}`;
    throw new ShacompError('ERR_OPTIONS', what, { cause: error });
  }
}

/**
 * The model whose id begins with these bytes: the candidate if it is the one, else an installed one.
 * @param prefix the first 8 bytes of the SHA-256 of the model file
 * @throws ShacompError ERR_MODEL_NOT_FOUND; and for the candidate, as {@link loadModel}
 */
export async function findModel(prefix: Uint8Array, candidate?: ModelSource): Promise<IntegerModel> {
  const matches = (id: Uint8Array) => prefix.every((byte, i) => id[i] === byte);
  let given = '';
  if (candidate !== undefined) {
    const model = await loadModel(candidate);
    if (matches(model.id)) return model;
    given = `, not ${model.name} (${shortId(model.id)})`;
  }
  const { paths, problems } = await modelFiles();
  for (const path of paths) {
    try {
      const { id } = await facts.get(path);
      if (!matches(id)) continue;
      const model = await readModel(path);
      // unless it was replaced just now
      if (matches(model.id)) return model;
    } catch (error) {
      problems.push(modelError(path, error));
    }
  }
  throw new ShacompError(
    'ERR_MODEL_NOT_FOUND',
    `needs the model ${shortId(prefix)}${given}, which is not installed: give its file as the model, or have it in a folder of SHACOMP_MODELS${listed(problems)}`,
  );
}

/** @throws ShacompError ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_UNSUPPORTED_VERSION, ERR_FILE */
async function readModel(path: string): Promise<IntegerModel> {
  try {
    return await parsed.get(path);
  } catch (error) {
    throw modelError(path, error);
  }
}

/** An error about a model file, with its path. */
function modelError(path: string, error: unknown): ShacompError {
  if (error instanceof ShacompError)
    return error.message.startsWith(`${path}: `)
      ? error
      : new ShacompError(error.code, `${path}: ${error.message}`, { cause: error });
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return fileError(path, error);
  return new ShacompError('ERR_MODEL_NOT_FOUND', `${path}: no such model file`, { cause: error });
}
