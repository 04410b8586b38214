import { describe, expect, it } from 'vitest';
import { Timer } from '../../src/trainer/timer.js';

/** Seconds at which the work of a timer begins, steps taking one second and the work `took`. */
async function begins(took: number, until: number, period = 10): Promise<number[]> {
  let time = 0;
  const found: number[] = [];
  const timer = new Timer(period, time);
  while (time < until) {
    time++;
    await timer.run(
      () => time,
      () => {
        found.push(time);
        time += took;
      },
    );
  }
  return found;
}

describe('what is done now and then while training', () => {
  it('is done once in its period', async () => {
    expect(await begins(0, 40)).toEqual([10, 20, 30, 40]);
  });

  it('is done every time where the period is 0, however long it takes', async () => {
    expect(await begins(20, 60, 0)).toEqual([1, 22, 43]);
  });

  it('leaves nine tenths of the time to training where it takes longer than its period', async () => {
    expect(await begins(20, 500)).toEqual([10, 210, 410]);
  });
});
