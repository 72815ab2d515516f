/** `cluster.durability: quorum`: every write that names no level waits for a majority. */
import { afterEach, describe, expect, it } from 'vitest';
import type { BatchOperation } from '#model/commands.ts';
import { TestCluster } from '#test/doubles/test-cluster.ts';

let cluster: TestCluster;

async function begin(...names: string[]): Promise<void> {
  cluster = new TestCluster(1);
  for (const name of names)
    await cluster.start(name, { member: { ...cluster.memberOptions(name), durability: 'quorum' } });
  await cluster.group.untilTrue(() => cluster.coordinator.isActive, 'an active coordinator');
  await cluster.group.clock.advance(1_000);
}

const init = (...nodes: string[]) =>
  cluster.group.until(
    cluster.coordinator.requests.initCluster({ kind: 'given', groups: [{ id: 'g1', nodes }] }),
  );

const NOT_ASKED = { minAcks: 0, timeoutMs: 2_000, returnPrevious: false, condition: undefined } as const;
const KEY = { key: 'k', ...NOT_ASKED };
const SET = { ...KEY, value: Buffer.from('1'), expiry: { kind: 'default' } } as const;

type Keys = TestCluster['master']['node'];
const WRITES: [string, (keys: Keys) => Promise<{ durabilityReached: string }>][] = [
  ['Set', (keys) => keys.set(SET as never)],
  ['Delete', (keys) => keys.delete(KEY as never)],
  ['DeletePrefix', (keys) => keys.deletePrefix({ prefix: 'k', limit: 0, cursor: '', ...NOT_ASKED } as never)],
  [
    'Batch',
    async (keys) => {
      const operations = [{ kind: 'set', command: SET }] as unknown as BatchOperation[];
      const [result] = await keys.batch(operations);
      return (result as unknown as { answer: { durabilityReached: string } }).answer;
    },
  ],
  [
    'atomic Batch',
    (keys) => {
      const operations = [{ kind: 'set', command: SET }] as unknown as BatchOperation[];
      return keys.atomicBatch({ operations, answerBytesMax: 1_000, ...NOT_ASKED } as never);
    },
  ],
];

afterEach(async () => {
  await cluster.stop();
});

describe('a group whose default level is QUORUM', () => {
  it.each(WRITES)('has a %s on the disks of a majority when it answers', async (_, write) => {
    await begin('a', 'b', 'c');
    await init('a', 'b', 'c');
    await cluster.untilLed();
    const { master } = cluster;
    await cluster.group.until(master.node.set(SET as never));
    expect(await cluster.group.until(write(master.node))).toMatchObject({ durabilityReached: 'quorum' });
    expect(master.node.ports.bulk).toBeUndefined();
    // A level that is named counts.
    const accepted = master.node.set({ ...SET, durability: 'accepted' } as never);
    expect((await cluster.group.until(accepted)).durabilityReached).toBe('accepted');
  });

  it('is not made of two voters; where it is one all the same, its writes are refused', async () => {
    await begin('a', 'b');
    await expect(init('a', 'b')).rejects.toThrow('a group of at least 3 voters');
    await cluster.stop();
    cluster = new TestCluster(2);
    await cluster.found('a', 'b');
    const { name } = cluster.master;
    const disk = cluster.kill(name);
    await cluster.start(name, {
      fileSystem: disk,
      member: { ...cluster.memberOptions(name), durability: 'quorum' },
    });
    const [other] = ['a', 'b'].filter((one) => one !== name) as [string];
    const otherDisk = cluster.kill(other);
    await cluster.start(other, {
      fileSystem: otherDisk,
      member: { ...cluster.memberOptions(other), durability: 'quorum' },
    });
    await cluster.untilLed();
    const refused = async (): Promise<unknown> => cluster.master.node.set(SET as never);
    await expect(refused()).rejects.toMatchObject({
      code: 'failed_precondition',
      message: expect.stringContaining('cluster.durability: quorum is for groups of at least 3 voters'),
      details: { nothingDone: true },
    });
  });
});
