/**
 * A certificate that was verified by a handshake, judged again by other authorities or at a
 * later time. Pure.
 */
import type { X509Certificate } from 'node:crypto';
import { objectionToValidity, validityOf } from '#tls/tls-material.ts';

/** Longer chains are not followed. */
const CHAIN_MAX = 8;

/** 2.5.29.30 in DER. */
const NAME_CONSTRAINTS = Buffer.of(0x06, 3, 0x55, 0x1d, 0x1e);
/** 2.5.29.19 in DER. */
const BASIC_CONSTRAINTS = Buffer.of(0x06, 3, 0x55, 0x1d, 0x13);
/** What is behind that, in hex, where there is a path length: critical or not, and in its SEQUENCE TRUE and the length. */
const PATH_LENGTH = /^(?:0101ff)?04..30..0101ff0201(..)/;
const PATH_LENGTH_BYTES = 14;
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/**
 * True if it is valid at that time and signed by one of the authorities, directly or through the
 * certificates that its owner sent. Stricter than a handshake where an authority is limited to
 * some names: who is cut off for that connects again, and the handshake decides.
 */
export function isStillTrusted(
  certificate: X509Certificate,
  authorities: readonly X509Certificate[],
  nowMs: number,
): boolean {
  let link: X509Certificate | undefined = certificate;
  for (let i = 0; i < CHAIN_MAX && link !== undefined; i++) {
    if (!isValidAt(link, nowMs)) return false;
    const lower: X509Certificate = link;
    const isSigned = (authority: X509Certificate): boolean =>
      maySign(authority, i) && isSignedBy(lower, authority);
    if (authorities.some((authority) => isValidAt(authority, nowMs) && isSigned(authority))) return true;
    const upper: X509Certificate | undefined = lower.issuerCertificate;
    link = upper !== undefined && isSigned(upper) ? upper : undefined;
  }
  return false;
}

export function isValidAt(certificate: X509Certificate, nowMs: number): boolean {
  return objectionToValidity(validityOf(certificate), nowMs) === undefined;
}

/** `authoritiesBelow`: those between it and the certificate of the client. */
function maySign(authority: X509Certificate, authoritiesBelow: number): boolean {
  const { ca, keyUsage, raw } = authority;
  const isForClients = keyUsage === undefined || keyUsage.includes(CLIENT_AUTH);
  return ca && isForClients && !raw.includes(NAME_CONSTRAINTS) && authoritiesBelow <= pathLengthOf(raw);
}

function pathLengthOf(der: Buffer): number {
  const at = der.indexOf(BASIC_CONSTRAINTS);
  const end = at + BASIC_CONSTRAINTS.length;
  const [, length] = PATH_LENGTH.exec(der.toString('hex', end, end + PATH_LENGTH_BYTES)) ?? [];
  return at < 0 || length === undefined ? Number.POSITIVE_INFINITY : Number.parseInt(length, 16);
}

function isSignedBy(lower: X509Certificate, upper: X509Certificate): boolean {
  return lower.checkIssued(upper) && lower.verify(upper.publicKey);
}
