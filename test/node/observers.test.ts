/** Observers: replicas that ask for pushes and count for nothing in their group. */
import { describe, expect, it } from 'vitest';
import { OBSERVERS_MAX, OBSERVERS_TOLD_MAX } from '#model/limits.ts';
import { NO_LSN, NO_POSITION } from '#model/position.ts';
import type { ObserveRequest, RegisterRequest } from '#model/replication.ts';
import { describeState, type NodeChanges, TestGroup, type TestNode } from '#test/doubles/test-group.ts';

const OBSERVER = { isObserver: true, advertise: '' } as const;
const NOTHING = { epoch: 0, lsn: NO_LSN, crc: 0 };
const never = new AbortController().signal;

function observer(group: TestGroup, changes: NodeChanges = {}): Promise<TestNode> {
  return group.replica('observer', { ...OBSERVER, ...changes });
}

function idOf(number: number): string {
  return number.toString(16).padStart(32, '0');
}

function registrationOf(number: number, changes: Partial<RegisterRequest> = {}): RegisterRequest {
  return {
    nodeId: idOf(number),
    incarnation: 'first',
    advertise: '',
    logId: '',
    tail: NOTHING,
    upstreamPath: [],
    applyDelayMs: 0,
    term: 0,
    formatLevel: 1,
    isObserver: true,
    ...changes,
  };
}

function questionOf({ nodeId, incarnation, tail }: RegisterRequest, master: TestNode): ObserveRequest {
  const { logId } = master.node.status();
  const answer = { verdict: { kind: 'ok' }, durable: NO_POSITION, appliedLsn: NO_LSN } as const;
  return { nodeId, incarnation, logId, tail, answer, isLeaving: false };
}

describe('an observer', () => {
  it('gets every record without being called, and goes on from its own log after a restart', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await observer(group);
    for (let i = 0; i < 20; i++) await group.set(master, `k${i}`, `${i}`);
    await group.delete(master, 'k3');
    await group.untilLevel([master, one]);
    expect(await group.get(one, 'k7')).toBe('7');
    expect(one.node.status()).toMatchObject({ state: 'streaming', isReady: true, reasons: [] });
    await group.clock.advance(1_000);
    expect((await one.node.get({ key: 'k7', waitMs: 0 })).stalenessMs).toBeLessThanOrEqual(300);
    for (const call of ['replicate', 'status', 'claim', 'announce'])
      expect(group.network.callCount(call, 'master:1', 'observer:1')).toBe(0);
    expect(one.node.status().integrity).toMatchObject({ digestMismatches: 0 });
    expect(one.node.status().integrity.digestComparisons).toBeGreaterThan(0);

    const fileSystem = await group.stop(one);
    await group.set(master, 'later', '1');
    const again = await observer(group, { fileSystem });
    await group.untilLevel([master, again]);
    const { observers } = master.node.status();
    expect(observers).toMatchObject({
      count: 1,
      furthest: [{ fullResyncs: 0, lagRecords: 0 }],
    });
  });

  it('is forgotten at once when it ends, and its end does not wait for a master that is away', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const [one, other] = [await observer(group), await group.replica('other', OBSERVER)];
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one, other]);
    await group.stop(one);
    expect(master.node.status().observers).toMatchObject({ count: 1 });
    group.network.cut('other:1', 'master:1');
    const beforeMs = group.clock.monotonicMs();
    await group.stop(other);
    expect(group.clock.monotonicMs() - beforeMs).toBeLessThanOrEqual(1_000);
  });

  it('counts for no min_acks, no min_replicas_to_write and no list of replicas', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await observer(group);
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    const answer = await group.set(master, 'a', '2', { minAcks: 1, timeoutMs: 2_000 });
    expect(answer).toMatchObject({ applied: true, replicasAcked: 0 });
    await group.untilLevel([master, one]);
    expect(master.node.status().replicas).toEqual([]);

    const disk = await group.stop(master);
    const again = await group.master({ fileSystem: disk, minReplicasToWrite: 1 });
    await group.untilTrue(() => again.node.status().observers?.count === 1, 'the observer registers again');
    await expect((async () => group.set(again, 'a', '3'))()).rejects.toThrow(/min_replicas_to_write/);
    // It was not remembered either: a starting master asks those.
    expect(group.network.callCount('status', 'master:1', 'observer:1')).toBe(0);
  });

  it('is refused what a node of a group does', async () => {
    const group = new TestGroup();
    await group.master();
    const one = await observer(group);
    const why = /an embedded replica is no node of its group/;
    await expect(group.until(one.node.promote(true))).rejects.toThrow(why);
    const { logId } = one.node.status();
    const claim = { logId, term: 2, nodeId: idOf(1) };
    await expect(group.until(one.node.claim(claim))).rejects.toThrow(why);
    const order = { logId, term: 2, nodeId: idOf(1), tail: NOTHING, isCheck: true };
    await expect(group.until(one.node.takeOver(order))).rejects.toThrow(why);
  });

  it('finds the master of a failover by the nodes that it knows', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const replica = await group.replica('replica');
    const one = await observer(group);
    await group.set(master, 'a', '1');
    await group.untilLevel([master, replica, one]);
    group.kill(master);
    await group.until(replica.node.promote(false));
    await group.set(replica, 'a', '2');
    await group.untilLevel([replica, one]);
    expect(one.node.status()).toMatchObject({ state: 'streaming', upstream: { address: 'replica:1' } });
  });

  it('does not end the term of a master by what it has seen', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const { logId, term } = master.node.status();
    const seen = registrationOf(1, { logId, term: term + 1 });
    await expect(group.until(master.node.register(seen, '10.0.0.9'))).rejects.toThrow(/another one leads/);
    expect(master.node.status()).toMatchObject({ state: 'serving', term });
  });

  it('that says its state differs is shown, and its master does not examine its own', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const registration = registrationOf(1);
    await group.until(master.node.register(registration, '10.0.0.9'));
    const question = questionOf(registration, master);
    const digestMismatch = { lsn: NO_LSN, stated: idOf(1), found: idOf(2) };
    const answer = { ...question.answer, digestMismatch };
    await group.until(master.node.observe({ ...question, answer }, '10.0.0.9', never));
    const { observers, integrity } = master.node.status();
    expect(observers?.furthest).toMatchObject([{ isDifferent: true, address: '10.0.0.9' }]);
    await group.clock.advance(5_000);
    expect(integrity.scrubs).toBe(master.node.status().integrity.scrubs);
  });

  it('cannot be opened in the directory of a master', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const fileSystem = await group.stop(master);
    await expect(observer(group, { fileSystem })).rejects.toThrow(
      /a master's and cannot be an embedded replica's/,
    );
    const again = await group.master({ fileSystem });
    expect(again.node.status().role).toBe('master');
  });

  it('that falls behind what is in memory pulls, and never takes a snapshot for that', async () => {
    const group = new TestGroup();
    const master = await group.master({ ringBytesMax: 300_000, retentionBytes: 1 << 22 });
    const one = await observer(group);
    await group.set(master, 'a', '1');
    await group.untilLevel([master, one]);
    group.network.cut('observer:1', 'master:1');
    const value = 'x'.repeat(20_000);
    for (let i = 0; i < 40; i++) await group.set(master, `k${i}`, value);
    group.network.heal();
    await group.untilLevel([master, one]);
    expect(master.node.status().observers?.furthest).toMatchObject([{ fullResyncs: 0, state: 'streaming' }]);
  });
});

