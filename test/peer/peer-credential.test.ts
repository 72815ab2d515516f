/** A node sends its token to addresses that its own configuration names, and to no other. */
import { expect, it } from 'vitest';
import { Identities } from '#auth/identities.ts';
import { createPeerCredential } from '#peer/peer-credential.ts';
import { createPeerDialer } from '#peer/peer-dialer.ts';
import { createNodeRandom } from '#platform/random.ts';
import { tokenOf, usersOf } from '#test/auth/users.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { LOG_ID, NODE_ID } from '#test/server/fake-node.ts';
import { onCleanup, start } from '#test/server/running.ts';

async function open(isConfigured: boolean) {
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
  const credential = createPeerCredential({
    authorization: () => `Bearer ${tokenOf(sent.user)}`,
    addresses: isConfigured ? [running.server.address] : ['127.0.0.1:1'],
    onWithheld: (address) => withheld.push(address),
  });
  const link = createPeerDialer({ clock: new VirtualClock(), credential }).dial(running.server.address);
  onCleanup(() => link.close());
  return { link, withheld, sent, address: running.server.address };
}

const LIMIT = { timeoutMs: 5_000 };
const SNAPSHOT = { logId: LOG_ID, nodeId: NODE_ID };

it('a configured address gets it, in unary calls and in streams', async () => {
  const { link, withheld } = await open(true);
  expect((await link.status(LIMIT)).nodeId).toBe(NODE_ID);
  expect((await Array.fromAsync(link.fetchSnapshot(SNAPSHOT, LIMIT))).length).toBe(2);
  expect(withheld).toEqual([]);
});

it('an address that somebody else named does not', async () => {
  const { link, withheld, address } = await open(false);
  await expect(link.status(LIMIT)).rejects.toMatchObject({ code: 'unauthenticated' });
  await expect(Array.fromAsync(link.fetchSnapshot(SNAPSHOT, LIMIT))).rejects.toMatchObject({
    code: 'unauthenticated',
  });
  expect(withheld).toEqual([address]);
});

it('a new token is sent from the next call on', async () => {
  const { link, sent } = await open(true);
  await link.status(LIMIT);
  sent.user = 'impostor';
  await expect(link.status(LIMIT)).rejects.toMatchObject({ code: 'unauthenticated' });
  sent.user = 'replica';
  expect((await link.status(LIMIT)).nodeId).toBe(NODE_ID);
});
