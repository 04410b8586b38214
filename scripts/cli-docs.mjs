#!/usr/bin/env node
/**
 * @file Writes the tables of docs/cli.md and the man page anew, from the declarations that the program is
 * made of. Needs a build.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { commandReference, manPage } from '../dist/cli/manual.js';
import { environmentTable } from '../dist/node/env.js';

const page = new URL('../docs/cli.md', import.meta.url);
const text = readFileSync(page, 'utf8').replace(
  /(## Environment\n\n)[\s\S]*?(?=\n\n## )/,
  (_, heading) => heading + environmentTable(),
);
const at = text.indexOf('### shacomp ');
writeFileSync(page, `${(at < 0 ? text : text.slice(0, at)).trimEnd()}\n\n${commandReference()}\n`);

const folder = new URL('../man/', import.meta.url);
mkdirSync(folder, { recursive: true });
writeFileSync(new URL('shacomp.1', folder), manPage());
