/**
 * A certificate with its key, and the certificates that sign those of others, as they come
 * from files in PEM. Pure: everything that a handshake would fail on later is refused here,
 * in words that name the file.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';

/** Each in PEM, or its path. `key` belongs to `cert`: neither is there without the other. */
export interface TlsParts {
  /** The own certificate, and behind it those that lead to its authority. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** The certificates of the authorities that sign the other side's. */
  readonly ca?: string | undefined;
}

export type Certificate = X509Certificate;

export interface TlsMaterial {
  /** In PEM. */
  readonly parts: TlsParts;
  /** The time in which the own certificate is valid; undefined where there is none. */
  readonly validity: Validity | undefined;
  /** Those in `parts.ca`. */
  readonly authorities: readonly Certificate[];
}

/** Wall time in milliseconds. */
export interface Validity {
  readonly fromMs: number;
  readonly toMs: number;
}

/** `texts`: what the files at `paths` say. Throws an `Error` that names the file and what was expected. */
export function checkTlsMaterial(texts: TlsParts, paths: TlsParts): TlsMaterial {
  const { cert, key, ca } = texts;
  const own = cert === undefined ? undefined : readCertificates(cert, paths.cert)[0];
  const authorities = ca === undefined ? [] : readCertificates(ca, paths.ca);
  if (own !== undefined) checkPair(own, readKey(key ?? '', paths.key), paths);
  try {
    createSecureContext(texts);
  } catch (error) {
    throw new Error(`${Object.values(paths).join(', ')}: TLS cannot use them: ${(error as Error).message}`);
  }
  return { parts: texts, validity: own === undefined ? undefined : validityOf(own), authorities };
}

export function validityOf({ validFromDate, validToDate }: Certificate): Validity {
  return { fromMs: validFromDate.getTime(), toMs: validToDate.getTime() };
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;

/** At least one. */
function readCertificates(text: string, path: string | undefined): readonly X509Certificate[] {
  const blocks = text.match(CERTIFICATE);
  if (blocks === null)
    throw new Error(`${path}: expected a certificate in PEM, which begins with -----BEGIN CERTIFICATE-----`);
  return blocks.map((block, i) => {
    try {
      return new X509Certificate(block);
    } catch {
      throw new Error(`${path}: the certificate number ${i + 1} in it is damaged`);
    }
  });
}

function readKey(text: string, path: string | undefined): KeyObject {
  if (/^-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(text))
    throw new Error(
      `${path}: expected a private key without a password: type openssl pkey -in ${path} -out FILE`,
    );
  try {
    return createPrivateKey(text);
  } catch {
    throw new Error(`${path}: expected a private key in PEM, which begins with -----BEGIN PRIVATE KEY-----`);
  }
}

function checkPair(own: X509Certificate, key: KeyObject, paths: TlsParts): void {
  if (own.checkPrivateKey(key)) return;
  throw new Error(
    `${paths.key} does not belong to the first certificate in ${paths.cert}: expected the key of that one`,
  );
}

/** What is to be warned of at this time; undefined where the certificate may be used. */
export function objectionToValidity(validity: Validity | undefined, nowMs: number): string | undefined {
  if (validity === undefined) return undefined;
  const { fromMs, toMs } = validity;
  if (nowMs >= toMs) return `it expired at ${new Date(toMs).toISOString()}`;
  if (nowMs < fromMs) return `it is not valid before ${new Date(fromMs).toISOString()}`;
  return undefined;
}
