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
    id: '93b884a2d084b8da986ce9d8510c92f29fa789b603715d6c8a254f219b2f9b57',
    bytes: 1409619,
    url: () => new URL('../../models/lite.sharnn', import.meta.url),
  },
  {
    name: 'base',
    id: '9c20c63a7fc085e78b3b3bbdb978ecee1b5b5e3c225c5a04053a91e611c3ac0d',
    bytes: 5163749,
    url: () => new URL('../../models/base.sharnn', import.meta.url),
  },
];
