/** @file Finds models: those shipped with the package, those in the folders of SHACOMP_MODELS, and files. */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ShacompError } from '../errors.js';
import type { Architecture } from '../model/architecture.js';
import { type IntegerModel, parseModel, parseModelHeader } from '../model/sharnn.js';
import { environment } from './env.js';
import { fileError } from './file-errors.js';

/** The model that compression uses where none is named. */
export const DEFAULT_MODEL = 'lite';

const SUFFIX = '.sharnn';

/** The models that ship; this file lies two folders below the package's root, in `src` as in `dist`. */
const SHIPPED = fileURLToPath(new URL('../../models', import.meta.url));

/** What names a model: a name or the path of a file, a file URL, the bytes of a `.sharnn` file, or a parsed model. */
export type ModelSource = string | URL | Uint8Array | IntegerModel;

/** A model that is installed here. */
export interface InstalledModel {
  /** the file's name without `.sharnn` */
  name: string;
  path: string;
  /** SHA-256 of the file */
  id: Uint8Array;
  architecture: Architecture;
  /** bytes of the file */
  size: number;
}

/** Folders that are searched, in this order: those of SHACOMP_MODELS, then the shipped ones. */
export function modelFolders(): string[] {
  return [...(environment('SHACOMP_MODELS') ?? '').split(delimiter).filter(Boolean), SHIPPED];
}

/** First 8 bytes of a model's id in hexadecimal: how files and messages name models. */
export function shortId(id: Uint8Array): string {
  return Buffer.from(id.subarray(0, 8)).toString('hex');
}

/** Files already read, by path; a changed file is read again. */
const parsed = new Map<string, { stamp: string; model: Promise<IntegerModel> }>();

/** Paths of all installed model files, in search order. Folders that cannot be read count as empty. */
async function modelFiles(): Promise<string[]> {
  const lists = modelFolders().map(async (folder) => {
    const names = await readdir(folder).catch(() => [] as string[]);
    return names
      .filter((name) => name.endsWith(SUFFIX))
      .sort()
      .map((name) => join(folder, name));
  });
  return (await Promise.all(lists)).flat();
}

/** The models installed here, in search order; files that are not usable models are left out. */
export async function listModels(): Promise<InstalledModel[]> {
  const models: InstalledModel[] = [];
  for (const path of await modelFiles()) {
    try {
      const bytes = await readFile(path);
      const { architecture } = parseModelHeader(bytes);
      const id = createHash('sha256').update(bytes).digest();
      models.push({ name: basename(path, SUFFIX), path, id, architecture, size: bytes.length });
    } catch {
      // not a model
    }
  }
  return models;
}

/**
 * Loads a model by name ("lite"), by path, or from the bytes of a `.sharnn` file.
 * @throws ShacompError ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_UNSUPPORTED_VERSION
 */
export async function loadModel(source: ModelSource = DEFAULT_MODEL): Promise<IntegerModel> {
  if (source instanceof Uint8Array) return parseModel(source);
  if (source instanceof URL) return readModel(fileURLToPath(source));
  if (typeof source !== 'string') return source;
  // a name has no folder and no suffix: anything else is a path
  if (/[/\\]/.test(source) || source.endsWith(SUFFIX)) return readModel(source);
  const files = await modelFiles();
  const path = files.find((file) => basename(file, SUFFIX) === source);
  if (path) return readModel(path);
  const names = [...new Set(files.map((file) => basename(file, SUFFIX)))].join(', ') || 'none';
  throw new ShacompError(
    'ERR_MODEL_NOT_FOUND',
    `no model is called "${source}" (installed: ${names}); give the path of a ${SUFFIX} file or set SHACOMP_MODELS`,
  );
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
  for (const path of await modelFiles()) {
    const model = await readModel(path).catch(() => undefined);
    if (model && matches(model.id)) return model;
  }
  throw new ShacompError(
    'ERR_MODEL_NOT_FOUND',
    `needs the model ${shortId(prefix)}${given}, which is not installed: pass its file with --model FILE`,
  );
}

async function readModel(path: string): Promise<IntegerModel> {
  try {
    const { mtimeMs, size } = await stat(path);
    const stamp = `${mtimeMs} ${size}`;
    const known = parsed.get(path);
    if (known?.stamp === stamp) return await known.model;
    const model = readFile(path).then((bytes) => parseModel(bytes));
    parsed.set(path, { stamp, model });
    return await model;
  } catch (error) {
    if (error instanceof ShacompError)
      throw new ShacompError(error.code, `${path}: ${error.message}`, { cause: error });
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw fileError(path, error);
    throw new ShacompError('ERR_MODEL_NOT_FOUND', `${path}: no such model file`, { cause: error });
  }
}
