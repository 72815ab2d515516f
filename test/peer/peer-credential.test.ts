/** A node sends its token to addresses that its own configuration names, or to a name that it gives. */
import { expect, it } from 'vitest';
import { Identities } from '#auth/identities.ts';
import { createTlsDialer } from '#dial/tls-dialer.ts';
import { createPeerCredential } from '#peer/peer-credential.ts';
import { createPeerDialer } from '#peer/peer-dialer.ts';
import { createNodeRandom } from '#platform/random.ts';
import { tokenOf, usersOf } from '#test/auth/users.ts';
import { Authority } from '#test/doubles/certificates.ts';
import { startTlsFront, type TlsFront } from '#test/doubles/tls-front.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { LOG_ID, NODE_ID } from '#test/server/fake-node.ts';
import { onCleanup, start } from '#test/server/running.ts';

const AUTHORITY = new Authority();

interface Choices {
  readonly isConfigured: boolean;
  /** The name that TLS verifies; `host`: that of the address. Undefined: there is no TLS. */
  readonly verified?: 'host' | 'localhost';
}

async function open({ isConfigured, verified }: Choices) {
  const identities = new Identities({
    clock: new VirtualClock(),
    mode: 'required',
    users: usersOf(),
    random: createNodeRandom(),
    onAnonymous: () => {},
    onFailure: () => {},
  });
  const running = await start({ identities, isIdentityRequired: true });
  const withheld: string[] = [];
  const sent = { user: 'replica' };
  const { address } = verified === undefined ? running.server : await startFront(running.server.port);
  const material = { ca: AUTHORITY.cert, cert: undefined, key: undefined };
  const serverName = verified === 'localhost' ? verified : undefined;
  const tls = verified === undefined ? undefined : createTlsDialer({ material: () => material, serverName });
  const credential = createPeerCredential({
    authorization: () => `Bearer ${tokenOf(sent.user)}`,
    isNameConfigured: serverName !== undefined,
    addresses: isConfigured ? [address] : ['127.0.0.1:1'],
    onWithheld: (address) => withheld.push(address),
  });
  const link = createPeerDialer({ clock: new VirtualClock(), tls, credential }).dial(address);
  onCleanup(() => link.close());
  return { link, withheld, sent, address };
}

async function startFront(port: number): Promise<TlsFront> {
  const front = await startTlsFront(port, AUTHORITY.issue());
  onCleanup(() => front.close());
  return front;
}

const LIMIT = { timeoutMs: 5_000 };
const SNAPSHOT = { logId: LOG_ID, nodeId: NODE_ID };

it.each<[string, Choices]>([
  ['a configured address', { isConfigured: true }],
  ['a configured address by TLS', { isConfigured: true, verified: 'host' }],
  ['a node with the configured name', { isConfigured: false, verified: 'localhost' }],
])('%s gets it, in unary calls and in streams', async (_, choices) => {
  const { link, withheld } = await open(choices);
  expect((await link.status(LIMIT)).nodeId).toBe(NODE_ID);
  expect((await Array.fromAsync(link.fetchSnapshot(SNAPSHOT, LIMIT))).length).toBe(2);
  expect(withheld).toEqual([]);
});

it.each<[string, Choices]>([
  ['an address that somebody else named', { isConfigured: false }],
  // Whoever announced the address also chose the name that its certificate is for.
  ['an address that somebody else named, by TLS,', { isConfigured: false, verified: 'host' }],
])('%s does not', async (_, choices) => {
  const { link, withheld, address } = await open(choices);
  await expect(link.status(LIMIT)).rejects.toMatchObject({ code: 'unauthenticated' });
  await expect(Array.fromAsync(link.fetchSnapshot(SNAPSHOT, LIMIT))).rejects.toMatchObject({
    code: 'unauthenticated',
  });
  expect(withheld).toEqual([address]);
});

it('a new token is sent from the next call on', async () => {
  const { link, sent } = await open({ isConfigured: true });
  await link.status(LIMIT);
  sent.user = 'impostor';
  await expect(link.status(LIMIT)).rejects.toMatchObject({ code: 'unauthenticated' });
  sent.user = 'replica';
  expect((await link.status(LIMIT)).nodeId).toBe(NODE_ID);
});
