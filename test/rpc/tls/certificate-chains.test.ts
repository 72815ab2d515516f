/** Chains of client certificates: what a handshake takes, and what stays in when the authorities change. */
import { describe, expect, it } from 'vitest';
import {
  Authority,
  type AuthorityLimits,
  type CertificateOptions,
  type Issued,
} from '#test/doubles/certificates.ts';
import { https, type RunningTls, startTls, tls } from '#test/rpc/tls/running-tls.ts';
import { until } from '#test/server/running.ts';

const REQUEST = 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n';
const CLIENT: CertificateOptions = { cn: 'app', dns: ['app.example'] };

interface Chain {
  /** The options of the authority that the server trusts. */
  readonly root?: AuthorityLimits;
  /** The options of an authority between it and the client, which the client sends; undefined: there is none. */
  readonly middle?: AuthorityLimits | undefined;
  readonly leaf?: CertificateOptions;
}

function build({ root = {}, middle, leaf = CLIENT }: Chain): { authority: Authority; client: Issued } {
  const authority = new Authority('root', undefined, root);
  if (middle === undefined) return { authority, client: authority.issue(leaf) };
  const between = new Authority('middle', authority, middle);
  const { cert, key } = between.issue(leaf);
  return { authority, client: { cert: cert + between.cert, key } };
}

async function open(chain: Chain): Promise<{ running: RunningTls; authority: Authority; client: Issued }> {
  const built = build(chain);
  const running = await startTls({ clientAuth: 'require' });
  running.renew({ ca: built.authority.cert });
  return { running, ...built };
}

describe('a handshake', () => {
  it.each<[string, Chain, RegExp | undefined]>([
    ['takes a certificate for clients', { leaf: { ...CLIENT, usage: 'client' } }, undefined],
    ['refuses one for servers only', { leaf: { ...CLIENT, usage: 'server' } }, /INVALID_PURPOSE/],
    ['takes a chain through another authority', { middle: {} }, undefined],
    [
      'takes as many authorities as the path may have',
      { root: { pathLength: 1 }, middle: { pathLength: 0 } },
      undefined,
    ],
    ['refuses more', { root: { pathLength: 0 }, middle: {} }, /PATH_LENGTH_EXCEEDED/],
    ['refuses one signed by what is no authority', { middle: { isReal: false } }, /INVALID_/],
    ['refuses an authority that signs for servers only', { middle: { usage: 'server' } }, /INVALID_PURPOSE/],
    [
      'tells an expired authority from an expired certificate',
      { root: { to: new Date(Date.now() - 1_000) } },
      /is not trusted \(CERT_HAS_EXPIRED, which is about an authority above it\)/,
    ],
    ['takes an authority for the domain of the name', { middle: { domain: 'app.example' } }, undefined],
    ['refuses a name outside of the domain', { middle: { domain: 'other.example' } }, /is not trusted/],
  ])('%s', async (_what, chain, why) => {
    const { running, client } = await open(chain);
    const { status, text } = await https(running, 'GET', '/livez', {}, client);
    expect([status, text]).toEqual(
      why === undefined ? [200, expect.any(String)] : [401, expect.stringMatching(why)],
    );
  });
});

describe('a connection through another authority', () => {
  it.each<[string, AuthorityLimits, 'stays' | 'ends']>([
    ['without limits', {}, 'stays'],
    ['that one other may follow', { pathLength: 1 }, 'stays'],
    ['that no other may follow', { pathLength: 0 }, 'ends'],
    ['that signs for servers only', { usage: 'server' }, 'ends'],
    ['for another domain', { domain: 'other.example' }, 'ends'],
  ])('when the root is replaced by one %s: %s', async (_what, limits, outcome) => {
    const { running, authority, client } = await open({ middle: {} });
    const { socket, received, closed } = tls(running, client);
    socket.write(REQUEST);
    await until(() => received().includes('200 OK'));
    running.renew({ ca: authority.signedBy(authority, limits) });
    if (outcome === 'ends') await closed;
    else {
      socket.write(REQUEST);
      await until(() => received().split('200 OK').length === 3);
    }
    const { status } = await https(running, 'GET', '/livez', {}, client);
    expect(status).toBe(outcome === 'stays' ? 200 : 401);
  });
});
