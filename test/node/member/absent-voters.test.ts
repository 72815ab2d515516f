/** What the master of a group in a cluster says of voters that do not follow it: only what works on a member. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { describeAbsent } from '#node/absent-replicas.ts';
import { describeRival } from '#node/advice.ts';
import { Rivals } from '#node/rivals.ts';
import { describeOther } from '#replication/ack-owner.ts';
import { TestCluster } from '#test/doubles/test-cluster.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

let cluster: TestCluster;

beforeEach(async () => {
  cluster = new TestCluster(5);
  await cluster.found('a', 'b', 'c');
});

afterEach(() => cluster.stop());

const reasons = (): readonly string[] => cluster.master.node.status().reasons;
const replica = (): string =>
  [...cluster.nodes.keys()].find((name) => name !== cluster.master.name) ?? expect.unreachable('no replica');

it('names the voter, and what to do about it', async () => {
  const lost = replica();
  await cluster.kill(lost);
  await cluster.group.clock.advance(10_000);
  expect(reasons()).toEqual([
    `${lost} (${lost}:1) does not follow: ${lost}:1 cannot be reached; start it again, and where its disk is gone on an ` +
      `empty directory, as cluster.node ${lost}`,
  ]);
});

it('says nothing of an address that the group has left, and calls nobody there', async () => {
  const lost = replica();
  await cluster.kill(lost);
  await cluster.group.clock.advance(2_000);
  const moved = await cluster.group.start('x', 'replica', {
    upstream: '',
    member: cluster.memberOptions(lost),
  });
  cluster.nodes.set(lost, moved);
  await cluster.group.untilTrue(
    () => moved.node.status().state === 'streaming',
    'a voter at another address',
  );
  await cluster.group.clock.advance(10_000);
  expect(cluster.coordinator.map?.nodes.get(lost)?.address).toBe('x:1');
  expect(reasons()).toEqual([]);
});

describe('a member', () => {
  const self = { address: 'own:1', isMember: true };
  const claimed = new Rivals(new VirtualClock());
  claimed.claimedBy('x:1', 'ab');

  it.each([
    [
      'a voter before it has heard the map',
      describeAbsent([{ address: 'x:1', why: 'gone', answers: false }], [], self),
    ],
    [
      'a voter that answers',
      describeAbsent([{ address: 'x:1', why: 'it is loading', answers: true }], [], self),
    ],
    [
      'a master of another log at the address of a voter',
      [describeRival({ address: 'x:1', logId: 'ab' }, self)],
    ],
    ['another node at the address of a voter', [describeOther('x:1', 'n', true)]],
  ])('advises no removal from its group of %s', (_, lines) => {
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('x:1');
    expect(lines[0]).not.toContain('remove-replica');
  });

  it('names the removal at the master of a plain group that counts it among its replicas', () => {
    expect(claimed.reasons(self)).toEqual([
      'x:1 is a master too, of log ab, and counts this node among its replicas, which is a member of a cluster: ' +
        'walnut remove-replica own:1 --address x:1',
    ]);
  });
});
