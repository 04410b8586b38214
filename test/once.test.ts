/** @file What is made once, and what is tried again. */
import { expect, it } from 'vitest';
import { onceEach } from '../src/once.js';

it('a thing is made once for every key, whoever asks meanwhile', async () => {
  const made: string[] = [];
  const get = onceEach(async (key: string) => {
    made.push(key);
    return { key };
  });
  const [a, same, b] = await Promise.all([get('a'), get('a'), get('b')]);
  expect([a === same, a === b, (await get('a')) === a]).toEqual([true, false, true]);
  expect(made).toEqual(['a', 'b']);
});

it('a failure is told to all who wait for it, and the next attempt may succeed', async () => {
  let attempts = 0;
  const get = onceEach(async (_key: undefined) => {
    if (++attempts === 1) throw new Error('no device');
    return attempts;
  });
  const both = await Promise.allSettled([get(undefined), get(undefined)]);
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect([await get(undefined), await get(undefined)]).toEqual([2, 2]);
});
