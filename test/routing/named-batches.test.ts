import { describe, expect, it } from 'vitest';
import type { BatchResult, WriteOperation } from '#model/commands.ts';
import { toLsn } from '#model/position.ts';
import { FakeCluster, incrementOf } from '#test/routing/fake-cluster.ts';

const [OF_G1, OF_G2] = ['bar', 'foo'];
const incrementsOf = (...keys: string[]): WriteOperation[] =>
  keys.map((key) => ({ kind: 'increment', command: incrementOf(key) }));

describe('a Batch', () => {
  it('that its caller named needs one slot, goes on over lost answers, and is done once', async () => {
    const cluster = new FakeCluster(['g1', 'g2']);
    const name = { kind: 'client', clientId: 1n, sequence: 1, index: 0, answeredThrough: 0 } as const;
    const since = { epoch: 77, lsn: toLsn(1) };
    const id = { name, since, checksum: 5 };
    const several = cluster.keys.namedBatch(incrementsOf(OF_G1, OF_G2), id);
    expect(await cluster.settled(several)).toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('a batch with one name is of one slot'),
    });
    expect(cluster.asked).toEqual([]);
    cluster.fate = (_, key) => (cluster.asked.length === 1 && key === OF_G1 ? 'lost' : 'answer');
    const results = await cluster.settled(cluster.keys.namedBatch(incrementsOf(OF_G1, OF_G1), id));
    expect(results).toMatchObject([
      { answer: { value: 1n, position: { group: 'g1' } } },
      { answer: { value: 2n } },
    ]);
    expect(cluster.group('g1').sums.get(OF_G1)).toBe(2n);
  });

  it.each([
    [0.5, 1],
    [2, 2],
    // A record for each of them would be too large for one name.
    [17, 2],
  ])('of two Sets of %d MiB that nobody named has %i names', async (mebibytes, names) => {
    const cluster = new FakeCluster(['g1'], { callsMax: 100, bytesMax: 100_000_000 });
    const sequences = new Set<number>();
    cluster.result = (_, { command }) => {
      const name = 'id' in command ? command.id?.name : undefined;
      if (name?.kind === 'client') sequences.add(name.sequence);
      return undefined;
    };
    const value = new Uint8Array(mebibytes * 1_024 * 1_024);
    const receipt = { minAcks: 0, timeoutMs: 0, returnPrevious: false };
    const command = { value, expiry: { kind: 'default' }, ...receipt } as const;
    const sets = ['a', 'b'].map((key): WriteOperation => ({ kind: 'set', command: { key, ...command } }));
    const results = (await cluster.settled(cluster.keys.batch(sets))) as BatchResult[];
    expect(results.map(({ kind }) => kind)).not.toContain('error');
    expect(sequences.size).toBe(names);
  });
});
