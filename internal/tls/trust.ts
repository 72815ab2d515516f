/**
 * A certificate that was verified by a handshake, judged again by other authorities or at a
 * later time. Pure.
 */
import type { X509Certificate } from 'node:crypto';
import { objectionToValidity, validityOf } from '#tls/tls-material.ts';

/** Longer chains are not followed. */
const CHAIN_MAX = 8;

/**
 * True if it is valid at that time and signed by one of the authorities, directly or through the
 * certificates that its owner sent.
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
    if (authorities.some((authority) => isSignedBy(lower, authority))) return true;
    const upper: X509Certificate | undefined = lower.issuerCertificate;
    link = upper !== undefined && isSignedBy(lower, upper) ? upper : undefined;
  }
  return false;
}

export function isValidAt(certificate: X509Certificate, nowMs: number): boolean {
  return objectionToValidity(validityOf(certificate), nowMs) === undefined;
}

function isSignedBy(lower: X509Certificate, upper: X509Certificate): boolean {
  return upper.ca && lower.checkIssued(upper) && lower.verify(upper.publicKey);
}
