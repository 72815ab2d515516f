/**
 * Why a connection could not be established or was lost, in words that say what to change.
 * Pure. "It" is the other end, whose address the caller puts before.
 */

const EXPLANATIONS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet: are the clocks right?',
  INVALID_PURPOSE: 'its certificate is not for servers: expected the extended key usage serverAuth',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS on this port',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS on this port',
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: 'it does not speak this HTTP over TLS: is it a Walnut node?',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION:
    'it speaks no version of TLS that is allowed here: expected 1.2 or 1.3',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: 'it demands a certificate of this side, and none is configured',
  // TLS 1.2 has one alert for this and for having no cipher in common.
  'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE':
    'it refused the TLS handshake: does it demand a certificate of this side?',
};

const UNKNOWN_AUTHORITY = new Set([
  // An authority of this name is trusted, with another key.
  'CERT_SIGNATURE_FAILURE',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

const WRONG_TIME = new Set(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);

const OTHERWISE_UNTRUSTED = new Set([
  'INVALID_PURPOSE',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'ERR_SSL_WRONG_VERSION_NUMBER',
  'ERR_SSL_PACKET_LENGTH_TOO_LONG',
]);

/** What its certificate is for may be long. */
const REASON_CHARACTERS_MAX = 300;

export function whyLost(error: Error): string {
  return tlsFailure(error) ?? error.message;
}

/** Undefined where it was not TLS that failed. */
export function tlsFailure(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { message } = error;
  const code = codeOf(error);
  const explanation = Object.hasOwn(EXPLANATIONS, code) ? EXPLANATIONS[code] : undefined;
  if (explanation !== undefined) return explanation;
  if (isOfUnknownAuthority(error)) return 'its certificate is of an authority that is not trusted here';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const { reason = '' } = error as { reason?: string };
    return `its certificate is for another name: ${reason.slice(0, REASON_CHARACTERS_MAX)}`;
  }
  if (code === 'ECONNRESET' && message.includes('before secure TLS connection'))
    return 'it closed the connection during the TLS handshake: does it speak TLS on this port?';
  return code.startsWith('ERR_SSL_') ? `TLS failed (${code})` : undefined;
}

export function isOfUnknownAuthority(error: unknown): boolean {
  return error instanceof Error && UNKNOWN_AUTHORITY.has(codeOf(error));
}

/** True where this side refused the certificate of the other end, or that spoke no TLS. */
export function isOfUntrusted(error: unknown): boolean {
  if (isOfUnknownAuthority(error) || isOfWrongTime(error)) return true;
  return error instanceof Error && OTHERWISE_UNTRUSTED.has(codeOf(error));
}

/** True where the certificate of the other end has expired, or is not valid yet. */
export function isOfWrongTime(error: unknown): boolean {
  return error instanceof Error && WRONG_TIME.has(codeOf(error));
}

/** A write that meets a failure of TLS has the code EPROTO, and the reason of OpenSSL in its message. */
function codeOf(error: NodeJS.ErrnoException): string {
  const { code, message } = error;
  // The code of a Connect error is a number.
  if (typeof code !== 'string') return '';
  const reason = code === 'EPROTO' ? /SSL routines:[^:]*:([^:]+):/.exec(message)?.[1] : undefined;
  return reason === undefined ? code : `ERR_SSL_${reason.toUpperCase().replaceAll(' ', '_')}`;
}
