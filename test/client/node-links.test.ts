/** The ways of a client to nodes: how those are called that others name, and how many are open. */
import { Code, ConnectError, createRouterTransport } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { Admin } from '#gen/walnut/v1/admin_pb.ts';
import { NodeState, Role } from '#gen/walnut/v1/types_pb.ts';
import { NodeLinks } from '../../client/node-links.ts';

const NO_LIMITS = { timeoutMs: 1_000, signal: undefined };
const hinted = new ConnectError('x', Code.FailedPrecondition, new Headers({ 'x-leader-hint': 'm:1' }));

function links(status: object, isTls: boolean): NodeLinks {
  const transport = createRouterTransport(({ rpc }) => rpc(Admin.method.status, () => status));
  return new NodeLinks(() => ({ transport, close: () => undefined }), isTls);
}

describe('a node that another one names', () => {
  const replica = { role: Role.REPLICA, master: { address: 'm:1' } };
  it.each([
    [false, 'm:1'],
    [true, 'https://m:1'],
  ])('is called as the others are, by TLS: %s', async (isTls, address) => {
    const group = links(replica, isTls);
    expect(group.judge(hinted).leaderHint).toBe(address);
    expect(await group.findMaster(group.linkTo('a:1'), NO_LIMITS)).toBe(address);
  });

  it.each<[string, object, string | undefined]>([
    ['itself', { role: Role.MASTER, state: NodeState.SERVING }, 'itself'],
    ['nobody if it is fenced', { role: Role.MASTER, state: NodeState.FENCED }, undefined],
    ['nobody if it follows nobody', { role: Role.REPLICA }, undefined],
  ])('is %s', async (_, status, master) => {
    const group = links(status, false);
    expect(await group.findMaster(group.linkTo('a:1'), NO_LIMITS)).toBe(master);
  });
});

describe('the ways to nodes', () => {
  it('are bounded: that which was used longest ago is closed', () => {
    const closed: string[] = [];
    const transport = createRouterTransport(() => undefined);
    const group = new NodeLinks((address) => ({ transport, close: () => closed.push(address) }), false);
    for (let i = 0; i < 64; i++) group.linkTo(`n${i}`);
    group.linkTo('n0');
    expect(closed).toEqual([]);
    group.linkTo('more');
    expect(closed).toEqual(['n1']);
    group.close();
    expect(closed.length).toBe(65);
  });
});
