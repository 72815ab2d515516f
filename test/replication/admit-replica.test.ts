import { describe, expect, it } from 'vitest';
import { REPLICAS_MAX } from '#model/limits.ts';
import { admitReplica } from '#replication/admit-replica.ts';
import { type RegisteredReplica, RegisteredReplicas } from '#replication/registered-replicas.ts';

const OWN = 'own';
const REQUEST = { nodeId: 'n1', incarnation: 'first', upstreamPath: ['n1'] };

/** A registered node: only what an admission asks of it. */
function replica(address: string, isLive: boolean, incarnation = 'first'): RegisteredReplica {
  return { pusher: { address, progress: { isLive } }, incarnation } as unknown as RegisteredReplica;
}

function registeredOf(nodes: Readonly<Record<string, RegisteredReplica>>): RegisteredReplicas {
  const registered = new RegisteredReplicas();
  for (const [nodeId, one] of Object.entries(nodes)) registered.set(nodeId, one);
  return registered;
}

function crowd(isLive: (index: number) => boolean): RegisteredReplicas {
  const nodes = Array.from({ length: REPLICAS_MAX }, (_, index) => [
    `other${index}`,
    replica(`h:${index + 1}`, isLive(index)),
  ]);
  return registeredOf(Object.fromEntries(nodes));
}

function admit(
  request: Partial<typeof REQUEST & { formatLevel: number }>,
  registered = new RegisteredReplicas(),
  removed?: string,
  formatLevel = 0,
): void {
  const book = { removedAs: () => removed };
  admitReplica({ ...REQUEST, ...request }, 'one:1', { nodeId: OWN, book, registered, formatLevel });
}

describe('admitReplica', () => {
  it.each([
    ['nobody is registered', {}, new RegisteredReplicas()],
    ['the same process registers again', {}, registeredOf({ n1: replica('one:1', true) })],
    ['the same node moved', {}, registeredOf({ n1: replica('two:1', true) })],
    [
      'the node restarted and its last process is silent',
      { incarnation: 'second' },
      registeredOf({ n1: replica('one:1', false) }),
    ],
    ['another node at the address is silent', {}, registeredOf({ n2: replica('one:1', false) })],
    ['one of too many is silent', {}, crowd((index) => index !== 7)],
  ])('takes a node where %s', (_, request, registered) => {
    expect(() => admit(request, registered)).not.toThrow();
  });

  it.each([
    [
      'own id',
      { nodeId: OWN },
      new RegisteredReplicas(),
      'already_exists',
      /its data directory copied to one:1/,
    ],
    ['cycle', { upstreamPath: ['n1', OWN] }, new RegisteredReplicas(), 'failed_precondition', /a cycle/],
    [
      'copy of a live node',
      { incarnation: 'second' },
      registeredOf({ n1: replica('two:1', true) }),
      'already_exists',
      /belongs to the live replica two:1; was the data directory of one:1 copied/,
    ],
    [
      'second node at an address',
      {},
      registeredOf({ n2: replica('one:1', true) }),
      'already_exists',
      /belongs to the live replica with node id n2, not to n1: give each replica a server\.advertise/,
    ],
    ['crowd', {}, crowd(() => true), 'resource_exhausted', /live replicas already/],
  ])('refuses: %s', (_, request, registered, code, message) => {
    expect(() => admit(request, registered)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });

  it('refuses a node that an operator removed, at whatever address it registers', () => {
    expect(() => admit({}, new RegisteredReplicas(), 'two:1')).toThrow(
      /two:1 was removed.*walnut add-replica two:1/,
    );
  });

  it.each([
    [undefined, 0, true],
    [1, 0, true],
    [1, 1, true],
    [2, 1, true],
    [undefined, 1, false],
    [1, 2, false],
  ])('of a node that reads formats of level %s, where the log needs %s: %s', (reads, needs, isTaken) => {
    const request = reads === undefined ? {} : { formatLevel: reads };
    const take = (): void => admit(request, new RegisteredReplicas(), undefined, needs);
    if (isTaken) expect(take).not.toThrow();
    else expect(take).toThrow(/one:1 reads formats up to level [01].*needs level [12]: install the version/);
  });

  it('takes a node of a full list that is registered already', () => {
    const registered = crowd(() => true);
    expect(() => admit({ nodeId: 'other3' }, registered)).not.toThrow();
  });
});
