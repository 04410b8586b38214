/**
 * @file The mixing profiles in the numbers of the file format: few context models for speed, or all of them.
 */
export const MIX_PROFILES = { fast: 0, full: 1 } as const;

export type MixProfile = keyof typeof MIX_PROFILES;
