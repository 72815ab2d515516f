import { describe, expect, it } from 'vitest';
import type { MutationWalk } from '#engine/records/record-kind.ts';
import { recordKindOf } from '#engine/records/record-table.ts';
import type { Lsn } from '#model/position.ts';
import { WATCH_BYTES_MAX, WATCH_MESSAGE_BYTES, WATCH_MESSAGE_EVENTS_MAX } from '#model/watch.ts';
import { VirtualClock } from '#test/doubles/virtual-clock.ts';
import { payloadOf } from '#test/engine/payload-of.ts';
import { Change, type ChangeFields, type ChangeForm } from '#watch/change.ts';
import { ChangeQueue } from '#watch/change-queue.ts';
import { CHUNK_BYTES, EventBytes } from '#watch/event-bytes.ts';
import { MessagePace, PACE_MESSAGES, PACE_WINDOW_MS } from '#watch/message-pace.ts';
import { pack } from '#watch/packed-change.ts';
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

const WHOLE: ChangeForm = { keysOnly: false, withPrevious: true };

function queueOf(changes: readonly Change[], form = WHOLE): { queue: ChangeQueue; room: Room } {
  const room = new Room(new VirtualClock(), WATCH_BYTES_MAX);
  const queue = new ChangeQueue(room, form);
  for (const change of changes) queue.push(change);
  return { queue, room };
}

const ALL = Number.MAX_SAFE_INTEGER as Lsn;

describe('the changes of one watcher', () => {
  it('are cut at the end of a record where that fits, else in fragments', () => {
    const { queue } = queueOf([1, 2, 2, 2, 3].map((lsn) => changeOf(lsn, WATCH_MESSAGE_BYTES / 2 - 300)));
    const cuts = [queue.take(ALL), queue.take(ALL), queue.take(ALL), queue.take(ALL)].map(
      (taken) => taken && [taken.events.length, taken.isFragment, taken.lastWhole?.lsn],
    );
    expect(cuts).toEqual([[2, true, 1], [2, false, 2], [1, false, 3], undefined]);
  });

  it.each([
    { keysOnly: true, withPrevious: true },
    { keysOnly: true, withPrevious: false },
  ])('are cut by what is sent of them, for %j', (form) => {
    const large = { key: 'k', value: new Uint8Array(WATCH_MESSAGE_BYTES), version: fieldsOf(0).version };
    const fields = { ...fieldsOf(1, WATCH_MESSAGE_BYTES), previous: { ...large, expireAtMs: 0 } };
    const { queue, room } = queueOf(
      Array.from({ length: 40 }, () => new Change(fields)),
      form,
    );
    const taken = queue.take(ALL);
    expect([taken?.events.length, taken?.isFragment, queue.take(ALL)]).toEqual([40, false, undefined]);
    expect(taken?.bytes).toBeGreaterThan(80 * WATCH_MESSAGE_BYTES);
    expect([queue.bytes, room.waitingBytes]).toEqual([0, 0]);
  });

  it.each([
    [true, [200]],
    [false, [59, 59, 59, 23]],
  ])('that are packed are cut by what is sent of them, keys only: %s', (keysOnly, lengths) => {
    const { queue } = queueOf([], { keysOnly, withPrevious: false });
    const kept = new EventBytes();
    const value = Buffer.alloc(2_000);
    const set = { op: 'set' as const, key: 'k', value, expireAtMs: 0, cause: 'client' as const };
    const frame = payloadOf([set]).toFrame({
      ...{ lsn: 1 as Lsn, epoch: 1, prevCrc: 0, type: 1, flags: 0, timestampMs: 0 },
    });
    for (let i = 0; i < 200; i++) {
      const walk = recordKindOf(frame).walk(frame) as MutationWalk;
      walk.next();
      const place = pack(walk, frame, kept) as number;
      queue.pushPacked(kept.chunk, place);
    }
    const runs = lengths.map(() => queue.take(ALL));
    expect(runs.map((run) => run?.events.length)).toEqual(lengths);
    expect(queue.length).toBe(0);
  });

  it('do not count the entry before where its watcher did not ask for it', () => {
    const before = { key: 'k', value: new Uint8Array(WATCH_MESSAGE_BYTES), version: fieldsOf(0).version };
    const changes = [1, 2].map(
      (lsn) => new Change({ ...fieldsOf(lsn), previous: { ...before, expireAtMs: 0 } }),
    );
    const { queue } = queueOf(changes, { keysOnly: false, withPrevious: false });
    expect(queue.take(ALL)?.events).toHaveLength(2);
  });

  it('come as many at once as a message may have', () => {
    const { queue } = queueOf(Array.from({ length: 2_500 }, (_, i) => changeOf(i + 1)));
    const counts = [];
    for (let taken = queue.take(ALL); taken !== undefined; taken = queue.take(ALL)) {
      expect(taken.bytes).toBeLessThanOrEqual(WATCH_MESSAGE_BYTES);
      counts.push(taken.events.length);
    }
    expect(Math.max(...counts)).toBeLessThanOrEqual(WATCH_MESSAGE_EVENTS_MAX);
    expect(counts.reduce((a, b) => a + b)).toBe(2_500);
  });

  it('of records that are not ready stay, and initial ones are always', () => {
    const { queue } = queueOf([changeOf(9, 0, true), changeOf(1), changeOf(2)]);
    expect(queue.take(1 as Lsn)).toMatchObject({
      events: [{}, {}],
      isFragment: false,
      lastWhole: { lsn: 1 },
    });
    expect(queue.take(1 as Lsn)).toBeUndefined();
    expect(queue.hasUpTo(1 as Lsn)).toBe(false);
    expect(queue.take(2 as Lsn)?.events).toHaveLength(1);
  });

  it('count once in the memory of all, however many queues have them', () => {
    const shared = changeOf(1, 1_000);
    const room = new Room(new VirtualClock(), WATCH_BYTES_MAX);
    const queues = [new ChangeQueue(room, WHOLE), new ChangeQueue(room, WHOLE)];
    for (const queue of queues) queue.push(shared);
    expect(room.waitingBytes).toBe(shared.bytes);
    queues[0]?.take(ALL);
    expect(room.waitingBytes).toBe(shared.bytes);
    queues[1]?.clear();
    expect(room.waitingBytes).toBe(0);
  });
});

