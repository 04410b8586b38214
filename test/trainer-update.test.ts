/** @file The numbers of an AdamW step on their way into the kernels. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { UPDATE, updateNumbers } from '../src/trainer/kernels.js';

describe('numbers of an update', () => {
  it('have the order of the fields of the struct that they are copied into', () => {
    const header = readFileSync(new URL('../cpp/train/train.h', import.meta.url), 'utf8');
    const fields = /struct Update \{\s*float ([^;]*);\s*\};/.exec(header)?.[1];
    expect(fields?.split(/,\s*/)).toEqual([...UPDATE]);
  });

  it('are taken by name, whatever the order of the object', () => {
    const numbers = updateNumbers({
      ...{ correct2: 10, correct1: 9, momentum: 8, ema: 7, clip: 6 },
      ...{ decay: 5, epsilon: 4, beta2: 3, beta1: 2, rate: 1 },
    });
    expect([...numbers]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });
});
