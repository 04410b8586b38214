/**
 * @file Models in a page: those that ship, fetched on first use, and any other by its URL or its bytes. What
 * was fetched is kept in Cache Storage by its hash, so that it is there without a network, and is never used
 * unless the hash is right.
 */
import { bytesOf } from '../codec/bytes.js';
import { checkModelSource, DEFAULT_MODEL, type ModelSource } from '../codec/platform.js';
import { ShacompError } from '../errors.js';
import { hex, shortId } from '../model/id.js';
import type { Model } from '../model/model.js';
import { parseModel, parseOwnModel } from '../model/sharnn.js';
import { SHIPPED, type ShippedModel } from './shipped.js';

const CACHE = 'shacomp-models';

/** Parsed models by their id: a page codes many times with the same one. */
const parsed = new Map<string, Promise<Model>>();

/** Cache Storage; undefined where there is none, as in a page that is not secure. */
const cache = async (): Promise<Cache | undefined> => {
  try {
    return await globalThis.caches?.open(CACHE);
  } catch {
    return undefined;
  }
};

/** What a model is kept under. Nobody answers there. */
const keyOf = (id: string) => `https://models.shacomp.invalid/${id}`;

const fetchFailed = (url: URL, why: string, cause?: unknown) =>
  new ShacompError('ERR_MODEL_NOT_FOUND', `${url.href}: cannot fetch the model: ${why}`, { cause });

/** @throws ShacompError ERR_MODEL_NOT_FOUND */
async function fetchBytes(url: URL): Promise<Uint8Array<ArrayBuffer>> {
  let response: Response;
  try {
    response = await fetch(url);
    if (response.ok) return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw fetchFailed(url, 'the network does not answer', error);
  }
  throw fetchFailed(url, `the server says ${response.status}`);
}

/**
 * The model of that id, from the cache or from its URL.
 * @throws ShacompError ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID also if the hash is another one
 */
async function fetchChecked(url: URL, id: string): Promise<Model> {
  const store = await cache();
  const kept = await store?.match(keyOf(id)).catch(() => undefined);
  if (kept) {
    try {
      const model = parseOwnModel(new Uint8Array(await kept.arrayBuffer()));
      if (hex(model.id).startsWith(id)) return model;
    } catch {
      // damaged: fetched anew
    }
    await store?.delete(keyOf(id));
  }
  const bytes = await fetchBytes(url);
  const model = parseModel(bytes);
  if (!hex(model.id).startsWith(id))
    throw new ShacompError(
      'ERR_MODEL_INVALID',
      `${url.href}: not the model that was asked for: its hash is ${shortId(model.id)}, not ${id.slice(0, 16)}`,
    );
  // a full disk is no reason to fail
  await store?.put(keyOf(id), new Response(bytes)).catch(() => {});
  return model;
}

/** Loads once, whoever asks; a failure is not remembered. */
function once(key: string, load: () => Promise<Model>): Promise<Model> {
  const known = parsed.get(key) ?? load();
  parsed.set(key, known);
  known.catch(() => parsed.delete(key));
  return known;
}

const shipped = ({ id, url }: ShippedModel): Promise<Model> => once(id, () => fetchChecked(url(), id));

/**
 * Loads a model: the name of one that ships, a URL, or the bytes of a `.sharnn` file. A URL that ends in
 * `#id=` and the first digits of the model's hash, 16 at least (`shacomp info` prints them), is checked
 * against it and kept in the cache.
 * @throws ShacompError ERR_OPTIONS, ERR_MODEL_NOT_FOUND, ERR_MODEL_INVALID, ERR_UNSUPPORTED_VERSION
 */
export async function loadModel(source: ModelSource = DEFAULT_MODEL): Promise<Model> {
  checkModelSource(source);
  if (typeof source !== 'string' && !(source instanceof URL)) {
    const bytes = bytesOf(source);
    return bytes ? parseModel(bytes) : (source as Model);
  }
  const known = SHIPPED.find(({ name }) => name === source);
  if (known) return shipped(known);
  const url = urlOf(source);
  const [, id] = url.hash.match(/^#id=([0-9a-f]{16,64})$/) ?? [];
  if (url.hash && !id)
    throw new ShacompError(
      'ERR_OPTIONS',
      `${url.href}: what follows the # must be id= and 16 to 64 digits of the model's hash`,
    );
  url.hash = '';
  return id
    ? once(id, () => fetchChecked(url, id))
    : once(url.href, async () => parseOwnModel(await fetchBytes(url)));
}

/** @throws ShacompError ERR_MODEL_NOT_FOUND */
function urlOf(source: string | URL): URL {
  if (source instanceof URL) return new URL(source);
  // a name has neither a slash nor a suffix: a misspelt one should not be asked of the server
  if (/[/.]/.test(source))
    try {
      return new URL(source, globalThis.location?.href);
    } catch {
      // not a URL either
    }
  const names = SHIPPED.map(({ name }) => name).join(', ');
  throw new ShacompError(
    'ERR_MODEL_NOT_FOUND',
    `no model is called "${source}" (there are: ${names}); give the URL or the bytes of a .sharnn file`,
  );
}

/**
 * The model whose id begins with these bytes: the candidate if it is the one, else one that ships or is in
 * the cache.
 * @throws ShacompError ERR_MODEL_NOT_FOUND; and for the candidate, as {@link loadModel}
 */
export async function findModel(prefix: Uint8Array, candidate?: ModelSource): Promise<Model> {
  const wanted = hex(prefix);
  let given = '';
  if (candidate !== undefined) {
    const model = await loadModel(candidate);
    if (hex(model.id).startsWith(wanted)) return model;
    given = `, not ${model.name} (${shortId(model.id)})`;
  }
  const known = SHIPPED.find(({ id }) => id.startsWith(wanted));
  if (known) return shipped(known);
  const store = await cache();
  for (const request of (await store?.keys().catch(() => [])) ?? []) {
    const id = new URL(request.url).pathname.slice(1);
    if (id.startsWith(wanted)) return once(id, () => fetchChecked(new URL(request.url), id));
  }
  throw new ShacompError(
    'ERR_MODEL_NOT_FOUND',
    `needs the model ${shortId(prefix)}${given}, which is not one of those that ship: give its file as the model`,
  );
}
