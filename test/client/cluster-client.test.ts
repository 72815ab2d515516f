/** A client of a cluster, on a virtual clock: which group is called, what waits, and what follows a move or a failover. */
import { create } from '@bufbuild/protobuf';
import { Code, type ConnectError } from '@connectrpc/connect';
import { describe, expect, it } from 'vitest';
import { slotOfKey } from '#cluster/slot-hash.ts';
import { PositionSchema } from '#gen/walnut/v1/types_pb.ts';
import { mapOf } from '#test/routing/fake-cluster.ts';
import { CallError } from '../../client/failures.ts';
import { Session } from '../../client/session.ts';
import { OF_G1, OF_G2, SimulatedCluster } from './simulated-cluster.ts';
import { errorResult } from './simulated-group.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const textOf = (answer: unknown): string => Buffer.from((answer as { value: Uint8Array }).value).toString();

describe('a client of a cluster', () => {
  it('calls the group that owns the key, straight and in the order of the calls', async () => {
    const cluster = new SimulatedCluster();
    const client = cluster.open();
    const calls = [
      client.set(OF_G1, bytes('1')),
      client.set(OF_G2, bytes('2')),
      client.set(OF_G1, bytes('3')),
      client.get(OF_G1),
      client.get(OF_G2),
    ] as const;
    const answers = await cluster.settled(Promise.all(calls));
    expect((answers as unknown[]).slice(3).map(textOf)).toEqual(['3', '2']);
    expect(cluster.group('g1').seen).toEqual([['g1-1:1', 'set set get']]);
    expect(cluster.group('g2').seen).toEqual([['g2-1:1', 'set get']]);
    // Nodes are told for which cluster each call is, and by which map.
    expect([...cluster.meant]).toEqual(['c 1']);
    await cluster.settled(client.close());
  });

  it('goes on with other groups while one is slow', async () => {
    const cluster = new SimulatedCluster();
    const client = cluster.open();
    let answer = (): void => undefined;
    cluster.group('g1').hold = () => new Promise<void>((resolve) => (answer = resolve));
    const slow = client.set(OF_G1, bytes('1'));
    for (let i = 0; i < 3; i++) await cluster.settled(client.set(OF_G2, bytes(`${i}`)));
    expect(cluster.group('g2').seen.length).toBe(3);
    expect(cluster.clock.monotonicMs()).toBeLessThan(1_000);
    answer();
    expect(await cluster.settled(slow)).toMatchObject({ applied: true });
  });

  it('keeps calls in their order that wait for the map, and says why it does not come', async () => {
    const cluster = new SimulatedCluster();
    cluster.isCoordinated = false;
    const client = cluster.open();
    const first = client.set(OF_G1, bytes('1'));
    await cluster.clock.advance(3_000);
    const second = client.set(OF_G1, bytes('2'));
    cluster.isCoordinated = true;
    await cluster.settled(Promise.all([first, second]));
    expect(textOf(await cluster.settled(client.get(OF_G1)))).toBe('2');

    const other = new SimulatedCluster();
    other.isCoordinated = false;
    const error = await other.settled(other.open().get(OF_G1));
    expect(error).toMatchObject({ code: Code.Unavailable, outcome: 'not_done' });
    expect((error as Error).message).toContain('coordinator c:1: the coordinator is gone');
  });

  it('gives up a call that waits for the map where its caller does, and no more wait than may', async () => {
    const cluster = new SimulatedCluster();
    cluster.isCoordinated = false;
    const client = cluster.open({ queuedOperationsMax: 1 });
    const aborter = new AbortController();
    const waiting = client.get(OF_G1, { signal: aborter.signal });
    expect(await cluster.settled(client.get(OF_G2))).toMatchObject({ code: Code.ResourceExhausted });
    aborter.abort();
    expect(await cluster.settled(waiting)).toMatchObject({ code: Code.Canceled, outcome: 'not_done' });
  });

  it('goes on at the next leader, which the map names', async () => {
    const cluster = new SimulatedCluster();
    const client = cluster.open();
    await cluster.settled(client.set(OF_G1, bytes('1')));
    const g1 = cluster.group('g1');
    g1.fault = (address) => (address === 'g1-1:1' ? 'lost_request' : 'none');
    const during = client.increment('n{bar}');
    await cluster.clock.advance(2_500);
    g1.sync('g1-2:1');
    g1.master = 'g1-2:1';
    cluster.map = mapOf(['g1', 'g2'], 2, { g1: 'g1-2' });
    expect(await cluster.settled(during)).toMatchObject({ value: 1n });
    expect(g1.seen.at(-1)).toEqual(['g1-2:1', 'increment']);
    expect(cluster.clock.monotonicMs()).toBeLessThan(6_000);
  });

  it('says of a write that a failover lost with all of its attempts that nothing was done', async () => {
    const cluster = new SimulatedCluster();
    const client = cluster.open();
    await cluster.settled(client.set(OF_G1, bytes('1')));
    const g1 = cluster.group('g1');
    g1.fault = (address) => (address === 'g1-1:1' ? 'lost_answer' : 'none');
    const during = client.increment('n{bar}');
    await cluster.clock.advance(10);
    expect(g1.state.has('n{bar}')).toBe(true);
    g1.promote('g1-2:1', 0);
    cluster.map = mapOf(['g1', 'g2'], 2, { g1: 'g1-2' });
    expect(await cluster.settled(during)).toMatchObject({ code: Code.DataLoss, outcome: 'not_done' });
    // The loss is told once, and the write may be made again.
    expect(await cluster.settled(client.increment('n{bar}'))).toMatchObject({ value: 1n });
  });

  it('says of a write that the group forgot otherwise that it may have been done', async () => {
    const cluster = new SimulatedCluster();
    const client = cluster.open();
    await cluster.settled(client.set(OF_G1, bytes('1')));
    const g1 = cluster.group('g1');
    let losses = 1;
    g1.fault = () => (losses-- > 0 ? 'lost_answer' : 'none');
    g1.instead = ({ operation }) =>
      operation.case === 'increment' ? errorResult('aborted', 'the outcome is unknown') : undefined;
    expect(await cluster.settled(client.increment('n{bar}'))).toMatchObject({
      ...{ code: Code.Aborted, outcome: 'unknown' },
    });
  });

  it('leaves a master that hangs as soon as the map names another one', async () => {
    const cluster = new SimulatedCluster();
    const client = cluster.open({ attemptMs: 9_000 });
    await cluster.settled(client.set(OF_G1, bytes('1')));
    const g1 = cluster.group('g1');
    g1.sync('g1-2:1');
    g1.hold = () => new Promise(() => undefined);
    const during = client.increment('n{bar}');
    await cluster.clock.advance(10);
    g1.hold = () => undefined;
    g1.master = 'g1-2:1';
    cluster.map = mapOf(['g1', 'g2'], 2, { g1: 'g1-2' });
    expect(await cluster.settled(during)).toMatchObject({ value: 1n });
    // The map is asked for every 2 s here.
    expect(cluster.clock.monotonicMs()).toBeLessThan(3_000);
  });

  it('sends an operation to the owner of the newer map, and the others of its Batch go again', async () => {
    const cluster = new SimulatedCluster();
    const client = cluster.open({ batchOperationsMax: 4 });
    await cluster.settled(client.set(OF_G1, bytes('0')));
    const [g1, g2] = [cluster.group('g1'), cluster.group('g2')];
    g1.moved = (key) =>
      key === OF_G1 ? { slot: 5061, group: 'g2', address: 'g2-1:1', mapEpoch: 2 } : undefined;
    cluster.map = {
      ...mapOf(['g1', 'g2'], 2),
      slots: [
        { first: 0, last: 5060, group: 'g1' },
        { first: 5061, last: 5061, group: 'g2' },
        { first: 5062, last: 8191, group: 'g1' },
        { first: 8192, last: 16383, group: 'g2' },
      ],
    };
    const stays = 'hello';
    expect(
      await cluster.settled(
        Promise.all([
          client.increment(stays),
          client.increment(OF_G1),
          client.increment(stays),
          client.get(stays),
          // In the next Batch, and so after those before it.
          client.increment(stays),
        ]),
      ),
    ).toMatchObject([{ value: 1n }, { value: 1n }, { value: 2n }, { found: true }, { value: 3n }]);
    expect(g1.seen.slice(-3)).toEqual([
      ['g1-1:1', 'increment increment increment get'],
      ['g1-1:1', 'increment increment get'],
      ['g1-1:1', 'increment'],
    ]);
    // Its name and its position were of the other group.
    expect(g2.seen).toEqual([['g2-1:1', 'increment']]);
  });

  it('follows the hint of the refusal where no coordinator tells a newer map', async () => {
    const cluster = new SimulatedCluster();
    const client = cluster.open();
    await cluster.settled(client.set(OF_G1, bytes('0')));
    cluster.isCoordinated = false;
    cluster.group('g1').moved = () => ({ slot: 5061, group: 'g2', address: 'g2-1:1', mapEpoch: 2 });
    const batch = client.atomic([{ increment: { key: OF_G1 } }, { get: { key: OF_G1 } }]);
    // Neither its name nor the position that the Get was sent with is of this group.
    expect(await cluster.settled(batch)).toMatchObject({
      results: [
        { result: { case: 'increment', value: { value: 1n } } },
        { result: { case: 'get', value: { found: true } } },
      ],
    });
    expect(cluster.group('g2').seen).toEqual([['g2-1:1', 'increment get']]);
    // A hint is by a map: what it says ends with a newer one.
    await cluster.settled(client.set(OF_G1, bytes('1')));
    expect(cluster.group('g2').seen.length).toBe(2);
    cluster.group('g1').moved = () => undefined;
    cluster.isCoordinated = true;
    cluster.map = mapOf(['g1', 'g2'], 3);
    await cluster.clock.advance(5_000);
    await cluster.settled(client.get(OF_G1));
    expect(cluster.group('g1').seen.at(-1)).toEqual(['g1-1:1', 'get']);
  });

  it('says it where no group owns a slot', async () => {
    const cluster = new SimulatedCluster();
    const client = cluster.open({ timeoutMs: 2_000 });
    cluster.group('g1').moved = () => ({ slot: 5061, group: '', address: '', mapEpoch: 1 });
    const error = await cluster.settled(client.get(OF_G1));
    expect(error).toMatchObject({ code: Code.Unavailable, outcome: 'not_done' });
    expect((error as ConnectError).rawMessage).toContain('no group says that it owns the slot');
    expect(cluster.clock.monotonicMs()).toBeLessThan(3_000);
    cluster.map = { ...mapOf(['g1', 'g2'], 2), slots: [{ first: 8192, last: 16383, group: 'g2' }] };
    await cluster.clock.advance(5_000);
    expect((await cluster.settled(client.get(OF_G1))) as Error).toMatchObject({
      rawMessage: 'slot 5061 has no owner in the map of epoch 2',
    });
  });

  it('refuses what is of one group, and says what to do', async () => {
    const cluster = new SimulatedCluster();
    const client = cluster.open();
    const refused = async (call: Promise<unknown>): Promise<CallError> => {
      const error = await cluster.settled(call);
      expect(error).toBeInstanceOf(CallError);
      return error as CallError;
    };
    const two = await refused(client.atomic([{ get: { key: OF_G1 } }, { get: { key: OF_G2 } }]));
    expect([two.code, two.rawMessage]).toEqual([
      Code.InvalidArgument,
      expect.stringContaining(
        'operations[1]: its key is of slot 12182, and that of operations[0] of slot 5061',
      ),
    ]);
    expect((await refused(client.getUpdates())).code).toBe(Code.FailedPrecondition);
    expect((await refused(client.awaitDurable())).rawMessage).toContain('no position');
  });

  it('passes on what it has seen of all groups', async () => {
    const cluster = new SimulatedCluster();
    const client = cluster.open();
    const sets = [client.set(OF_G1, bytes('1')), client.set(OF_G2, bytes('2'))];
    await cluster.settled(Promise.all(sets));
    const text = String(client.session);
    // Replicas have nothing yet, which a client that has seen nothing may be told.
    const fresh = cluster.open({ readFrom: 'replica' });
    expect(await cluster.settled(fresh.get(OF_G1))).toMatchObject({ found: false });
    const next = cluster.open({ readFrom: 'replica', session: Session.from(text) });
    // No group is known yet: what was seen before stays.
    expect(String(next.session)).toBe(text);
    const reads = await cluster.settled(Promise.all([next.get(OF_G1), next.get(OF_G2)]));
    expect((reads as unknown[]).map(textOf)).toEqual(['1', '2']);
    expect(String(next.session)).toBe(text);
  });

  it('goes on from what a client of nodes of one group has seen, which named it', async () => {
    const cluster = new SimulatedCluster();
    const session = new Session();
    session.onNode();
    for (const epoch of [4294967297n, 8589934593n])
      session.observeWrite(create(PositionSchema, { epoch, lsn: 3n, group: 'g1' }));
    // In the same process, and in another one.
    for (const one of [session, Session.from(String(session))])
      expect(String(cluster.open({ session: one }).session)).toBe('s2.g1_4294967297-3.g1_8589934593-3');
  });

  it('waits for all groups that it has written to', async () => {
    const cluster = new SimulatedCluster();
    const client = cluster.open();
    const sets = [client.set(OF_G1, bytes('1')), client.set(OF_G2, bytes('2'))];
    const durable = client.awaitDurable();
    const { position } = (await cluster.settled(Promise.all(sets).then(([, two]) => two))) as {
      position: never;
    };
    expect(await cluster.settled(durable)).not.toBeInstanceOf(Error);
    expect(await cluster.settled(client.awaitDurable({ position }))).not.toBeInstanceOf(Error);
    // Another client does not know whose the position is: every group is asked.
    expect(await cluster.settled(cluster.open().awaitDurable({ position }))).not.toBeInstanceOf(Error);
  });

  it('asks only the owner of the slot for entries with a prefix in which a whole tag stands', async () => {
    const cluster = new SimulatedCluster();
    const client = cluster.open();
    const scanned = async (prefix: string) => {
      for await (const _ of client.scan(prefix));
    };
    await cluster.settled(scanned(`{${OF_G2}}`));
    expect([cluster.group('g1').scans, cluster.group('g2').scans]).toEqual([0, 1]);
    cluster.group('g1').entries = ['a', 'b'];
    cluster.group('g2').entries = ['c'];
    const counted = await cluster.settled(Promise.all(['', `{${OF_G2}}`].map((one) => client.count(one))));
    expect(counted).toEqual([3, 1]);
    cluster.group('g1').scans = 0;
    cluster.group('g2').scans = 1;
    await cluster.settled(scanned(OF_G2));
    expect([cluster.group('g1').scans, cluster.group('g2').scans]).toEqual([1, 2]);
  });

  it('goes for a prefix with a whole tag to the group that owns its slot, whatever the map here says', async () => {
    const cluster = new SimulatedCluster();
    const client = cluster.open();
    const prefix = `{${OF_G2}}`;
    const shard = { slot: slotOfKey(prefix), group: 'g1', address: '', mapEpoch: 9 };
    cluster.group('g2').moved = () => shard;
    const scanned = async () => {
      for await (const _ of client.scan(prefix));
    };
    await cluster.settled(scanned());
    expect([cluster.group('g1').scans, cluster.group('g2').scans]).toEqual([1, 0]);
  });

  it('of one who may not read goes for a prefix with a whole tag to all groups', async () => {
    const cluster = new SimulatedCluster();
    const client = cluster.open();
    cluster.group('g2').isUnreadable = true;
    const scanned = async () => {
      for await (const _ of client.scan(`{${OF_G2}}`));
    };
    await cluster.settled(scanned());
    expect([cluster.group('g1').scans, cluster.group('g2').scans]).toEqual([1, 1]);
  });

  it('asks nothing for a watch that is not iterated, and ends one that is iterated after its close', async () => {
    const cluster = new SimulatedCluster();
    cluster.isCoordinated = false;
    const client = cluster.open();
    const changes = client.watch({ prefix: '' })[Symbol.asyncIterator]();
    await cluster.clock.advance(20_000);
    expect(cluster.asked).toBe(0);
    await cluster.settled(client.close());
    expect(await cluster.settled(changes.next())).toEqual({ done: true, value: undefined });
    expect(() => client.watch({ prefix: '' })).toThrow('this client is closed');
    expect(cluster.asked).toBe(0);
  });

  it('bounds the bytes of calls that wait for the map, and closes when the last of them is settled', async () => {
    const cluster = new SimulatedCluster();
    cluster.isCoordinated = false;
    const client = cluster.open({ queuedBytesMax: 2_000, timeoutMs: 3_000 });
    const waiting = [client.set(OF_G1, new Uint8Array(1_000)), client.set(OF_G2, new Uint8Array(5_000))];
    expect(await cluster.settled(waiting[1] as Promise<unknown>)).toMatchObject({
      code: Code.ResourceExhausted,
    });
    await cluster.clock.advance(2_000);
    const closed = cluster.settled(client.close());
    expect(await cluster.settled(waiting[0] as Promise<unknown>)).toMatchObject({ code: Code.Unavailable });
    await closed;
    expect(cluster.clock.monotonicMs()).toBeLessThan(4_000);
  });

  it('settles what waits for the map before it closes', async () => {
    const cluster = new SimulatedCluster();
    cluster.isCoordinated = false;
    const client = cluster.open();
    const set = client.set(OF_G1, bytes('1'));
    const closed = client.close();
    cluster.isCoordinated = true;
    expect(await cluster.settled(set)).toMatchObject({ applied: true });
    expect(await cluster.settled(closed)).toBeUndefined();
    expect(await cluster.settled(client.get(OF_G1))).toMatchObject({ code: Code.Canceled });
  });
});
