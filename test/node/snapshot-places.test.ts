import { describe, expect, it } from 'vitest';
import { READER_IDLE_MS, READERS_MAX, type SnapshotPlace, SnapshotPlaces } from '#node/snapshot-places.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const STRANGER = { nodeId: '', isKnown: false };

function replica(name: string) {
  return { nodeId: name, isKnown: true };
}

function fill(places: SnapshotPlaces, reader = STRANGER): SnapshotPlace[] {
  const taken: SnapshotPlace[] = [];
  while (places.taken < READERS_MAX) {
    const nodeId = reader.nodeId === '' ? '' : `${reader.nodeId}${places.taken}`;
    taken.push(places.take({ ...reader, nodeId }, new AbortController().signal));
  }
  return taken;
}

function whyEnded({ signal }: SnapshotPlace | { signal: AbortSignal }): string {
  return signal.aborted ? (signal.reason as Error).message : 'not ended';
}

describe('the places for readers of snapshots', () => {
  it('are refused to strangers where all are taken', () => {
    const places = new SnapshotPlaces(new VirtualClock());
    fill(places);
    expect(() => places.take(STRANGER, new AbortController().signal)).toThrow(/8 snapshots are being read/);
    expect(places.taken).toBe(READERS_MAX);
  });

  it('are given to a replica that registered, by the stranger that has read longest', () => {
    const places = new SnapshotPlaces(new VirtualClock());
    const [oldest, ...others] = fill(places);
    const own = places.take(replica('a'), new AbortController().signal);
    expect(whyEnded(oldest as SnapshotPlace)).toContain('a registered replica needs the place');
    expect(others.every(({ signal }) => !signal.aborted)).toBe(true);
    expect([places.taken, own.signal.aborted]).toEqual([READERS_MAX, false]);
  });

  it('are not taken from one replica for another', () => {
    const places = new SnapshotPlaces(new VirtualClock());
    const all = fill(places, replica('r'));
    expect(() => places.take(replica('z'), new AbortController().signal)).toThrow(/try again later/);
    expect(all.every(({ signal }) => !signal.aborted)).toBe(true);
  });

  it('are one for each node id: a second attempt ends the first', () => {
    const places = new SnapshotPlaces(new VirtualClock());
    const all = fill(places, replica('r'));
    const again = places.take(replica('r3'), new AbortController().signal);
    expect(all.map(({ signal }) => signal.aborted)).toEqual(all.map((_, i) => i === 3));
    expect([places.taken, again.signal.aborted]).toEqual([READERS_MAX, false]);
  });

  it('are given back once, with what they keep, when the call ends', () => {
    const places = new SnapshotPlaces(new VirtualClock());
    const call = new AbortController();
    const place = places.take(STRANGER, call.signal);
    let closed = 0;
    place.onEnd(() => closed++);
    call.abort();
    place.end(new Error('again') as never);
    expect([places.taken, closed, whyEnded(place)]).toEqual([0, 1, 'the reader of the snapshot has gone']);
    place.onEnd(() => closed++);
    expect(closed).toBe(2);
    expect(() => place.check()).toThrow('has gone');
    expect(places.take(STRANGER, AbortSignal.abort()).signal.aborted).toBe(true);
    expect(places.taken).toBe(0);
  });

  it('are given back by a reader that takes nothing for too long', async () => {
    const clock = new VirtualClock();
    const places = new SnapshotPlaces(clock);
    const place = places.take(STRANGER, new AbortController().signal);
    place.await();
    await clock.advance(READER_IDLE_MS - 1);
    place.resume();
    await clock.advance(READER_IDLE_MS);
    expect(places.taken).toBe(1);
    place.await();
    await clock.advance(READER_IDLE_MS);
    expect([places.taken, whyEnded(place)]).toEqual([
      0,
      `the reader of the snapshot took nothing for ${READER_IDLE_MS} ms`,
    ]);
    expect(clock.pendingTimers).toBe(0);
  });
});
