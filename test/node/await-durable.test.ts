/** AwaitDurable: how safe a position is, asked of any node, by anyone. */
import { describe, expect, it } from 'vitest';
import type { AwaitDurableCommand } from '#model/commands.ts';
import { makeEpoch, type Position, termOf, toLsn } from '#model/position.ts';
import { setCommand, TestGroup, type TestNode } from '#test/doubles/test-group.ts';

async function trio() {
  const group = new TestGroup();
  const master = await group.master({ walSyncIntervalMs: 60_000 });
  const one = await group.replica('one', { walSyncIntervalMs: 60_000 });
  const two = await group.replica('two', { walSyncIntervalMs: 60_000 });
  await group.untilLevel([master, one, two]);
  return { group, master, one, two };
}

function ask(node: TestNode, position: Position, changes: Partial<AwaitDurableCommand> = {}) {
  return node.node.awaitDurable({ position, durability: 'local', minAcks: 0, timeoutMs: 2_000, ...changes });
}

function separate(group: TestGroup, name: string): void {
  group.network.cut('master:1', `${name}:1`);
  group.network.cut(`${name}:1`, 'master:1');
}

describe('AwaitDurable on a master', () => {
  it('makes it durable here and there, for a write that asked for nothing', async () => {
    const { group, master, one, two } = await trio();
    const { position, durabilityReached } = await group.set(master, 'a', '1');
    expect(durabilityReached).toBe('accepted');
    // It is pushed before anybody asks.
    await group.clock.advance(100);
    const answer = await group.until(ask(master, position, { minAcks: 2 }));
    expect(answer).toMatchObject({ durabilityReached: 'local', replicasAcked: 2, durable: position });
    for (const [node, seed] of [
      [one, 3],
      [two, 4],
    ] as const) {
      // Not to be had from the master again.
      separate(group, node.name);
      const again = await group.replica(node.name, { fileSystem: group.powerCut(node, seed) });
      expect(again.node.status().position.lsn).toBeGreaterThanOrEqual(position.lsn);
    }
  });

  it('of `accepted` answers at once what there is', async () => {
    const { group, master } = await trio();
    const { position } = await group.set(master, 'a', '1');
    const before = group.clock.monotonicMs();
    await ask(master, position, { durability: 'accepted' });
    expect(group.clock.monotonicMs()).toBe(before);
  });

  it('says what was reached when time runs out', async () => {
    const { group, master } = await trio();
    separate(group, 'one');
    const { position } = await group.set(master, 'a', '1');
    const before = group.clock.monotonicMs();
    const answer = await group.until(ask(master, position, { minAcks: 2, timeoutMs: 700 }));
    expect(answer).toMatchObject({ durabilityReached: 'local', replicasAcked: 1 });
    expect(group.clock.monotonicMs() - before).toBeGreaterThanOrEqual(700);
    expect(group.clock.monotonicMs() - before).toBeLessThanOrEqual(750);
  });

  it('counts nodes, not acks: one replica that acks again and again is one', async () => {
    const { group, master, one } = await trio();
    separate(group, 'two');
    const { position } = await group.set(master, 'a', '1');
    const waiting = ask(master, position, { minAcks: 2, timeoutMs: 4_000 });
    await group.clock.advance(1_000);
    await group.replica('one', { fileSystem: await group.stop(one) });
    for (let i = 0; i < 5; i++) await group.set(master, `k${i}`, 'x');
    expect(await group.until(waiting)).toMatchObject({ replicasAcked: 1 });
  });

  it('of what a restart lost is discarded history, and so is what is beyond its log', async () => {
    const { group, master } = await trio();
    separate(group, 'one');
    separate(group, 'two');
    const { position } = await group.set(master, 'a', 'lost');
    const again = await group.master({ fileSystem: group.powerCut(master, 11) });
    const isLost = (await group.get(again, 'a')) === undefined;
    const outcome = group.until(ask(again, { ...position, lsn: toLsn(position.lsn + (isLost ? 0 : 9)) }));
    await expect(outcome).rejects.toMatchObject({ code: 'discarded_history' });
    const unknown = { epoch: makeEpoch(termOf(position.epoch), 99), lsn: toLsn(1) };
    await expect(group.until(ask(again, unknown))).rejects.toMatchObject({ code: 'discarded_history' });
  });
});

