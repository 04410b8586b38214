import { setTimeout as wait } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { InTurn } from '../src/in-turn.js';

it('does what is asked one after the other, also after a failure, which goes to its own asker alone', async () => {
  const turn = new InTurn();
  const done: string[] = [];
  const work = (name: string, ms: number, error?: Error) =>
    turn.do(async () => {
      done.push(`${name} begins`);
      await wait(ms);
      done.push(`${name} ends`);
      if (error) throw error;
      return name;
    });
  const all = await Promise.allSettled([work('a', 8), work('b', 4, new Error('no b')), work('c', 0)]);
  expect(done).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
  expect(all).toMatchObject([{ value: 'a' }, { reason: { message: 'no b' } }, { value: 'c' }]);
});
