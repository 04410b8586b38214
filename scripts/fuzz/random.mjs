/**
 * @file Random choices, the same for the same seed and number of a case, and changes to bytes made with them.
 */

/** Random numbers of one case. */
export class Random {
  #state;

  constructor(seed, number) {
    this.#state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)) | 0;
  }

  /** In [0, 1) (mulberry32). */
  next() {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number below n. */
  below(n) {
    return Math.floor(this.next() * n);
  }

  chance(p) {
    return this.next() < p;
  }

  pick(list) {
    return list[this.below(list.length)];
  }

  /** A number of any size, more often one at which something changes. */
  number() {
    const near = this.pick([
      0,
      1,
      2,
      64,
      127,
      128,
      255,
      256,
      1024,
      4096,
      65535,
      65536,
      2 ** 26,
      2 ** 28,
      2 ** 31,
      2 ** 32,
    ]);
    return this.chance(0.3) ? this.below(2 ** this.below(33)) : Math.max(0, near + this.below(3) - 1);
  }

  bytes(length) {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}

/** Bytes with some changes, of any kind: bits, bytes, pieces lost, repeated, moved, or of another input. */
export function changed(random, bytes, others = [bytes]) {
  let result = Uint8Array.from(bytes);
  for (let n = 1 + random.below(3); n > 0; n--) {
    const at = random.below(result.length + 1);
    const length = random.below(random.chance(0.8) ? 9 : result.length + 1);
    const splice = (removed, piece) => {
      result = Buffer.concat([result.subarray(0, at), piece, result.subarray(at + removed)]);
    };
    const put = (value) => {
      if (at < result.length) result[at] = value(result[at]);
    };
    const here = () => result.subarray(at, at + length);
    const other = random.pick(others);
    const from = random.below(other.length + 1);
    const change = random.pick([
      () => put((byte) => byte ^ (1 << random.below(8))),
      () => put(() => random.pick([0, 1, 127, 128, 255, random.below(256)])),
      () => splice(length, new Uint8Array(0)),
      () => splice(0, random.bytes(length)),
      () => splice(0, here()),
      () => splice(length, here().toReversed()),
      () => splice(length, other.subarray(from, from + length)),
      () => splice(result.length - at, new Uint8Array(0)),
    ]);
    change();
  }
  return new Uint8Array(result);
}

/** A finding: something that must not happen. */
export class Finding extends Error {}
