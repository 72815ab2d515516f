/** Snapshots that nobody reads, from a real master on a real disk: files and places are given back. */
import { mkdtemp, rm } from 'node:fs/promises';
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2 } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterEach, describe, expect, it } from 'vitest';
import { FetchSnapshotRequestSchema } from '#gen/walnut/v1/replication_pb.ts';
import { READERS_MAX } from '#node/snapshot-places.ts';
import { createNodeFileSystem } from '#platform/node-file-system.ts';
import { RunningMaster } from '#test/cli/running-node.ts';
import { ProbedFileSystem } from '#test/doubles/probed-file-system.ts';
import { TestGroup } from '#test/doubles/test-group.ts';
import { until } from '#test/server/running.ts';

const cleanups: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function largeMaster() {
  const directory = await mkdtemp(join(tmpdir(), 'walnut-unread-'));
  cleanups.push(() => rm(directory, { recursive: true }));
  const fileSystem = new ProbedFileSystem(createNodeFileSystem());
  const master = await RunningMaster.start(directory, { fileSystem });
  cleanups.push(() => master.stop());
  await master.set('large', Buffer.alloc(8 << 20, 'v'));
  await master.node.checkpoint();
  return {
    master,
    openSnapshots: () => fileSystem.openPaths.filter((path) => path.includes('.snap')).length,
  };
}

function session(master: RunningMaster, initialWindowSize: number): ClientHttp2Session {
  const client = connectHttp2(`http://${master.address}`, { settings: { initialWindowSize } });
  client.on('error', () => {});
  cleanups.push(() => client.destroy());
  return client;
}

function fetchOf(client: ClientHttp2Session, logId: string): ClientHttp2Stream {
  const message = toBinary(FetchSnapshotRequestSchema, create(FetchSnapshotRequestSchema, { logId }));
  const stream = client.request({
    ':method': 'POST',
    ':path': '/walnut.v1.Replication/FetchSnapshot',
    'content-type': 'application/grpc+proto',
    te: 'trailers',
  });
  stream.on('error', () => {});
  stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
  return stream;
}

describe('a snapshot that nobody reads', () => {
  it('is closed when its connection breaks, and its place is free again', async () => {
    const { master, openSnapshots } = await largeMaster();
    const { logId } = master.node.status();
    for (let round = 0; round < 3; round++) {
      const client = session(master, 0);
      for (let i = 0; i < READERS_MAX; i++) fetchOf(client, logId);
      await until(() => openSnapshots() === READERS_MAX);
      client.destroy();
      await until(() => openSnapshots() === 0);
    }
    const reader = fetchOf(session(master, 1 << 20), logId);
    let bytes = 0;
    reader.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    await new Promise((resolve) => reader.once('end', resolve));
    expect(bytes).toBeGreaterThan(8 << 20);
    expect(openSnapshots()).toBe(0);
  });

  it('keeps no replica out: one that registered comes before strangers', async () => {
    const group = new TestGroup();
    const first = await group.master({ retentionBytes: 0, maxFileBytes: 65_536 });
    for (let i = 0; i < 20; i++) await group.set(first, `k${i}`, 'v'.repeat(30_000));
    await group.until(first.node.rotateWal());
    await group.until(first.node.checkpoint());
    const master = await group.master({ retentionBytes: 0, fileSystem: await group.stop(first) });
    const strangers = Array.from({ length: READERS_MAX }, () =>
      master.node.fetchSnapshot(
        { logId: master.node.status().logId, nodeId: '' },
        new AbortController().signal,
      ),
    );
    // Each takes a first chunk and asks for no more.
    await group.until(Promise.all(strangers.map((chunks) => chunks.next())));
    const behind = await group.replica('behind');
    await group.untilLevel([master, behind]);
    expect(master.node.status().replicas[0]).toMatchObject({ fullResyncs: 1, state: 'streaming' });
    await expect(strangers[0]?.next()).rejects.toThrow('a registered replica needs the place');
  });
});