describe('the observers of a master', () => {
  it('are 1,024 at most; the place of one that is silent for 30 s is free again', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const join = (number: number) => group.until(master.node.register(registrationOf(number), '10.0.0.9'));
    for (let i = 1; i <= OBSERVERS_MAX; i++) await join(i);
    expect(master.node.status().observers?.count).toBe(OBSERVERS_MAX);
    expect(master.node.status().observers?.furthest).toHaveLength(OBSERVERS_TOLD_MAX);
    await expect(join(OBSERVERS_MAX + 1)).rejects.toThrow(/there are 1024 observers already/);
    await join(1);
    await group.clock.advance(30_100);
    await join(OBSERVERS_MAX + 1);
    expect(master.node.status().observers?.count).toBe(1);
  });

  it('have node ids of their own', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const replica = await group.replica('replica');
    await group.set(master, 'a', '1');
    await group.untilLevel([master, replica]);
    const join = (nodeId: string, changes: Partial<RegisterRequest> = {}) =>
      group.until(master.node.register(registrationOf(1, { nodeId, ...changes }), '10.0.0.9'));
    const taken = /belongs to (this master|another live node): was the directory of this observer copied/;
    await expect(join(master.node.status().nodeId)).rejects.toThrow(taken);
    await expect(join(replica.node.status().nodeId)).rejects.toThrow(taken);
    await join(idOf(7));
    await expect(join(idOf(7), { incarnation: 'second' })).rejects.toThrow(taken);
    await expect(
      join(idOf(7), { isObserver: undefined, advertise: 'copy:1', incarnation: 'second' }),
    ).rejects.toThrow(/belongs to a live observer/);
    await expect(join(idOf(8), { formatLevel: 0 })).resolves.toBeDefined();
  });

  it('are answered at once where there is more, else with the next heartbeat, and not too often', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const registration = registrationOf(1);
    await group.until(master.node.register(registration, '10.0.0.9'));
    const question = questionOf(registration, master);
    const first = await group.until(master.node.observe(question, '10.0.0.9', never));
    const { lsn } = master.node.status().position;
    expect(first).toMatchObject({ previous: NOTHING, durableLsn: lsn, ackWhenDurable: false });
    expect(first.frames.length).toBeGreaterThan(0);

    // One push in 10 ms, `replication.sync_interval`, to one that asks without a pause.
    let answers = 0;
    const gone = new AbortController();
    const asking = (async () => {
      for (; !gone.signal.aborted && answers < 1_000; answers++)
        await master.node.observe(question, '10.0.0.9', gone.signal);
    })().catch(() => undefined);
    await group.clock.advance(1_000);
    gone.abort();
    await group.until(asking);
    expect(answers).toBeGreaterThanOrEqual(50);
    expect(answers).toBeLessThanOrEqual(101);
  });

  it('have a record as soon as it is durable, long before the next heartbeat', async () => {
    const group = new TestGroup();
    const master = await group.master({ heartbeatMs: 900, fsync: 'always' });
    const one = await observer(group);
    await group.untilLevel([master, one]);
    for (let i = 0; i < 5; i++) {
      await group.clock.advance(100);
      const { position } = await group.set(master, 'a', `${i}`);
      await group.clock.advance(50);
      expect(one.node.status().position).toEqual(position);
    }
  });

  it('come at least each second, however long replication.sync_interval is', async () => {
    const group = new TestGroup();
    const master = await group.master({ pushIntervalMs: 20_000, heartbeatMs: 20_000, fsync: 'always' });
    const one = await observer(group);
    await group.untilLevel([master, one]);
    const calls = (method: string) => group.network.callCount(method, 'observer:1', 'master:1');
    const registered = calls('register');
    const asked = calls('observe');
    for (let i = 0; i < 10; i++) {
      const { position } = await group.set(master, 'a', `${i}`);
      await group.clock.advance(1_100);
      expect(one.node.status().position).toEqual(position);
    }
    expect(calls('register')).toBe(registered);
    expect(calls('observe') - asked).toBeGreaterThanOrEqual(10);
  });

  it('hear a heartbeat where nothing is written', async () => {
    const group = new TestGroup();
    const master = await group.master({ heartbeatMs: 250 });
    const one = await observer(group);
    await group.untilLevel([master, one]);
    await group.clock.advance(1_000);
    const before = group.network.callCount('observe', 'observer:1', 'master:1');
    await group.clock.advance(10_000);
    const calls = group.network.callCount('observe', 'observer:1', 'master:1') - before;
    expect(calls).toBeGreaterThanOrEqual(38);
    expect(calls).toBeLessThanOrEqual(41);
    expect(one.node.status()).toMatchObject({ isReady: true, upstream: { isLinked: true, lagMs: 0 } });
  });

  it('have one call each: a second one ends the first, and one that is given up ends', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const one = await observer(group);
    await group.untilLevel([master, one]);
    const { nodeId, logId, position } = master.node.status();
    const tail = { ...position, crc: 0 };
    const registration = registrationOf(1, { logId });
    await group.until(master.node.register(registration, '10.0.0.9'));
    const question = { ...questionOf(registration, master), tail };
    const first = master.node.observe(question, '10.0.0.9', never);
    const gone = new AbortController();
    const second = master.node.observe(question, '10.0.0.9', gone.signal);
    await expect(first).rejects.toThrow(/asked once more/);
    gone.abort();
    await expect(second).rejects.toThrow(/the observer has gone/);
    // The tail is compared before anything is sent.
    await expect(group.until(master.node.observe(question, '10.0.0.9', never))).rejects.toThrow(
      /is not in this log: register again/,
    );
    const foreign = { ...question, logId: nodeId };
    await expect(group.until(master.node.observe(foreign, '10.0.0.9', never))).rejects.toThrow(
      /is not led here/,
    );
    const unknown = { ...question, incarnation: 'second' };
    await expect(group.until(master.node.observe(unknown, '10.0.0.9', never))).rejects.toThrow(
      /is not registered here: register again/,
    );
  });

  it('end with the master, and with the rights of who registered them', async () => {
    const group = new TestGroup();
    const master = await group.master();
    const rights = new AbortController();
    const registration = registrationOf(1);
    await group.until(master.node.register(registration, '10.0.0.9', rights.signal));
    const tail = { ...master.node.status().position, crc: 0 };
    const held = master.node.observe({ ...questionOf(registration, master), tail }, '10.0.0.9', never);
    rights.abort();
    await expect(held).rejects.toThrow(/the rights of this caller changed/);
    expect(master.node.status().observers).toBeUndefined();

    await group.until(master.node.register(registration, '10.0.0.9'));
    const another = master.node.observe({ ...questionOf(registration, master), tail }, '10.0.0.9', never);
    another.catch(() => undefined);
    await group.stop(master);
    await expect(another).rejects.toThrow(/no master any more/);
  });

  it('keep what they read from being evicted', async () => {
    const group = new TestGroup();
    const limits = { entriesMax: 10, bytesMax: 0, policy: 'lru' } as const;
    const master = await group.master({ limits });
    const one = await observer(group);
    for (let i = 0; i < 10; i++) await group.set(master, `k${i}`, `${i}`);
    await group.untilLevel([master, one]);
    expect(await group.get(one, 'k0')).toBe('0');
    await group.clock.advance(500);
    await group.set(master, 'new', '1');
    expect(await group.get(master, 'k0')).toBe('0');
    expect(await group.get(master, 'k1')).toBeUndefined();
    expect(describeState(master)).toMatch(/ 10 /);
  });
});
