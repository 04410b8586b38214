#!/usr/bin/env node
/** @file Writes the options in docs/cli.md anew, from the declarations that the parser is made of. Needs a build. */
import { readFileSync, writeFileSync } from 'node:fs';
import { commandReference } from '../dist/cli/manual.js';

const page = new URL('../docs/cli.md', import.meta.url);
const text = readFileSync(page, 'utf8');
const at = text.indexOf('### shacomp ');
writeFileSync(page, `${(at < 0 ? text : text.slice(0, at)).trimEnd()}\n\n${commandReference()}\n`);
