/** What a certificate calls its owner. Pure. */
import type { X509Certificate } from 'node:crypto';

const KINDS: Readonly<Record<string, string>> = { DNS: 'dns', URI: 'uri', email: 'email' };
/** Node quotes a name that contains what separates names. */
const ENTRY = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?:, |$)/y;

/**
 * The alternative names, as `dns:NAME` (in lower case), `uri:URI` and `email:ADDRESS`, and the CN as
 * `cn:NAME` where `takesCn` is true and there is one. A list that is not understood has no names.
 */
export function namesIn(certificate: X509Certificate, takesCn: boolean): readonly string[] {
  const names = alternativeNames(certificate.subjectAltName ?? '');
  const cn: unknown = takesCn ? certificate.toLegacyObject().subject?.CN : undefined;
  return typeof cn === 'string' ? [...names, `cn:${cn}`] : names;
}

/** `text`: as Node writes it, such as `DNS:a.example, URI:"urn:a, b"`. */
export function alternativeNames(text: string): readonly string[] {
  const names: string[] = [];
  ENTRY.lastIndex = 0;
  while (ENTRY.lastIndex < text.length) {
    const match = ENTRY.exec(text);
    if (match === null) return [];
    const [, kind = '', value = ''] = match;
    const known = KINDS[kind];
    if (known !== undefined) names.push(nameOf(known, value));
  }
  return names;
}

function nameOf(kind: string, value: string): string {
  const plain = value.startsWith('"') ? (JSON.parse(value) as string) : value;
  return `${kind}:${kind === 'dns' ? plain.toLowerCase() : plain}`;
}
