/** What certificates and keys must be before a handshake needs them. */
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Authority } from '#test/doubles/certificates.ts';
import { checkTlsMaterial, objectionToValidity, type TlsParts } from '#tls/tls-material.ts';

const PATHS = { cert: '/etc/w/node.crt', key: '/etc/w/node.key', ca: '/etc/w/ca.crt' };
const authority = new Authority();
const node = authority.issue();
const other = authority.issue();
const encrypted = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'p' },
}).privateKey;

describe('certificates and keys', () => {
  it('are taken where they fit, alone or with authorities', () => {
    const chain = node.cert + authority.cert;
    expect(
      checkTlsMaterial({ ...node, cert: chain, ca: authority.cert }, PATHS).validity?.toMs,
    ).toBeGreaterThan(Date.now());
    expect(checkTlsMaterial({ ca: authority.cert + new Authority().cert }, PATHS).validity).toBeUndefined();
  });

  it.each<[string, TlsParts, string]>([
    ['a file of something else', { ...node, cert: 'x' }, '/etc/w/node.crt: expected a certificate in PEM'],
    ['an empty list of authorities', { ...node, ca: '' }, '/etc/w/ca.crt: expected a certificate in PEM'],
    [
      'a damaged certificate',
      { ...node, cert: node.cert + authority.cert.replace('MII', 'MAA').replace('MIIB', 'AAAA') },
      '/etc/w/node.crt: the certificate number 2 in it is damaged',
    ],
    ['a key that is none', { ...node, key: node.cert }, '/etc/w/node.key: expected a private key in PEM'],
    ['no key', { cert: node.cert }, '/etc/w/node.key: expected a private key in PEM'],
    ['a key with a password', { ...node, key: encrypted }, 'type openssl pkey -in /etc/w/node.key -out FILE'],
    [
      'the key of another certificate',
      { ...node, key: other.key },
      '/etc/w/node.key does not belong to the first certificate in /etc/w/node.crt',
    ],
    [
      'the authority before the own certificate',
      { ...node, cert: authority.cert + node.cert },
      '/etc/w/node.key does not belong to the first certificate',
    ],
  ])('are refused by name: %s', (_what, texts, message) => {
    expect(() => checkTlsMaterial(texts, PATHS)).toThrow(message);
  });

  it('are warned of outside their time', () => {
    const [certificate] = checkTlsMaterial({ ca: node.cert }, PATHS).authorities;
    const fromMs = certificate?.validFromDate.getTime() ?? 0;
    const toMs = certificate?.validToDate.getTime() ?? 0;
    const at = (nowMs: number) => objectionToValidity({ fromMs, toMs }, nowMs);
    expect([at(fromMs), at(toMs - 1)]).toEqual([undefined, undefined]);
    expect([at(fromMs - 1), at(toMs)]).toEqual([
      `it is not valid before ${new Date(fromMs).toISOString()}`,
      `it expired at ${new Date(toMs).toISOString()}`,
    ]);
  });
});
