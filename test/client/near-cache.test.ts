/** The near cache of a client: its watch and its probes, and all of it with a real node. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  type GetResponse,
  GetResponseSchema,
  type WatchResponse,
  WatchResponseSchema,
} from '#gen/walnut/v1/kv_store_pb.ts';
import { type Position, PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import { RunningMaster } from '#test/cli/running-node.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { connect } from '../../client/connect.ts';
import { NearCache, type NearClient } from '../../client/near-cache.ts';
import { Session } from '../../client/session.ts';

const at = (lsn: number): Position => create(PositionSchema, { epoch: 1n << 32n, lsn: BigInt(lsn) });

/** A node with a log of which only positions matter, and a watch that a test can break. */
class PositionNode implements NearClient {
  readonly clock = new VirtualClock();
  lsn = 10;
  reads = 0;
  watches = 0;
  isDown = false;
  #tell: (message: WatchResponse | undefined) => void = () => undefined;

  async *watch(_: unknown, { signal }: { readonly signal?: AbortSignal }): AsyncGenerator<WatchResponse> {
    this.watches++;
    if (this.isDown) throw new Error('down');
    yield create(WatchResponseSchema, { position: at(this.lsn) });
    while (signal?.aborted !== true) {
      const message = await new Promise<WatchResponse | undefined>((resolve) => {
        this.#tell = resolve;
        signal?.addEventListener('abort', () => resolve(undefined), { once: true });
      });
      if (message === undefined) break;
      yield message;
    }
    if (signal?.aborted !== true) throw new Error('broken off');
  }

  async read(): Promise<GetResponse> {
    this.reads++;
    if (this.isDown) throw new Error('down');
    return create(GetResponseSchema, {
      found: true,
      value: Buffer.from(String(this.lsn)),
      asOf: at(this.lsn),
    });
  }

  tell(keys: string[] = []): void {
    const position = at(this.lsn);
    this.#tell(
      create(WatchResponseSchema, { position, events: keys.map((key) => ({ key, version: position })) }),
    );
  }

  breakOff(): void {
    this.#tell(undefined);
  }
}

function open() {
  const node = new PositionNode();
  const aborter = new AbortController();
  const near = new NearCache(node, node.clock, { prefix: 'p:', maxStalenessMs: 1_000 }, aborter.signal);
  const get = async (key = 'p:a'): Promise<string> => {
    const { value } = await near.get(key, undefined, () => node.read());
    return Buffer.from(value).toString();
  };
  return { node, aborter, near, get };
}

describe('a near cache', () => {
  it('gives out what a change has not removed', async () => {
    const { node, near, get } = open();
    await get();
    await node.clock.settle();
    await get();
    expect([await get(), near.stats.hits]).toEqual(['10', 1]);
    node.lsn = 11;
    node.tell(['p:a']);
    await node.clock.settle();
    expect([await get(), await get(), near.stats.invalidations]).toEqual(['11', '11', 1]);
  });

  it('stays fresh by its probes while nobody reads, and gives nothing out once they fail', async () => {
    const { node, near, get } = open();
    await get();
    await node.clock.settle();
    await get();
    await node.clock.advance(5_000);
    const { reads } = node;
    expect([await get(), node.reads]).toEqual(['10', reads]);
    node.isDown = true;
    await node.clock.advance(1_300);
    await expect(get()).rejects.toThrow('down');
    expect(near.stats.entries).toBe(1);
  });

  it('gives nothing out while its watch is behind what a node answers', async () => {
    const { node, get } = open();
    await get();
    await node.clock.settle();
    await get();
    node.lsn = 12;
    await node.clock.advance(1_300);
    const { reads } = node;
    expect([await get('p:b'), node.reads]).toEqual(['12', reads + 1]);
    expect(await get()).toBe('12');
    node.tell();
    await node.clock.advance(300);
    const later = node.reads;
    expect([await get('p:b'), node.reads]).toEqual(['12', later]);
  });

  it('begins with nothing after a watch that cannot go on', async () => {
    const { node, near, get } = open();
    await get();
    await node.clock.settle();
    await get();
    node.breakOff();
    await node.clock.advance(500);
    expect([near.stats.entries, node.watches]).toEqual([1, 1]);
    await node.clock.advance(1_000);
    expect([near.stats.entries, node.watches]).toEqual([0, 2]);
    await get();
    expect(near.stats.entries).toBe(1);
  });

  it('ends with its signal', async () => {
    const { node, aborter, near, get } = open();
    await get();
    await node.clock.settle();
    aborter.abort();
    await near.ended();
    expect(node.clock.pendingTimers).toBe(0);
  });

  it.each([
    [{ prefix: '\ud800' }, 'near.prefix'],
    [{ prefix: '', bytesMax: 0 }, 'near.bytesMax is 0'],
    [{ prefix: '', maxStalenessMs: 199 }, 'near.maxStalenessMs is 199'],
  ])('is not opened with %j', (near, why) => {
    expect(() => connect({ address: 'a:1', near })).toThrow(why);
  });
});

it.each([
  ['a plain group', ''],
  ['a cluster', 'g1'],
])('is right with a real node of %s, for own writes and those of others', async (_, group) => {
  const directory = mkdtempSync(join(tmpdir(), 'walnut-near-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const master = await RunningMaster.start(directory, { fsync: 'always' }, { group });
  onTestFinished(() => master.stop());
  const client = connect({
    addresses: [master.address],
    near: { prefix: 'user:', maxStalenessMs: 60_000 },
  });
  onTestFinished(() => client.close());
  const other = connect({ addresses: [master.address] });
  onTestFinished(() => other.close());
  const read = async (): Promise<string> => Buffer.from((await client.get('user:a')).value).toString();
  await client.set('user:a', Buffer.from('1'));
  const hits = (): number => client.nearStats?.hits ?? 0;
  await vi.waitUntil(async () => (await read()) === '1' && hits() > 5, { timeout: 20_000, interval: 5 });
  const write = client.set('user:a', Buffer.from('2'));
  expect(await read()).toBe('2');
  await write;
  expect(await read()).toBe('2');
  await other.set('user:a', Buffer.from('3'));
  await vi.waitUntil(async () => (await read()) === '3', { timeout: 20_000, interval: 5 });
  const before = hits();
  await vi.waitUntil(async () => (await read()) === '3' && hits() > before + 5, {
    timeout: 20_000,
    interval: 5,
  });
  expect((await client.get('user:a', { withModified: true })).modifiedMs).toBeGreaterThan(0n);
  // What the session saw in a history that is gone is told, although the entry is near.
  const { epoch } = client.session.token as Position;
  expect([client.session.positions[0]?.group, String(client.session)]).toEqual([
    group,
    expect.stringMatching(group === '' ? /^s1\.\d+-\d+$/ : /^s3\.g1\.\d+-\d+$/),
  ]);
  await using next = connect({ address: master.address, session: Session.from(String(client.session)) });
  expect((await next.get('user:a')).found).toBe(true);
  client.session.join(new Session(create(PositionSchema, { epoch: epoch - 1n, lsn: 1n })));
  await expect(read()).rejects.toMatchObject({ code: Code.DataLoss });
  expect(await read()).toBe('3');
});
