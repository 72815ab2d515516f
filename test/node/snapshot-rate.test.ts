import { describe, expect, it } from 'vitest';
import type { SnapshotChunk } from '#model/replication.ts';
import { silentLogger } from '#platform/logger.ts';
import { TestGroup, type TestNode } from '#test/doubles/test-group.ts';

const BYTES_PER_SECOND = 500_000;
/** What may come at once, by the rate of 50 ms, and the chunk that the first wait is for. */
const SLACK_MS = 50 + (256 * 1_024 * 1_000) / BYTES_PER_SECOND;

/** A master with a snapshot of about 1.5 MB and no log from before it. */
async function compacted(group: TestGroup): Promise<{ master: TestNode; checkpoints: () => number }> {
  let checkpoints = 0;
  const logger = {
    ...silentLogger,
    info: (_fields: object, message: string) => {
      if (message === 'checkpoint made') checkpoints++;
    },
  };
  const changes = {
    logger,
    retentionBytes: 0,
    maxFileBytes: 65_536,
    snapshotEveryBytes: 1 << 30,
    snapshotBytesPerSecond: BYTES_PER_SECOND,
  };
  const first = await group.master(changes);
  for (let i = 0; i < 50; i++) await group.set(first, `k${i}`, 'v'.repeat(30_000));
  await group.until(first.node.rotateWal());
  await group.until(first.node.checkpoint());
  // Without what it had in memory.
  const master = await group.master({ ...changes, fileSystem: await group.stop(first) });
  return { master, checkpoints: () => checkpoints };
}

interface Fetch {
  bytes: number;
  doneMs: number;
}

async function fetchAll(group: TestGroup, master: TestNode): Promise<Fetch> {
  const { logId } = master.node.status();
  const startMs = group.clock.monotonicMs();
  let bytes = 0;
  const chunks: AsyncIterable<SnapshotChunk> = master.node.fetchSnapshot(
    { logId, nodeId: '' },
    new AbortController().signal,
  );
  for await (const chunk of chunks) bytes += chunk.bytes.length;
  return { bytes, doneMs: group.clock.monotonicMs() - startMs };
}

describe('a snapshot for replicas', () => {
  it('goes out at the rate that is set, to all readers together, and is built once', async () => {
    const group = new TestGroup();
    const { master, checkpoints } = await compacted(group);
    const one = await group.until(fetchAll(group, master));
    expect(one.bytes).toBeGreaterThan(1_500_000);
    const oneMs = (one.bytes * 1_000) / BYTES_PER_SECOND;
    expect(one.doneMs).toBeGreaterThan(oneMs - SLACK_MS);
    expect(one.doneMs).toBeLessThan(oneMs + SLACK_MS);
    const three = await group.until(Promise.all([1, 2, 3].map(() => fetchAll(group, master))));
    for (const { bytes, doneMs } of three) {
      expect(bytes).toBe(one.bytes);
      expect(doneMs).toBeGreaterThan(3 * oneMs - 3 * SLACK_MS);
      expect(doneMs).toBeLessThan(3 * oneMs + SLACK_MS);
    }
    expect(checkpoints()).toBe(1);
  });

  it('does not slow writes down, nor the replica that is level', async () => {
    const group = new TestGroup();
    const { master } = await compacted(group);
    const behind = await group.replica('behind');
    await group.clock.advance(500);
    expect(behind.node.status().reasons.join()).toContain('receiving a snapshot');
    for (let i = 0; i < 10; i++) {
      const startMs = group.clock.monotonicMs();
      await group.set(master, 'meanwhile', `${i}`);
      expect(group.clock.monotonicMs() - startMs).toBeLessThanOrEqual(50);
    }
    await group.untilLevel([master, behind]);
    expect(master.node.status().replicas[0]).toMatchObject({ fullResyncs: 1, state: 'streaming' });
  });

  it('is given up at once by a replica that stops', async () => {
    const group = new TestGroup();
    await compacted(group);
    const behind = await group.replica('behind');
    await group.clock.advance(500);
    expect(behind.node.status().reasons.join()).toContain('receiving a snapshot');
    const startMs = group.clock.monotonicMs();
    await group.stop(behind);
    expect(group.clock.monotonicMs() - startMs).toBeLessThan(100);
  });
});
