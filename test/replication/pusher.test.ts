import { describe, expect, it } from 'vitest';
import type { ReplicateVerdict } from '#model/replication.ts';
import { bytesOf, EPOCH_ONE, pointOf } from '#test/replication/chain.ts';
import { decodeFrames } from '#wal/frame.ts';
import { digestOf, lsn, type Reply, Script } from './scripted-replica.ts';

describe('Pusher', () => {
  it('sends what is durable, verbatim, and moves its cursor by the answers', async () => {
    const script = new Script();
    script.pusher.start();
    script.write(3);
    await script.clock.advance(20);
    script.write(2);
    await script.clock.advance(20);
    expect(script.lsns).toEqual([
      [1, 2, 3],
      [4, 5],
    ]);
    expect(script.previous).toEqual([0, 3]);
    expect(Buffer.from(script.requests[1]?.request.frames ?? []).equals(bytesOf(script.log.slice(3)))).toBe(
      true,
    );
    expect(script.requests[1]?.request.previous).toEqual(pointOf(script.log[2]));
    expect(script.acks).toEqual([3, 5]);
    expect(script.pusher.progress).toMatchObject({
      state: 'streaming',
      lagRecords: 0,
      lagMs: 0,
      acked: { lsn: 5 },
    });
    await script.pusher.stop();
  });

  it('tells how large each push with records is, a repeated one again', async () => {
    const told: number[][] = [];
    const script = new Script({ onPush: (records, bytes) => told.push([records, bytes]) });
    script.replies.push('fail');
    script.pusher.start();
    script.write(3);
    await script.clock.advance(600);
    const { length } = bytesOf(script.log);
    expect(told).toEqual([
      [3, length],
      [3, length],
    ]);
    expect(script.requests.length).toBeGreaterThan(2);
    await script.pusher.stop();
  });

  it('states the digest of its last frame, on a heartbeat of the record before, and only where it knows it', async () => {
    const script = new Script();
    script.pusher.start();
    script.write(3);
    await script.clock.advance(20);
    script.write(2);
    script.digestsThroughLsn = 4;
    await script.clock.advance(300);
    expect(script.lsns).toEqual([[1, 2, 3], [4, 5], []]);
    expect(script.requests.map(({ request }) => request.digest)).toEqual([digestOf(3), '', '']);
    script.digestsThroughLsn = 5;
    await script.clock.advance(250);
    expect(script.requests.at(-1)?.request.digest).toBe(digestOf(5));
    await script.pusher.stop();
  });

  it('tells once that a replica differs, until it says that it does not any more', async () => {
    const told: number[] = [];
    const script = new Script({ onMismatch: (mismatch) => told.push(mismatch.lsn) });
    const mismatch = { lsn: lsn(2), stated: digestOf(2), found: digestOf(9) };
    script.pusher.start();
    script.mismatch = mismatch;
    script.write(2);
    await script.clock.advance(600);
    expect(told).toEqual([2]);
    expect(script.pusher.progress.isDifferent).toBe(true);
    script.mismatch = undefined;
    await script.clock.advance(300);
    expect(script.pusher.progress.isDifferent).toBe(false);
    script.mismatch = mismatch;
    await script.clock.advance(300);
    expect(told).toEqual([2, 2]);
    await script.pusher.stop();
  });

  it('names the node it pushes to, and counts only what that node says it has', async () => {
    const script = new Script();
    script.pusher.start();
    script.write(2);
    await script.clock.advance(20);
    expect(script.requests[0]?.request.replicaNodeId).toBe('r');
    expect(script.acks).toEqual([2]);
    expect(script.pusher.progress).toMatchObject({ isLive: true, isCounted: true, problem: '' });
    script.answersAs = 'another';
    script.write(1);
    await script.clock.advance(20);
    expect(script.acks).toEqual([2]);
    expect(script.pusher.progress).toMatchObject({ isLive: false, isCounted: false, acked: { lsn: 2 } });
    expect(script.pusher.progress.problem).toMatch(/another node than r answers at r:1/);
    script.answersAs = undefined;
    await script.clock.advance(1_100);
    expect(script.acks).toEqual([2]);
    expect(script.pusher.progress).toMatchObject({ isLive: true, isCounted: false, acked: { lsn: 3 } });
    script.answersAs = 'r';
    await script.clock.advance(300);
    expect(script.acks.at(-1)).toBe(3);
    expect(script.pusher.progress).toMatchObject({ isCounted: true, problem: '' });
    await script.pusher.stop();
  });

  it('never sends beyond the durable LSN', async () => {
    const script = new Script();
    script.write(5);
    script.durableLsn = 2;
    script.pusher.start();
    await script.clock.advance(300);
    expect(script.lsns).toEqual([[1, 2], []]);
    expect(script.requests.map(({ request }) => request.durableLsn)).toEqual([2, 2]);
    await script.pusher.stop();
  });

  it('repeats a push that failed, from the same cursor, less and less often', async () => {
    const script = new Script();
    script.replies.push('fail', 'fail', 'fail', 'fail', 'fail', 'fail', 'fail');
    script.write(2);
    script.pusher.start();
    await script.clock.advance(5_000);
    const tries = script.requests.slice(0, 8);
    expect(tries.map(({ request }) => request.previous.lsn)).toEqual(Array(8).fill(0));
    expect(tries.map(({ request }) => decodeFrames(request.frames).length)).toEqual(Array(8).fill(2));
    const gaps = tries.slice(1).map(({ atMs }, i) => atMs - (tries[i]?.atMs ?? 0));
    expect(gaps).toEqual([50, 100, 200, 400, 800, 1_000, 1_000]);
    expect(script.acks[0]).toBe(2);
    await script.pusher.stop();
  });

  it('pushes at most once per interval, one at a time, whatever is written', async () => {
    const script = new Script();
    script.answerAfterMs = 35;
    script.pusher.start();
    for (let i = 0; i < 200; i++) {
      script.write(1);
      await script.clock.advance(1);
    }
    const times = script.requests.map(({ atMs }) => atMs);
    for (let i = 1; i < times.length; i++)
      expect((times[i] ?? 0) - (times[i - 1] ?? 0)).toBeGreaterThanOrEqual(10);
    expect(script.inFlightMax).toBe(1);
    await script.clock.advance(100);
    expect(script.lsns.flat()).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    await script.pusher.stop();
  });

  it('puts no more bytes in a push than it may, and a larger record in one of its own', async () => {
    const script = new Script({ pushBytesMax: 4_096 });
    script.write(8, 1_000);
    script.write(1, 10_000);
    script.pusher.start();
    await script.clock.advance(200);
    expect(script.lsns.filter((lsns) => lsns.length > 0)).toEqual([[1, 2, 3], [4, 5, 6], [7, 8], [9]]);
    await script.pusher.stop();
  });

  it('keeps the interval after a failure, too', async () => {
    const script = new Script({ syncIntervalMs: 400, heartbeatMs: 1_000 });
    script.replies.push('fail', { kind: 'ok' });
    script.write(1);
    script.pusher.start();
    await script.clock.advance(1_000);
    expect(script.requests.slice(0, 2).map(({ atMs }) => atMs)).toEqual([0, 400]);
    await script.pusher.stop();
  });

  it('heartbeats at its interval while idle, and not while busy', async () => {
    const script = new Script();
    script.pusher.start();
    await script.clock.advance(1_000);
    expect(script.requests.map(({ atMs }) => atMs)).toEqual([0, 250, 500, 750, 1_000]);
    script.requests.length = 0;
    for (let i = 0; i < 10; i++) {
      script.write(1);
      await script.clock.advance(100);
    }
    expect(script.lsns.every((frames) => frames.length === 1)).toBe(true);
    await script.pusher.stop();
  });

  it('with interval 0 goes on as soon as the last push is answered, and stops when level', async () => {
    const script = new Script({ syncIntervalMs: 0 });
    script.write(3, 600_000);
    script.pusher.start();
    await script.clock.settle();
    expect(script.lsns).toEqual([[1], [2], [3]]);
    await script.clock.advance(249);
    expect(script.requests).toHaveLength(3);
    await script.pusher.stop();
  });

  it('sends a record larger than a push whole', async () => {
    const script = new Script();
    script.write(1, 3_000_000);
    script.pusher.start();
    await script.clock.advance(10);
    expect(script.lsns).toEqual([[1]]);
    await script.pusher.stop();
  });

  it('goes on from where the replica says it is', async () => {
    const script = new Script();
    script.write(9);
    const tail = pointOf(script.log[3]);
    script.replies.push({ kind: 'need', tail });
    script.pusher.start();
    await script.clock.advance(100);
    expect(script.previous.slice(0, 2)).toEqual([0, 4]);
    expect(script.lsns[1]).toEqual([5, 6, 7, 8, 9]);
    expect(script.acks).toEqual([4, 9]);
    await script.pusher.stop();
  });

  it('leaves a replica far behind to its own pull, with heartbeats only, until it is near', async () => {
    const script = new Script();
    script.write(100);
    script.recentFromLsn = 80;
    const at = (behind: number): ReplicateVerdict => ({
      kind: 'need',
      tail: pointOf(script.log[behind - 1]),
    });
    script.replies.push({ kind: 'ok' }, at(30), at(60), at(79));
    script.pusher.start();
    await script.clock.advance(600);
    expect(script.lsns).toEqual([[], [], []]);
    expect(script.previous).toEqual([0, 0, 30]);
    expect(script.pusher.progress.state).toBe('catching_up');
    await script.clock.advance(400);
    expect(script.lsns[4]).toEqual(Array.from({ length: 21 }, (_, i) => 80 + i));
    expect(script.pusher.progress.state).toBe('streaming');
    await script.pusher.stop();
  });

  it('pushes to a replica far behind all the same where its pull does not get on', async () => {
    const script = new Script();
    script.write(5);
    script.recentFromLsn = 5;
    script.pusher.start();
    await script.clock.advance(1_000);
    expect(script.lsns.slice(0, 4)).toEqual([[], [], [], [1, 2, 3, 4, 5]]);
    await script.pusher.stop();
  });

  it('ends where the replica claims a record that is another here: neither pushes nor acks', async () => {
    const script = new Script();
    script.write(9);
    script.replies.push({ kind: 'need', tail: { ...pointOf(script.log[3]), crc: 99 } });
    script.pusher.start();
    await script.clock.advance(5_000);
    expect(script.requests).toHaveLength(1);
    expect(script.acks).toEqual([]);
    expect(script.pusher.progress.state).toBe('catching_up');
    await script.pusher.stop();
  });

  it('ends where the replica claims to be ahead', async () => {
    const script = new Script();
    script.write(3);
    script.replies.push({ kind: 'need', tail: { epoch: EPOCH_ONE, lsn: lsn(12), crc: 1 } });
    script.pusher.start();
    await script.clock.advance(5_000);
    expect([script.requests.length, script.acks]).toEqual([1, []]);
    await script.pusher.stop();
  });

  it('ends where the log no longer has what comes next: no empty pushes that feign a link', async () => {
    const script = new Script();
    script.write(9);
    script.keptFromLsn = 5;
    script.pusher.start();
    await script.clock.advance(5_000);
    expect(script.requests).toHaveLength(0);
    expect(script.pusher.progress.state).toBe('catching_up');
    await script.pusher.stop();
  });

  it('a conflict is shown and asked about again at leisure', async () => {
    const script = new Script();
    script.write(1);
    const conflict: Reply = { kind: 'conflict', epochs: [] };
    script.replies.push(...Array<Reply>(5).fill(conflict));
    script.pusher.start();
    await script.clock.advance(100);
    expect(script.pusher.progress.state).toBe('quarantined');
    await script.clock.advance(2_500);
    expect(script.requests).toHaveLength(3);
    expect(script.acks).toEqual([]);
    await script.pusher.stop();
  });

  it('a higher term is told, and no ack is counted', async () => {
    const script = new Script();
    script.write(1);
    script.replies.push({ kind: 'fenced', term: 4 });
    script.pusher.start();
    await script.clock.advance(100);
    expect([script.fenced, script.acks, script.pusher.progress.state]).toEqual([[4], [], 'fenced']);
    await script.pusher.stop();
  });

  it('asks for durable acks as soon as someone waits for them, and once', async () => {
    const script = new Script();
    script.isLazy = true;
    script.pusher.start();
    script.write(1);
    await script.clock.advance(20);
    expect(script.requests.map(({ request }) => request.ackWhenDurable)).toEqual([false]);
    expect(script.acks).toEqual([0]);
    script.isWaitedFor = true;
    script.pusher.wake();
    await script.clock.advance(10);
    expect(script.requests.map(({ request }) => request.ackWhenDurable)).toEqual([false, true]);
    expect(script.acks).toEqual([0, 1]);
    await script.clock.advance(200);
    expect(script.requests).toHaveLength(2);
    await script.pusher.stop();
  });

  it('asks for durable acks also when the wait began while a push was in flight', async () => {
    const script = new Script();
    script.isLazy = true;
    script.answerAfterMs = 30;
    script.pusher.start();
    script.write(1);
    await script.clock.advance(10);
    script.isWaitedFor = true;
    script.pusher.wake();
    await script.clock.advance(60);
    expect(script.requests.map(({ request }) => request.ackWhenDurable)).toEqual([false, true]);
    expect(script.acks).toEqual([0, 1]);
    await script.pusher.stop();
  });

  it('stops at once, whatever hangs', async () => {
    const script = new Script();
    script.replies.push('hang');
    script.write(1);
    script.pusher.start();
    await script.clock.advance(20);
    let isStopped = false;
    void script.pusher.stop().then(() => {
      isStopped = true;
    });
    await script.clock.settle();
    expect(isStopped).toBe(true);
    expect(script.clock.pendingTimers).toBe(0);
  });

  it('tells lag in records and in milliseconds', async () => {
    const script = new Script();
    script.write(5);
    script.pusher.start();
    await script.clock.advance(20);
    expect(script.pusher.progress).toMatchObject({ lagRecords: 0, lagMs: 0, isLive: true });
    script.replies.push(...Array<Reply>(20).fill('fail'));
    script.write(7);
    await script.clock.advance(3_000);
    expect(script.pusher.progress).toMatchObject({ lagRecords: 7, isLive: false, state: 'catching_up' });
    expect(script.pusher.progress.lagMs).toBeGreaterThanOrEqual(3_000);
    expect(script.pusher.progress.lagMs).toBeLessThan(3_300);
    await script.pusher.stop();
  });
});
