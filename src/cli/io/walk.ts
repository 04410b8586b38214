/** @file Goes into folders: which files the operands stand for. */
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { decodeName, systemName } from '../../node/names.js';
import { isPartialFile } from '../../node/write-file.js';
import { describe, UserError, warn } from '../terminal/messages.js';
import { STANDARD } from './files.js';

/** A file to work on. */
export interface Found {
  path: string;
  /** its name below a folder of outputs: with -r the folder that was named begins it, as for `cp -r` */
  place: string;
}

export interface Expansion {
  /** go into folders */
  recursive: boolean;
  /** which of a folder's files are taken */
  accept?: (name: string) => boolean;
  /** whether to take files and folders whose names begin with a dot (default: yes) */
  hidden?: boolean;
  /** Takes errors of folders that cannot be read, after which the walk goes on; by default they end it. */
  onError?: (error: UserError) => void;
}

/**
 * The operands with folders replaced by the files in them, in order of name; folders are warned about without
 * -r. Files that a killed run of this program left unfinished are not taken.
 */
export async function* expand(paths: readonly string[], expansion: Expansion): AsyncGenerator<Found> {
  for (const path of paths) {
    const place = basename(path);
    if (path === STANDARD || !(await isFolder(path))) yield { path, place };
    else if (expansion.recursive)
      yield* walk({ path, place: place === '.' || place === '..' ? '' : place }, expansion);
    else warn('is a folder; skipped (use -r to go into folders)', path);
  }
}

async function* walk(folder: Found, expansion: Expansion): AsyncGenerator<Found> {
  const { accept = () => true, hidden = true, onError } = expansion;
  let entries: Dirent<Buffer>[];
  try {
    entries = await readdir(systemName(folder.path), { withFileTypes: true, encoding: 'buffer' });
  } catch (error) {
    const failure = new UserError(describe(error), folder.path, { cause: error });
    if (!onError) throw failure;
    return onError(failure);
  }
  const named = entries.map((entry) => ({ entry, name: decodeName(entry.name) }));
  for (const { entry, name } of named.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!hidden && name.startsWith('.')) continue;
    const found = { path: join(folder.path, name), place: join(folder.place, name) };
    if (entry.isDirectory()) yield* walk(found, expansion);
    else if (entry.isFile() && accept(name) && !isPartialFile(name)) yield found;
  }
}

const isFolder = (path: string): Promise<boolean> =>
  stat(systemName(path)).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
