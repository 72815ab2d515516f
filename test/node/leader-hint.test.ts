/** Whom a replica follows on the word of a node that is no master any more. */
import { describe, expect, it } from 'vitest';
import { WalnutError } from '#model/errors.ts';
import type { RegisterAnswer, RegisterRequest } from '#model/replication.ts';
import { TestGroup } from '#test/doubles/test-group.ts';

const NEW_MASTER = 'e'.repeat(32);

/** A replica in term 3 whose master is gone; at its address a node says that `next:1` leads, which answers with `changes`. */
async function hinted(changes: Partial<RegisterAnswer>) {
  const group = new TestGroup();
  const master = await group.master();
  const one = await group.replica('one');
  await group.set(master, 'a', '1');
  await group.untilLevel([master, one]);
  const { logId, position } = master.node.status();
  group.kill(master);
  await group.until(one.node.claim({ logId, term: 3, nodeId: 'f'.repeat(32) }));
  let asked = 0;
  const register = async ({ tail, advertise }: RegisterRequest): Promise<RegisterAnswer> => {
    asked++;
    return {
      masterNodeId: NEW_MASTER,
      logId,
      term: 3,
      epochs: [{ epoch: position.epoch, firstLsn: 1 as never }],
      latest: tail,
      logClockMs: group.clock.wallMs(),
      verdict: { kind: 'continue' },
      address: advertise,
      group: { replicas: [advertise], removed: [], nodes: [] },
      ...changes,
    };
  };
  const getUpdates = () => ({ entries: [], frames: new Uint8Array(0), latest: position, earliest: position });
  group.network.attach('next:1', { replication: { register }, keyValue: { getUpdates } } as never);
  const refuse = async () => {
    throw new WalnutError('not_master', 'this node is a replica', { leaderHint: 'next:1' });
  };
  group.network.attach('master:1', { replication: { register: refuse } } as never);
  await group.clock.advance(10_000);
  expect(asked).toBeGreaterThan(0);
  return one;
}

describe('a hint at another master', () => {
  const rows: [string, Partial<RegisterAnswer>, string][] = [
    ['is followed where that has this log, in a term that is not over', {}, 'next:1'],
    ['is not followed to a node of another log', { logId: 'd'.repeat(32), term: 9 }, 'master:1'],
    ['is not followed to a node of a lower term', { term: 2 }, 'master:1'],
  ];
  it.each(rows)('%s', async (_name, changes, upstream) => {
    const one = await hinted(changes);
    expect(one.node.status().upstream?.address).toBe(upstream);
    expect(one.fileSystem.content('/data/MANIFEST').toString()).toContain(`"upstream":"${upstream}"`);
    expect(one.node.status().state).not.toBe('quarantined');
  });
});
