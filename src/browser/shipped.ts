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
    id: '33831b218f1f9b15a3a4b0608d61e9123cd65814da4d2c4bc5eac1e8d31efe95',
    bytes: 1416555,
    url: () => new URL('../../models/lite.sharnn', import.meta.url),
  },
  {
    name: 'base',
    id: 'ce33e6163badbd321c082a3eedf27b7b34e90b59d0a1e79f3bf2d4baf31a64b9',
    bytes: 5175035,
    url: () => new URL('../../models/base.sharnn', import.meta.url),
  },
];
