import { describe, expect, it } from 'vitest';
import type { Lsn } from '#model/position.ts';
import { WATCH_BYTES_MAX, WATCH_MESSAGE_BYTES, WATCH_MESSAGE_EVENTS_MAX } from '#model/watch.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { Change, type ChangeFields } from '#watch/change.ts';
import { ChangeQueue } from '#watch/change-queue.ts';
import { MessagePace, PACE_MESSAGES, PACE_WINDOW_MS } from '#watch/message-pace.ts';
import { Room } from '#watch/room.ts';

function fieldsOf(lsn: number, valueBytes = 0, isInitial = false): ChangeFields {
  return {
    op: 'set',
    cause: 'client',
    key: 'k',
    value: new Uint8Array(valueBytes),
    version: { epoch: 1, lsn: lsn as Lsn },
    expireAtMs: 0,
    timestampMs: 0,
    previous: undefined,
    isPreviousUnknown: false,
    isInitial,
  };
}

function changeOf(lsn: number, valueBytes = 0, isInitial = false): Change {
  return new Change(fieldsOf(lsn, valueBytes, isInitial));
}

function queueOf(changes: readonly Change[]): { queue: ChangeQueue; room: Room } {
  const room = new Room(new VirtualClock(), WATCH_BYTES_MAX);
  const queue = new ChangeQueue(room);
  for (const change of changes) queue.push(change);
  return { queue, room };
}

const ALL = Number.MAX_SAFE_INTEGER as Lsn;

describe('the changes of one watcher', () => {
  it('are cut at the end of a record where that fits, else in fragments', () => {
    const { queue } = queueOf([1, 2, 2, 2, 3].map((lsn) => changeOf(lsn, WATCH_MESSAGE_BYTES / 2 - 300)));
    const cuts = [queue.take(ALL), queue.take(ALL), queue.take(ALL), queue.take(ALL)].map(
      (taken) => taken && [taken.changes.length, taken.isFragment, taken.lastWhole?.lsn],
    );
    expect(cuts).toEqual([[2, true, 1], [2, false, 2], [1, false, 3], undefined]);
  });

  it('come as many at once as a message may have', () => {
    const { queue } = queueOf(Array.from({ length: 2_500 }, (_, i) => changeOf(i + 1)));
    const counts = [];
    for (let taken = queue.take(ALL); taken !== undefined; taken = queue.take(ALL)) {
      expect(taken.bytes).toBeLessThanOrEqual(WATCH_MESSAGE_BYTES);
      counts.push(taken.changes.length);
    }
    expect(Math.max(...counts)).toBeLessThanOrEqual(WATCH_MESSAGE_EVENTS_MAX);
    expect(counts.reduce((a, b) => a + b)).toBe(2_500);
  });

  it('of records that are not ready stay, and initial ones are always', () => {
    const { queue } = queueOf([changeOf(9, 0, true), changeOf(1), changeOf(2)]);
    expect(queue.take(1 as Lsn)).toMatchObject({
      changes: [{}, {}],
      isFragment: false,
      lastWhole: { lsn: 1 },
    });
    expect(queue.take(1 as Lsn)).toBeUndefined();
    expect(queue.hasUpTo(1 as Lsn)).toBe(false);
    expect(queue.take(2 as Lsn)?.changes).toHaveLength(1);
  });

  it('count once in the memory of all, however many queues have them', () => {
    const shared = changeOf(1, 1_000);
    const room = new Room(new VirtualClock(), WATCH_BYTES_MAX);
    const queues = [new ChangeQueue(room), new ChangeQueue(room)];
    for (const queue of queues) queue.push(shared);
    expect(room.waitingBytes).toBe(shared.bytes);
    queues[0]?.take(ALL);
    expect(room.waitingBytes).toBe(shared.bytes);
    queues[1]?.clear();
    expect(room.waitingBytes).toBe(0);
  });
});

describe('the forms of a change', () => {
  it('are one object each, and none is encoded as another is', () => {
    const version = { epoch: 1, lsn: 1 as Lsn };
    const previous = { key: 'k', value: new Uint8Array(2), version, expireAtMs: 0 };
    const change = new Change({ ...fieldsOf(1, 3), previous });
    change.encoded = new Uint8Array(9);
    const forms = [true, false].flatMap((keysOnly) =>
      [true, false].map((withPrevious) => change.as({ keysOnly, withPrevious })),
    );
    expect(
      forms.map(({ value, previous: before, encoded }) => [
        value.length,
        before?.value.length,
        (encoded as Uint8Array | undefined)?.length,
      ]),
    ).toEqual([
      [0, 0, undefined],
      [0, undefined, undefined],
      [3, 2, 9],
      [3, undefined, undefined],
    ]);
    expect(change.as({ keysOnly: true, withPrevious: true })).toBe(forms[0]);
    expect(change.as({ keysOnly: false, withPrevious: false })).toBe(forms[3]);
  });
});

describe('room for messages', () => {
  it('is for small ones always, for large ones while few bytes are under way', () => {
    const room = new Room(new VirtualClock(), WATCH_BYTES_MAX);
    const large = 40 << 20;
    expect(room.maySend(100 << 20)).toBe(true);
    room.send(large);
    expect([room.maySend(WATCH_MESSAGE_BYTES), room.maySend(large)]).toEqual([true, false]);
    room.taken(large);
    expect(room.maySend(large)).toBe(true);
  });
});

describe('the pace of messages', () => {
  it('lets so many through in a window, and the next wait for its end', () => {
    const pace = new MessagePace();
    for (let i = 0; i < PACE_MESSAGES; i++) {
      expect(pace.waitMs(1_030)).toBe(0);
      pace.note(1_030);
    }
    expect(pace.waitMs(1_030)).toBe(PACE_WINDOW_MS - 30);
    expect(pace.waitMs(1_100)).toBe(0);
  });
});
