/** @file Things that are made once. */

/**
 * What makes a thing for every key once, whoever asks at the same time; again after a failure, since what was
 * missing (memory, a device, a file descriptor) may be there later.
 */
export function onceEach<Key, Thing>(make: (key: Key) => Promise<Thing>): (key: Key) => Promise<Thing> {
  const made = new Map<Key, Promise<Thing>>();
  return async (key) => {
    const making = made.get(key) ?? make(key);
    made.set(key, making);
    try {
      return await making;
    } catch (error) {
      if (made.get(key) === making) made.delete(key);
      throw error;
    }
  };
}
