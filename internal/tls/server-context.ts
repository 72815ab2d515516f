/** What the server's side of a handshake is made of. Pure. */
import { constants } from 'node:crypto';
import type { SecureContextOptions, SecureVersion } from 'node:tls';
import { CIPHERS } from '#tls/ciphers.ts';
import type { TlsMaterial } from '#tls/tls-material.ts';

export interface ServerContextOptions {
  readonly minVersion: '1.2' | '1.3';
  /** True if clients are asked for a certificate, which the authorities of the material sign. */
  readonly asksForCertificate: boolean;
}

const VERSIONS: Readonly<Record<ServerContextOptions['minVersion'], SecureVersion>> = {
  '1.2': 'TLSv1.2',
  '1.3': 'TLSv1.3',
};

/**
 * Where clients are asked for certificates no session is resumed, because resuming skips the
 * check of a certificate: one that has expired would stay in by it for ever.
 */
export function serverContext(
  { parts: { cert, key, ca } }: TlsMaterial,
  { minVersion, asksForCertificate }: ServerContextOptions,
): SecureContextOptions {
  return {
    cert,
    key,
    ...(asksForCertificate && ca !== undefined ? { ca } : {}),
    minVersion: VERSIONS[minVersion],
    ciphers: CIPHERS,
    // A peer that negotiates again and again costs much and sends little.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | (asksForCertificate ? constants.SSL_OP_NO_TICKET : 0),
  };
}
