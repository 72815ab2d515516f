/** What a certificate calls its owner. */
import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Authority, type CertificateOptions } from '#test/doubles/certificates.ts';
import { alternativeNames, namesIn } from '#tls/certificate-names.ts';

const authority = new Authority('one');
const issued = (options: CertificateOptions, from = authority): X509Certificate =>
  new X509Certificate(from.issue(options).cert);

describe('the names in a certificate', () => {
  it('are its alternative names, and its CN where that is taken', () => {
    const certificate = issued({
      cn: 'Ann Example',
      dns: ['App.Example'],
      uri: ['spiffe://a/b'],
      email: ['ann@a.example'],
      ip: ['10.0.0.1'],
    });
    const names = ['dns:app.example', 'uri:spiffe://a/b', 'email:ann@a.example'];
    expect(namesIn(certificate, false)).toEqual(names);
    expect(namesIn(certificate, true)).toEqual([...names, 'cn:Ann Example']);
    expect(namesIn(issued({ cn: 'n' }), false)).toEqual([]);
  });

  it('are not made up of parts of others', () => {
    const tricky = issued({ uri: ['urn:a, DNS:admin.example'], dns: ['a", DNS:"admin.example'] });
    expect(namesIn(tricky, true)).not.toContain('dns:admin.example');
    expect(namesIn(tricky, true)).toContain('uri:urn:a, DNS:admin.example');
  });

  it.each([
    ['DNS:a, URI:"urn:a, b"', ['dns:a', 'uri:urn:a, b']],
    ['DNS:a, IP Address:1.2.3.4, othername:<unsupported>', ['dns:a']],
    ['DNS:a, "', []],
    ['DNS:a"b, DNS:c', []],
    ['', []],
  ])('are read from %j', (text, names) => {
    expect(alternativeNames(text)).toEqual(names);
  });
});
