/** If a certificate is still trusted by other authorities or at a later time. */
import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Authority, type AuthorityLimits, type CertificateOptions } from '#test/doubles/certificates.ts';
import { isStillTrusted } from '#tls/trust.ts';

const authority = new Authority('one');
const issued = (options: CertificateOptions, from = authority): X509Certificate =>
  new X509Certificate(from.issue(options).cert);

describe('a certificate that was verified', () => {
  const nowMs = Date.now();
  const at = (certificate: X509Certificate, authorities: readonly { readonly cert: string }[], ms = nowMs) =>
    isStillTrusted(
      certificate,
      authorities.map(({ cert }) => new X509Certificate(cert)),
      ms,
    );

  it('is trusted while an authority signs it and its time lasts', () => {
    const certificate = issued({ cn: 'a' });
    const other = new Authority('one');
    expect(at(certificate, [new Authority('two'), authority])).toBe(true);
    expect([at(certificate, []), at(certificate, [other])]).toEqual([false, false]);
    expect(at(certificate, [authority], nowMs + 90_000_000)).toBe(false);
    expect(at(certificate, [authority], nowMs - 90_000_000)).toBe(false);
  });

  it('is not trusted because one that is no authority signed it', () => {
    const impostor = new Authority('two', authority, { isReal: false });
    expect(at(issued({ cn: 'a' }, impostor), [impostor])).toBe(false);
    const intermediate = new Authority('three', authority);
    expect(at(issued({ cn: 'a' }, intermediate), [intermediate])).toBe(true);
  });

  it.each<[string, AuthorityLimits, boolean]>([
    ['without limits', {}, true],
    ['that no other authority may follow', { pathLength: 0 }, true],
    ['for clients', { usage: 'client' }, true],
    ['for servers only', { usage: 'server' }, false],
    ['for names of a domain only, which the handshake judges', { domain: 'example' }, false],
    ['whose own time is over', { to: new Date(nowMs - 1_000) }, false],
  ])('is judged by the limits of an authority %s', (_what, limits, isTrusted) => {
    expect(at(issued({ dns: ['a.example'] }), [{ cert: authority.signedBy(authority, limits) }])).toBe(
      isTrusted,
    );
  });
});
