/**
 * @file The mixing profiles in the numbers of the file format: few context models for speed, or all of them.
 */
export const MIX_PROFILES = { fast: 0, full: 1 } as const;

/** How many of a byte's likeliest values are told. */
export const LIKELIEST = 5;

export type MixProfile = keyof typeof MIX_PROFILES;
