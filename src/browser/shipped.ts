/** @file The models that ship, for pages. Written by scripts/shipped-models.mjs. */

/** A model that a page can fetch. */
export interface ShippedModel {
  readonly name: string;
  /** SHA-256 of its file, in hexadecimal */
  readonly id: string;
  /** of its file */
  readonly bytes: number;
  url(): URL;
}

export const SHIPPED: readonly ShippedModel[] = [
  {
    name: 'lite',
    id: '4473a6ee03937626c92aa22ecd128a36439fd359891dceefa45ad1def9d63b95',
    bytes: 1411378,
    url: () => new URL('../../models/lite.sharnn', import.meta.url),
  },
  {
    name: 'base',
    id: 'b3ad8c15c0259eddf1958fb2098bc0c71b6f81bf90dd103b9ace43a9b711718b',
    bytes: 5162306,
    url: () => new URL('../../models/base.sharnn', import.meta.url),
  },
];
