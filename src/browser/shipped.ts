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
    id: 'ce33e6163badbd321c082a3eedf27b7b34e90b59d0a1e79f3bf2d4baf31a64b9',
    bytes: 5175035,
    url: () => new URL('../../models/base.sharnn', import.meta.url),
  },
];
