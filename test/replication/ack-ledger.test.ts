import { describe, expect, it } from 'vitest';
import type { Lsn } from '#model/position.ts';
import { AckLedger } from '#replication/ack-ledger.ts';
import { QuorumLedger } from '#replication/quorum-ledger.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const lsn = (value: number): Lsn => value as Lsn;

function setUp() {
  const clock = new VirtualClock();
  const acks = new AckLedger(clock);
  const settled: string[] = [];
  const wait = (name: string, at: number, count: number, timeoutMs: number, signal?: AbortSignal) => {
    void acks.wait(lsn(at), count, timeoutMs, signal).then(() => settled.push(name));
  };
  return { clock, acks, settled, wait };
}

describe('AckLedger', () => {
  it('counts node ids, not acks, and never goes back', () => {
    const { acks } = setUp();
    acks.ack('a', lsn(5));
    acks.ack('a', lsn(7));
    acks.ack('a', lsn(3));
    acks.ack('b', lsn(6));
    expect([5, 6, 7, 8].map((at) => acks.countAtLeast(lsn(at)))).toEqual([2, 2, 1, 0]);
    acks.forget('a');
    expect(acks.countAtLeast(lsn(1))).toBe(1);
  });

  it('ends a wait when enough nodes have the record, and not before', async () => {
    const { clock, acks, settled, wait } = setUp();
    wait('one', 10, 1, 1_000);
    wait('two', 10, 2, 1_000);
    acks.ack('a', lsn(9));
    await clock.settle();
    expect(settled).toEqual([]);
    acks.ack('a', lsn(10));
    await clock.settle();
    expect(settled).toEqual(['one']);
    acks.ack('a', lsn(11));
    await clock.settle();
    expect(settled).toEqual(['one']);
    acks.ack('b', lsn(12));
    await clock.settle();
    expect(settled).toEqual(['one', 'two']);
    expect([acks.hasWaiters, clock.pendingTimers]).toEqual([false, 0]);
  });

  it('ends a wait at its time limit and on an abort, leaving nothing behind', async () => {
    const { clock, acks, settled, wait } = setUp();
    const abort = new AbortController();
    wait('late', 10, 1, 50);
    wait('aborted', 10, 1, 1_000, abort.signal);
    expect(acks.hasWaiters).toBe(true);
    await clock.advance(49);
    expect(settled).toEqual([]);
    await clock.advance(1);
    expect(settled).toEqual(['late']);
    abort.abort();
    await clock.settle();
    expect(settled).toEqual(['late', 'aborted']);
    expect([acks.hasWaiters, clock.pendingTimers]).toEqual([false, 0]);
  });

  it('does not wait where it is so already, without time, or aborted', async () => {
    const { clock, acks, settled, wait } = setUp();
    acks.ack('a', lsn(10));
    wait('reached', 10, 1, 1_000);
    wait('no time', 11, 1, 0);
    wait('negative time', 11, 1, -5);
    wait('aborted', 11, 1, 1_000, AbortSignal.abort());
    await clock.settle();
    expect(settled).toEqual(['reached', 'no time', 'negative time', 'aborted']);
    expect(acks.hasWaiters).toBe(false);
  });

  it('ends all waits with the role, and those that begin later', async () => {
    const { clock, acks, settled, wait } = setUp();
    const quorum = new QuorumLedger({
      clock,
      self: () => ({ node: 'a', incarnation: 1 }),
      members: () => undefined,
      durableLsn: () => lsn(0),
      epochLsn: () => lsn(1),
    });
    acks.quorum = quorum;
    wait('acks', 10, 1, 60_000);
    void acks.waitQuorum(lsn(10), 60_000).then(() => settled.push('quorum'));
    acks.end();
    wait('later acks', 11, 1, 60_000);
    void acks.waitQuorum(lsn(11), 60_000).then(() => settled.push('later quorum'));
    await clock.settle();
    expect(settled.toSorted()).toEqual(['acks', 'later acks', 'later quorum', 'quorum']);
    expect(acks.hasWaiters).toBe(false);
  });

  it('tells when someone begins to wait, so that acks are asked for', () => {
    const { acks, wait } = setUp();
    let told = 0;
    acks.waits.subscribe(() => told++);
    wait('one', 10, 1, 1_000);
    expect(told).toBe(1);
  });
});