describe('changes that lie in chunks', () => {
  function keptIn(kept: EventBytes, valueBytes: number): Change {
    const bytes = Buffer.alloc(1 + valueBytes, 'k');
    const source = kept.keep({
      ...{ bytes, keyOffset: 0, keyBytes: 1, valueOffset: 1, valueBytes },
      ...{ typeOffset: 0, typeBytes: 0, expireAtMs: 0 },
    });
    return new Change({ ...fieldsOf(1), source });
  }

  it('keep all of them in memory, and count so', () => {
    const room = new Room(new VirtualClock(), WATCH_BYTES_MAX);
    const [slow, quick] = [new ChangeQueue(room, WHOLE), new ChangeQueue(room, WHOLE)];
    const kept = new EventBytes();
    for (let i = 0; i < 100; i++) {
      slow.push(keptIn(kept, 1));
      for (let j = 0; j < 8; j++) quick.push(keptIn(kept, 2_000));
    }
    while (quick.take(ALL) !== undefined);
    expect(quick.keptBytes).toBe(0);
    expect(room.waitingBytes).toBeGreaterThan(100 * CHUNK_BYTES);
    expect(slow.keptBytes).toBeGreaterThan(100 * CHUNK_BYTES);
    expect(slow.keptBytes).toBeLessThan(101 * CHUNK_BYTES + slow.bytes);
    while (slow.take(ALL) !== undefined);
    expect([room.waitingBytes, slow.keptBytes]).toEqual([0, 0]);
  });

  it('count a chunk once, whether their queues take or drop them', () => {
    const room = new Room(new VirtualClock(), WATCH_BYTES_MAX);
    const queues = [new ChangeQueue(room, WHOLE), new ChangeQueue(room, WHOLE)];
    const kept = new EventBytes();
    for (let i = 0; i < 10; i++) {
      const [small, large] = [keptIn(kept, 10), keptIn(kept, 10_000)];
      for (const queue of queues) for (const change of [small, large]) queue.push(change);
    }
    expect(room.waitingBytes).toBeGreaterThan(CHUNK_BYTES + 100_000);
    expect(room.waitingBytes).toBeLessThan(CHUNK_BYTES + 10 * 10_500);
    queues[0]?.take(ALL);
    for (const queue of queues) queue.clear();
    expect([room.waitingBytes, queues[0]?.keptBytes]).toEqual([0, 0]);
  });
});

describe('the copies that are made of a change', () => {
  const COPIES = { encoded: new Uint8Array(9), json: { shiftMs: 0, bytes: Buffer.alloc(9) } };
  const keysOnly = { keysOnly: true, withPrevious: false };

  it.each([1, 2 * WATCH_MESSAGE_BYTES])(
    'of %i bytes are dropped when only slow watchers keep it',
    (bytes) => {
      const room = new Room(new VirtualClock(), WATCH_BYTES_MAX);
      const [first, second, slow] = [
        new ChangeQueue(room, WHOLE),
        new ChangeQueue(room, WHOLE),
        new ChangeQueue(room, WHOLE),
      ];
      const change = changeOf(1, bytes);
      for (const queue of [first, second, slow]) queue.push(change);
      room.dropCopies();
      for (const queue of [first, second]) {
        queue.take(ALL);
        Object.assign(change, COPIES);
        const form = change.as(keysOnly);
        expect(change.as(keysOnly)).toBe(form);
        room.dropCopies();
        expect([change.encoded, change.json]).toEqual([undefined, undefined]);
        expect(change.as(keysOnly)).not.toBe(form);
      }
      slow.take(ALL);
      expect(room.waitingBytes).toBe(0);
      Object.assign(change, COPIES);
      room.dropCopies();
      expect(change.json).toBe(COPIES.json);
    },
  );
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

  it.each([
    [500, 100],
    [501, 200],
    [1_000, 200],
    [5_000, 400],
  ])('that are %i make the window last %i ms', (messages, ms) => {
    const pace = new MessagePace();
    for (let i = 0; i < messages; i++) pace.note(1_030);
    expect([pace.waitMs(1_030), pace.waitMs(999 + ms), pace.waitMs(1_000 + ms)]).toEqual([ms - 30, 1, 0]);
  });
});