describe('AwaitDurable of acks while another node comes to lead', () => {
  it('is refused with the new master named where its master hands over, and answered there', async () => {
    const { group, master, one } = await trio();
    separate(group, 'two');
    const { position } = await group.set(master, 'a', '1');
    const startMs = group.clock.monotonicMs();
    const outcome = refusalOf(ask(master, position, { minAcks: 2, timeoutMs: 60_000 }));
    await group.clock.advance(50);
    await group.until(master.node.failover('one:1', 2_000));
    expect(await group.until(outcome)).toEqual({ code: 'not_master', leaderHint: 'one:1' });
    expect(group.clock.monotonicMs() - startMs).toBeLessThan(5_000);
    const there = await group.until(ask(one, position, { minAcks: 1 }));
    expect(there).toMatchObject({ durabilityReached: 'local', replicasAcked: 1 });
  });

  it('is refused at once by a fenced master, to who waits and to who comes later', async () => {
    const { group, master } = await trio();
    separate(group, 'one');
    separate(group, 'two');
    const { position } = await group.set(master, 'a', '1');
    const outcome = refusalOf(ask(master, position, { minAcks: 1, timeoutMs: 60_000 }));
    await group.clock.advance(50);
    const startMs = group.clock.monotonicMs();
    await expect(master.node.replicate(pushOf(master, 2))).rejects.toThrow();
    expect(master.node.status().state).toBe('fenced');
    expect(await group.until(outcome)).toEqual({ code: 'not_master', leaderHint: undefined });
    const later = refusalOf(ask(master, position, { minAcks: 1, timeoutMs: 60_000 }));
    expect(await group.until(later)).toEqual({ code: 'not_master', leaderHint: undefined });
    expect(group.clock.monotonicMs() - startMs).toBeLessThan(1_000);
    // Its own disk needs no replicas.
    expect(await group.until(ask(master, position))).toMatchObject({ durabilityReached: 'local' });
  });
});

/** A push by which another master says that it leads `term`. */
function pushOf({ node }: TestNode, term: number) {
  const { logId } = node.status();
  const previous = { epoch: 0, lsn: toLsn(0), crc: 0 };
  const nothing = { frames: new Uint8Array(0), durableLsn: toLsn(0), logClockMs: 0, ackWhenDurable: false };
  return { masterNodeId: 'another', logId, term, previous, ...nothing };
}

/** How a call that must fail fails. */
async function refusalOf(call: Promise<unknown>) {
  const { code, details } = await call.then(
    (answer) => expect.unreachable(JSON.stringify(answer)),
    (error: { code: string; details: { leaderHint?: string } }) => error,
  );
  return { code, leaderHint: details.leaderHint };
}

describe('AwaitDurable on a replica', () => {
  it('waits for the position, then for its own disk', async () => {
    const { group, master, one } = await trio();
    separate(group, 'one');
    const { position } = await group.set(master, 'a', '1');
    const waiting = ask(one, position, { timeoutMs: 10_000 });
    await group.clock.advance(500);
    group.network.heal();
    expect(await group.until(waiting)).toMatchObject({ durabilityReached: 'local', replicasAcked: 0 });
    separate(group, 'one');
    const again = await group.replica('one', { fileSystem: group.powerCut(one, 8) });
    expect(again.node.status().position.lsn).toBeGreaterThanOrEqual(position.lsn);
  });

  it('is unavailable where the position does not come in time', async () => {
    const { group, master, one } = await trio();
    separate(group, 'one');
    const { position } = await group.set(master, 'a', '1');
    await expect(group.until(ask(one, position))).rejects.toMatchObject({
      code: 'unavailable',
      details: { leaderHint: 'master:1' },
    });
    const later = { epoch: makeEpoch(termOf(position.epoch), 99), lsn: toLsn(1) };
    await expect(group.until(ask(one, later))).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('sends who asks for acks to the master', async () => {
    const { group, master, one } = await trio();
    const { position } = await group.set(master, 'a', '1');
    await expect(ask(one, position, { minAcks: 1 })).rejects.toMatchObject({
      code: 'not_master',
      details: { leaderHint: 'master:1' },
    });
  });

  it('ends when its caller goes away', async () => {
    const { group, master, one } = await trio();
    separate(group, 'one');
    const { position } = await group.set(master, 'a', '1');
    const abort = new AbortController();
    const asked = one.node.awaitDurable(
      { position, durability: 'local', minAcks: 0, timeoutMs: 60_000 },
      abort.signal,
    );
    asked.catch(() => undefined);
    abort.abort();
    await group.clock.settle();
    await expect(asked).rejects.toMatchObject({ code: 'cancelled' });
    void master.node.set(setCommand('b', '1'));
  });
});
