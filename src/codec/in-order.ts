/** @file Tasks side by side, their results in order. */

/**
 * Runs tasks at the same time, and gives what they give in the order in which they came. Reads no task ahead
 * unless more than one may run: then the next one is read while others run, and what is done is given out
 * without waiting for it.
 * @param next the next task, undefined after the last one
 * @param most how many may run at the same time, at least 1
 * @throws what `next` or a task throws, after the results before it
 */
export async function* inOrder<Result>(
  next: () => Promise<(() => Promise<Result>) | undefined>,
  most: () => number,
): AsyncGenerator<Result, void, undefined> {
  const running: Promise<Result>[] = [];
  let reading: Promise<void> | undefined;
  let ended = false;
  const add = (result: Promise<Result>) => {
    // thrown when its turn comes; nobody may ask for it any more
    result.catch(() => {});
    running.push(result);
  };
  const read = async () => {
    try {
      const task = await next();
      if (task) add(task());
      else ended = true;
    } catch (error) {
      add(Promise.reject(error));
      ended = true;
    }
    reading = undefined;
  };
  while (!ended || running.length > 0) {
    if (!ended && !reading && running.length < most()) reading = read();
    const [first] = running;
    if (!first || reading) {
      const done = first?.then(
        () => true,
        () => true,
      );
      if (!(await Promise.race(done ? [done, reading] : [reading]))) continue;
    }
    const result = await running[0];
    running.shift();
    yield result;
  }
}
