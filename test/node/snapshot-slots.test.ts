import { describe, expect, it } from 'vitest';
import { READER_IDLE_MS, READERS_MAX, type SnapshotSlot, SnapshotSlots } from '#node/snapshot-slots.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';

const STRANGER = { nodeId: '', isKnown: false };

function replica(name: string) {
  return { nodeId: name, isKnown: true };
}

function fill(slots: SnapshotSlots, reader = STRANGER): SnapshotSlot[] {
  const taken: SnapshotSlot[] = [];
  while (slots.taken < READERS_MAX) {
    const nodeId = reader.nodeId === '' ? '' : `${reader.nodeId}${slots.taken}`;
    taken.push(slots.take({ ...reader, nodeId }, new AbortController().signal));
  }
  return taken;
}

function whyEnded({ signal }: SnapshotSlot | { signal: AbortSignal }): string {
  return signal.aborted ? (signal.reason as Error).message : 'not ended';
}

describe('the places for readers of snapshots', () => {
  it('are refused to strangers where all are taken', () => {
    const slots = new SnapshotSlots(new VirtualClock());
    fill(slots);
    expect(() => slots.take(STRANGER, new AbortController().signal)).toThrow(/8 snapshots are being read/);
    expect(slots.taken).toBe(READERS_MAX);
  });

  it('are given to a replica that registered, by the stranger that has read longest', () => {
    const slots = new SnapshotSlots(new VirtualClock());
    const [oldest, ...others] = fill(slots);
    const own = slots.take(replica('a'), new AbortController().signal);
    expect(whyEnded(oldest as SnapshotSlot)).toContain('a registered replica needs the place');
    expect(others.every(({ signal }) => !signal.aborted)).toBe(true);
    expect([slots.taken, own.signal.aborted]).toEqual([READERS_MAX, false]);
  });

  it('are not taken from one replica for another', () => {
    const slots = new SnapshotSlots(new VirtualClock());
    const all = fill(slots, replica('r'));
    expect(() => slots.take(replica('z'), new AbortController().signal)).toThrow(/try again later/);
    expect(all.every(({ signal }) => !signal.aborted)).toBe(true);
  });

  it('are one for each node id: a second attempt ends the first', () => {
    const slots = new SnapshotSlots(new VirtualClock());
    const all = fill(slots, replica('r'));
    const again = slots.take(replica('r3'), new AbortController().signal);
    expect(all.map(({ signal }) => signal.aborted)).toEqual(all.map((_, i) => i === 3));
    expect([slots.taken, again.signal.aborted]).toEqual([READERS_MAX, false]);
  });

  it('are given back once, with what they hold, when the call ends', () => {
    const slots = new SnapshotSlots(new VirtualClock());
    const call = new AbortController();
    const slot = slots.take(STRANGER, call.signal);
    let closed = 0;
    slot.onEnd(() => closed++);
    call.abort();
    slot.end(new Error('again') as never);
    expect([slots.taken, closed, whyEnded(slot)]).toEqual([0, 1, 'the reader of the snapshot has gone']);
    slot.onEnd(() => closed++);
    expect(closed).toBe(2);
    expect(() => slot.check()).toThrow('has gone');
    expect(slots.take(STRANGER, AbortSignal.abort()).signal.aborted).toBe(true);
    expect(slots.taken).toBe(0);
  });

  it('are given back by a reader that takes nothing for too long', async () => {
    const clock = new VirtualClock();
    const slots = new SnapshotSlots(clock);
    const slot = slots.take(STRANGER, new AbortController().signal);
    slot.await();
    await clock.advance(READER_IDLE_MS - 1);
    slot.resume();
    await clock.advance(READER_IDLE_MS);
    expect(slots.taken).toBe(1);
    slot.await();
    await clock.advance(READER_IDLE_MS);
    expect([slots.taken, whyEnded(slot)]).toEqual([
      0,
      `the reader of the snapshot took nothing for ${READER_IDLE_MS} ms`,
    ]);
    expect(clock.pendingTimers).toBe(0);
  });
});
