/** An address that is added or remembered and at which no replica is: an operator is told, with what to type. */
import { describe, expect, it } from 'vitest';
import { describeAbsent } from '#node/absent-replicas.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';

const add = (group: TestGroup, master: TestNode, address: string) =>
  group.until(master.node.addReplica(address));
const reasonsOf = (master: TestNode) => master.node.status().reasons;

describe('adding a replica', () => {
  it('where nobody is warns at once and in Status, until it is removed or comes', async () => {
    const group = new TestGroup();
    const master = await group.master();
    expect(await add(group, master, 'nowhere:1')).toMatch(
      /no node answers there \(nowhere:1 cannot be reached\): .*: walnut remove-replica nowhere:1/,
    );
    expect(await add(group, master, 'later:1')).toMatch(/no node answers there/);
    expect(reasonsOf(master)).toEqual([]);
    await group.clock.advance(10_000);
    expect(reasonsOf(master)).toHaveLength(2);
    expect(reasonsOf(master)[0]).toMatch(
      /replica nowhere:1 is known here and does not follow: .*: walnut remove-replica nowhere:1/,
    );
    expect(master.node.status().isReady).toBe(true);
    const later = await group.replica('later');
    await group.untilLevel([master, later]);
    await group.until(master.node.removeReplica('nowhere:1'));
    await group.clock.advance(2_000);
    expect(reasonsOf(master)).toEqual([]);
  });

  it('where a replica is warns of nothing', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await group.replica('one');
    await group.untilLevel([master, one]);
    expect(await add(group, master, 'one:1')).toBe('');
    await group.clock.advance(10_000);
    expect(reasonsOf(master)).toEqual([]);
  });

  it('that is a master, or has another log, says so', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const stranger = await group.start('stranger', 'master');
    const theirs = await group.replica('theirs', { upstream: 'stranger:1' });
    await group.set(stranger, 'a', '1');
    await group.untilLevel([stranger, theirs]);
    expect(await add(group, master, 'stranger:1')).toMatch(/the node there is a master: .*walnut-slave/);
    expect(await add(group, master, 'theirs:1')).toMatch(/has another log, .* would be quarantined/);
    expect(theirs.node.status().state).toBe('streaming');
  });

  it('that is the master itself is refused', async () => {
    const group = new TestGroup();
    const master = await group.master();
    await expect(add(group, master, 'master:1')).rejects.toThrow(/master:1 is this master itself/);
  });
});

it('of many absent replicas three are told, and how many more there are', () => {
  const absent = Array.from({ length: 60 }, (_, i) => ({ address: `r${i}:1`, why: 'gone', answers: false }));
  const lines = describeAbsent(absent, [], {});
  expect(lines).toHaveLength(4);
  expect(lines.at(-1)).toBe('and 57 more known replicas do not follow');
  expect(describeAbsent(absent.slice(0, 3), [], {})).toHaveLength(3);
  expect(describeAbsent(absent.slice(0, 3), ['r1:1 is a master too'], {})).toHaveLength(2);
});
