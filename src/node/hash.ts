/** @file SHA-256 by Node's own code, which takes a tenth of the time of portable JavaScript. */
import { createHash } from 'node:crypto';
import type { Sha256 } from '../model/sharnn.js';

export const nodeSha256: Sha256 = (bytes) => new Uint8Array(createHash('sha256').update(bytes).digest());
