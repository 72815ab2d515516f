import { describe, expect, it } from 'vitest';
import { REPLICAS_MAX } from '#model/limits.ts';
import { admitReplica } from '#replication/admit-replica.ts';
import { type Member, Members } from '#replication/members.ts';

const OWN = 'own';
const REQUEST = { nodeId: 'n1', incarnation: 'first', upstreamPath: ['n1'] };

/** A registered node: only what an admission asks of it. */
function member(address: string, isLive: boolean, incarnation = 'first'): Member {
  return { pusher: { address, progress: { isLive } }, incarnation } as unknown as Member;
}

function membersOf(nodes: Readonly<Record<string, Member>>): Members {
  const members = new Members();
  for (const [nodeId, one] of Object.entries(nodes)) members.set(nodeId, one);
  return members;
}

function crowd(isLive: (index: number) => boolean): Members {
  const nodes = Array.from({ length: REPLICAS_MAX }, (_, index) => [
    `other${index}`,
    member(`h:${index + 1}`, isLive(index)),
  ]);
  return membersOf(Object.fromEntries(nodes));
}

function admit(
  request: Partial<typeof REQUEST & { formatLevel: number }>,
  members = new Members(),
  removed?: string,
  formatLevel = 0,
): void {
  const book = { removedAs: () => removed };
  admitReplica({ ...REQUEST, ...request }, 'one:1', { nodeId: OWN, book, members, formatLevel });
}

describe('admitReplica', () => {
  it.each([
    ['nobody is registered', {}, new Members()],
    ['the same process registers again', {}, membersOf({ n1: member('one:1', true) })],
    ['the same node moved', {}, membersOf({ n1: member('two:1', true) })],
    [
      'the node restarted and its last process is silent',
      { incarnation: 'second' },
      membersOf({ n1: member('one:1', false) }),
    ],
    ['another node at the address is silent', {}, membersOf({ n2: member('one:1', false) })],
    ['one of too many is silent', {}, crowd((index) => index !== 7)],
  ])('takes a node where %s', (_, request, members) => {
    expect(() => admit(request, members)).not.toThrow();
  });

  it.each([
    ['own id', { nodeId: OWN }, new Members(), 'already_exists', /its data directory copied to one:1/],
    ['cycle', { upstreamPath: ['n1', OWN] }, new Members(), 'failed_precondition', /a cycle/],
    [
      'copy of a live node',
      { incarnation: 'second' },
      membersOf({ n1: member('two:1', true) }),
      'already_exists',
      /belongs to the live replica two:1; was the data directory of one:1 copied/,
    ],
    [
      'second node at an address',
      {},
      membersOf({ n2: member('one:1', true) }),
      'already_exists',
      /belongs to the live replica with node id n2, not to n1: give each replica a server\.advertise/,
    ],
    ['crowd', {}, crowd(() => true), 'resource_exhausted', /live replicas already/],
  ])('refuses: %s', (_, request, members, code, message) => {
    expect(() => admit(request, members)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });

  it('refuses a node that an operator removed, at whatever address it registers', () => {
    expect(() => admit({}, new Members(), 'two:1')).toThrow(/two:1 was removed.*walnut add-replica two:1/);
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
    const take = (): void => admit(request, new Members(), undefined, needs);
    if (isTaken) expect(take).not.toThrow();
    else expect(take).toThrow(/one:1 reads formats up to level [01].*needs level [12]: install the version/);
  });

  it('takes a node of a full list that is registered already', () => {
    const members = crowd(() => true);
    expect(() => admit({ nodeId: 'other3' }, members)).not.toThrow();
  });
});
