/**
 * @file The files of one run, in order: so that no output replaces what is yet to be read, or what was just
 * written.
 */
import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { systemName } from '../../node/names.js';
import type { Found } from './walk.js';

export class Worklist {
  #at = -1;
  /** by identity: the last place in the list where a file is an input; made when first asked for */
  #places: Map<string, number> | undefined;
  /** by identity: the input that a file is the output of */
  readonly #written = new Map<string, string>();

  constructor(readonly files: readonly Found[]) {}

  /** Takes the next file. */
  next(): Found | undefined {
    return this.files[++this.#at];
  }

  /** The current file's {@link Found.place}. */
  get place(): string {
    return this.files[this.#at].place;
  }

  /**
   * Why the file at `target` must not be replaced by the output of `input`: it is an input whose turn is yet
   * to come, or the output of another one; undefined if it may be.
   */
  async claim(target: string, input: string): Promise<string | undefined> {
    const key = await identityOf(target);
    if (key === undefined) return undefined;
    this.#places ??= await this.#findPlaces();
    if ((this.#places.get(key) ?? -1) > this.#at)
      return 'is an input that is yet to be read; give it in a run of its own, or name another output';
    const source = this.#written.get(key);
    if (source !== undefined && source !== input)
      return `was just written, from ${source}; name another output`;
    return undefined;
  }

  /** Remembers that `target` is the output of `input`. */
  async wrote(target: string, input: string): Promise<void> {
    const key = await identityOf(target);
    if (key !== undefined) this.#written.set(key, input);
  }

  async #findPlaces(): Promise<Map<string, number>> {
    const places = new Map<string, number>();
    for (let i = this.#at + 1; i < this.files.length; i++) {
      const key = await identityOf(this.files[i].path);
      if (key !== undefined) places.set(key, i);
    }
    return places;
  }
}

/** What tells a regular file from all others, whatever its name; undefined if there is none. */
export async function identityOf(path: string): Promise<string | undefined> {
  const stats: BigIntStats | undefined = await stat(systemName(path), { bigint: true }).catch(
    () => undefined,
  );
  return stats?.isFile() ? `${stats.dev} ${stats.ino}` : undefined;
}
