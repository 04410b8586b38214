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
    id: '93d7fca3e742fa36ace330693007614da36acd4b71ec5336af8a05c61aa8775e',
    bytes: 1411329,
    url: () => new URL('../../models/lite.sharnn', import.meta.url),
  },
  {
    name: 'base',
    id: 'd8c2d61956e0d6fabc63dd22e3e0448b170f159e4830766bf3c60999c6443827',
    bytes: 5162713,
    url: () => new URL('../../models/base.sharnn', import.meta.url),
  },
];
