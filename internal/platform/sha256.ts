/** SHA-256 (FIPS 180-4): names what backups hold, so that the same bytes are kept once and damage shows. */
import { createHash } from 'node:crypto';

/** Takes bytes piece by piece; `hex` ends it. */
export interface Sha256 {
  update(bytes: Uint8Array): void;
  /** 64 lower-case hex digits. To be called once. */
  hex(): string;
}

export function createSha256(): Sha256 {
  const hash = createHash('sha256');
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex') };
}

export function sha256Hex(bytes: Uint8Array): string {
  const hash = createSha256();
  hash.update(bytes);
  return hash.hex();
}
