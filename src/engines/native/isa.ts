/** @file Which instruction set the native kernels use: the one asked for, or the best. */
import { ShacompError } from '../../errors.js';
import { environment } from '../../node/env.js';

/** What the addon can use on this processor, best first: its parts differ. */
export interface IsaLists {
  networkIsas(): string[];
  trainKernels(): string[];
}

/**
 * The instruction set to use out of `isas`, which are best first. Without a wish of the caller's, SHACOMP_ISA
 * says which; a part of the program that lacks it, while another has it, uses its best.
 * @param isas what the part can use on this processor
 * @param asked the caller's wish
 * @throws ShacompError ERR_OPTIONS, with what is possible
 */
export function chooseIsa(addon: IsaLists, isas: string[], asked?: string): string {
  const wanted = asked ?? environment('SHACOMP_ISA') ?? isas[0];
  if (isas.includes(wanted)) return wanted;
  const possible =
    asked === undefined ? [...new Set([...addon.trainKernels(), ...addon.networkIsas()])] : isas;
  if (possible.includes(wanted)) return isas[0];
  throw new ShacompError(
    'ERR_OPTIONS',
    `${asked === undefined ? 'SHACOMP_ISA' : 'isa'} must be one of ${possible.join(', ')} on this processor, not "${wanted}"`,
  );
}
