/** SHA-256 (FIPS 180-4). Backups name files by it, so that equal bytes are stored once and damage is detected. */
import { createHash } from 'node:crypto';

/** An incremental hash; no call may follow `hex`. */
export interface Sha256 {
  update(bytes: Uint8Array): void;
  /** Ends the hash and returns 64 lower-case hex digits. Must be called once only. */
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
