/** What a master still knows of a replica that registers again. */
import { describe, expect, it } from 'vitest';
import { toLsn } from '#model/position.ts';
import type { RegisterRequest } from '#model/replication.ts';
import { silentLogger } from '#platform/logger.ts';
import { type Registration, registrationAfter } from '#replication/registered-replicas.ts';
import { type KnownBefore, ReplicaProgress } from '#replication/replica-progress.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const at = (lsn: number) => ({ epoch: 7, lsn: toLsn(lsn), crc: lsn });

describe('a replica that registers again', () => {
  const clock = new VirtualClock();
  let durableLsn = 10;
  const register = (lsn: number, before?: KnownBefore): ReplicaProgress =>
    new ReplicaProgress(
      { nodeId: 'n', address: 'one:1', clock, logger: silentLogger, heartbeatMs: 500, onAck: () => {} },
      () => toLsn(durableLsn),
      at(lsn),
      before,
    );
  const took = (progress: ReplicaProgress, lsn: number): void =>
    progress.reached(at(lsn), {
      ...{ nodeId: 'n', term: 1, verdict: { kind: 'ok' }, tail: at(lsn) },
      ...{ appliedLsn: lsn, durable: { epoch: 7, lsn } },
    } as never);

  it('lags since it was last level, not since it registered', async () => {
    durableLsn = 10;
    const first = register(10);
    expect([first.lagMs, first.wasLevel]).toEqual([0, true]);
    durableLsn = 12;
    await clock.advance(4_000);
    const second = register(10, first.whenRegistered('one:1', at(10)));
    await clock.advance(1_000);
    expect([second.lagMs, second.wasLevel]).toEqual([5_000, false]);
    took(second, 12);
    second.level(clock.monotonicMs());
    durableLsn = 13;
    await clock.advance(100);
    expect([second.lagMs, second.wasLevel]).toEqual([100, true]);
    // By pulling it came level without a push.
    const third = register(13, second.whenRegistered('one:1', at(13)));
    durableLsn = 14;
    await clock.advance(200);
    expect(third.lagMs).toBe(200);
  });

  it('has on its disk what it had, unless it says that it has less or keeps nothing', () => {
    const first = register(10);
    took(first, 9);
    const ackedAfter = (kept?: number) =>
      register(10, first.whenRegistered('one:1', kept === undefined ? undefined : at(kept))).acked.lsn;
    expect([ackedAfter(10), ackedAfter(5), ackedAfter()]).toEqual([9, 5, 0]);
  });

  it('goes on with a resync that is not over, and begins another one after that', () => {
    const request = { incarnation: 'i', applyDelayMs: 0, tail: at(10) } as RegisterRequest;
    const resync = (before: Registration | undefined, isOver: boolean | undefined) =>
      registrationAfter(before, request, { kind: 'continue' } as never, { durableLsn: toLsn(12), isOver });
    const first = resync(undefined, undefined);
    const again = resync(first, false);
    const next = resync(again, true);
    expect([first, again, next].map(({ partialResyncs }) => partialResyncs)).toEqual([1, 1, 2]);
  });
});
