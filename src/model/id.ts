/** @file How messages and files name models. */

/** Bytes in hexadecimal. */
export const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');

/** The first 8 bytes of a model's id in hexadecimal. */
export const shortId = (id: Uint8Array): string => hex(id.subarray(0, 8));
